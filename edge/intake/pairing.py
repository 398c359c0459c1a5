"""Keeps the verdicts of `matching` in the store, and revises them while something can still change.

An image is judged again until its window has passed: its exposure may be told late, another image may claim a
candidate, or the clocks' offset may become known. A match, once made, stays. Times are seconds on the monotonic clock
of this boot; what happened before a restart is put onto it by UTC, and counts as timed only if that can be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from edge.intake import matching
from edge.intake.matching import Ambiguous, ExposureClue, ImageClue, Matched
from edge.store import events, exposures, images
from edge.types import Technique

if TYPE_CHECKING:
    import sqlite3

    from edge.clock import Stamp
    from edge.store import Store
    from edge.store.exposures import Exposure
    from edge.store.images import Image, Match

ACTOR: Final = "intake"
_PAST: Final = 20
_REMEMBERED: Final = 8


def pair(store: Store, device_id: str | None = None) -> int:
    """Judges every image whose window is open. Returns how many verdicts changed.

    With `device_id` only the exposures of that unit are candidates: those of another one are kept apart.
    """
    now = store.clock.now()
    since_ns = now.monotonic_ns - int(matching.WINDOW_S * 1e9)
    with store.read() as connection:
        open_images = images.to_match(connection, now.boot, since_ns)
        if not open_images:
            return 0
        times = _Times(now)
        offset = _offset(connection, times, device_id)
    return sum(_judge(store, image, times, offset, device_id) for image in open_images)


@dataclass(frozen=True)
class _Times:
    """Moments as seconds on the monotonic clock of this boot."""

    now: Stamp

    @property
    def wall_s(self) -> float:
        """UTC less the monotonic clock."""
        return self.now.utc.timestamp() - self.now.monotonic_ns / 1e9

    def image(self, image: Image) -> ImageClue:
        technique = image.header.technique if image.header else Technique()
        same = image.received_boot == self.now.boot
        arrived_s = image.received_ns / 1e9 if same else _utc_s(image.received_utc) - self.wall_s
        return ImageClue(arrived_s, _acquired_s(image), technique)

    def exposure(self, exposure: Exposure) -> ExposureClue:
        technique = Technique(exposure.kvp, exposure.tube_current_ma, exposure.exposure_time_ms, exposure.exposure_mas)
        if exposure.at_boot == self.now.boot:
            return ExposureClue(exposure.id, exposure.at_ns / 1e9, technique, timed=exposure.mapped)
        trusted = exposure.at_trusted and self.now.trusted
        at_s = _utc_s(exposure.at_utc) - self.wall_s
        return ExposureClue(exposure.id, at_s, technique, timed=exposure.mapped and trusted)


def _judge(store: Store, image: Image, times: _Times, offset: matching.Offset | None, device_id: str | None) -> bool:
    clue = times.image(image)
    with store.transaction() as tx:
        free: list[ExposureClue] = []
        claimed: list[ExposureClue] = []
        for exposure, image_id in _told(tx, times, clue.arrived_s, device_id):
            (free if image_id is None else claimed).append(times.exposure(exposure))
        verdict = matching.match(clue, free, offset, claimed)
        word: Match = "unmatched"
        exposure_id: int | None = None
        candidates: tuple[int, ...] = ()
        if isinstance(verdict, Matched):
            word, exposure_id = "matched", verdict.exposure_id
        elif isinstance(verdict, Ambiguous):
            word, candidates = "ambiguous", verdict.candidates
        if (word, candidates) == (image.match, image.candidates):
            return False
        images.set_match(tx, image.id, word, exposure_id, candidates)
        stamp = store.clock.now()
        events.append(tx, stamp, ACTOR, "image-matched", f"image:{image.id}", match=word, exposure=exposure_id)
    return True


def _offset(connection: sqlite3.Connection, times: _Times, device_id: str | None) -> matching.Offset | None:
    past = [times.image(image) for image in reversed(images.of_boot(connection, times.now.boot, _PAST))]
    if not past:
        return None
    told = [times.exposure(exposure) for exposure, _ in _told(connection, times, past[0].arrived_s, device_id)]
    hints = (*_remembered(connection, times), times.wall_s)  # the last one: the image's clock is right, in some zone
    return matching.clock_offset(past, told, hints)


def _remembered(connection: sqlite3.Connection, times: _Times) -> list[float]:
    """What the last matches say of the clocks, whenever they were made."""
    ahead_s = []
    for image in images.latest(connection, 2 * _PAST):
        acquired_s = _acquired_s(image)
        if image.match != "matched" or image.exposure_id is None or acquired_s is None:
            continue
        exposure = exposures.get(connection, image.exposure_id)
        if exposure is not None:
            ahead_s.append(acquired_s - _utc_s(exposure.at_utc) + times.wall_s)
        if len(ahead_s) == _REMEMBERED:
            break
    return matching.remembered(ahead_s)


def _told(
    connection: sqlite3.Connection, times: _Times, arrived_s: float, device_id: str | None
) -> list[tuple[Exposure, int | None]]:
    """The exposures that an image which arrived then, or a later one, could be of; with the image that claimed each."""
    since_s = arrived_s - matching.WINDOW_S
    since = datetime.fromtimestamp(since_s + times.wall_s, UTC).isoformat(timespec="milliseconds")
    rows = exposures.told_since(connection, times.now.boot, int(since_s * 1e9), since.replace("+00:00", "Z"))
    return [(exposure, image_id) for exposure, image_id in rows if device_id in {None, exposure.device_id}]


def _utc_s(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


def _acquired_s(image: Image) -> float | None:
    """Seconds on the image's own clock. Its zone is unknown and does not matter: zones differ by whole quarters."""
    if image.header is None or image.header.acquired is None:
        return None
    return datetime.fromisoformat(image.header.acquired).replace(tzinfo=UTC).timestamp()
