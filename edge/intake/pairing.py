"""Keeps the verdicts of `matching` in the store, and revises them while something can still change.

An image is judged again until its window has passed: its exposure may be told late, or another image may claim a
candidate. A match, once made, stays.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from edge.intake import matching
from edge.intake.matching import Ambiguous, ExposureClue, ImageClue, Matched
from edge.store import events, exposures, images
from edge.types import Technique

if TYPE_CHECKING:
    import sqlite3

    from edge.store import Store
    from edge.store.exposures import Exposure
    from edge.store.images import Image, Match

ACTOR: Final = "intake"
_PAST: Final = 30


def pair(store: Store, device_id: str | None = None) -> int:
    """Judges every image whose window is open. Returns how many verdicts changed.

    With `device_id` only the exposures of that unit are candidates: those of another one are kept apart.
    """
    now = store.clock.now()
    since_ns = now.monotonic_ns - int(matching.WINDOW_S * 1e9)
    with store.read() as connection:
        open_images = images.to_match(connection, now.boot, since_ns)
    return sum(_judge(store, image, device_id) for image in open_images)


def _judge(store: Store, image: Image, device_id: str | None) -> bool:
    since_ns = image.received_ns - int(matching.WINDOW_S * 1e9)
    with store.transaction() as tx:
        unclaimed = exposures.unclaimed(tx, image.received_boot, since_ns)
        free = [_exposure_clue(e) for e in unclaimed if device_id in {None, e.device_id}]
        verdict = matching.match(_image_clue(image), free, _offset(tx, image.received_boot))
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


def _offset(connection: sqlite3.Connection, boot: str) -> matching.Offset | None:
    past = [_image_clue(image) for image in images.of_boot(connection, boot, _PAST)]
    if not past:
        return None
    since_ns = int((min(image.arrived_s for image in past) - matching.WINDOW_S) * 1e9)
    told = [_exposure_clue(exposure) for exposure in exposures.of_boot(connection, boot, since_ns)]
    return matching.clock_offset(past, told)


def _image_clue(image: Image) -> ImageClue:
    technique = image.header.technique if image.header else Technique()
    return ImageClue(image.received_ns / 1e9, _acquired_s(image), technique)


def _exposure_clue(exposure: Exposure) -> ExposureClue:
    technique = Technique(exposure.kvp, exposure.tube_current_ma, exposure.exposure_time_ms, exposure.exposure_mas)
    return ExposureClue(exposure.id, exposure.at_ns / 1e9, technique, timed=exposure.mapped)


def _acquired_s(image: Image) -> float | None:
    """Seconds on the image's own clock. Its zone is unknown and does not matter: only differences are used."""
    if image.header is None or image.header.acquired is None:
        return None
    return datetime.fromisoformat(image.header.acquired).replace(tzinfo=UTC).timestamp()
