"""The last exposures and what became of each: matched, ambiguous or without an image. Rules only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edge.web import phrases, words
from edge.web.views import moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from edge.store.exposures import Exposure
    from edge.store.images import Image


@dataclass(frozen=True, slots=True)
class ExposureRow:
    """One exposure in words. `image` is the number of the image matched to it."""

    id: int
    at: str
    technique: str
    ended: str
    match: Literal["matched", "ambiguous", "without"]
    match_words: str
    image: int | None = None


def rows(exposures: Sequence[Exposure], images: Sequence[Image], now: datetime) -> tuple[ExposureRow, ...]:
    """The exposures, with the images among `images` that belong, or may belong, to them."""
    return tuple(_row(exposure, images, now) for exposure in exposures)


def awaited(exposures: Sequence[Exposure], images: Sequence[Image], now: datetime) -> str | None:
    """When the newest exposure was, if no image has come since: what is on screen is then of an earlier one."""
    newest = exposures[0] if exposures else None
    if newest is None or any(newest.id == image.exposure_id for image in images):
        return None
    if images and _came_after(images[0], newest):
        return None
    return moment(newest.at_utc, now)


def _came_after(image: Image, exposure: Exposure) -> bool:
    if image.received_boot == exposure.at_boot:
        return image.received_ns >= exposure.at_ns
    return image.received_utc >= exposure.at_utc


def _row(exposure: Exposure, images: Sequence[Image], now: datetime) -> ExposureRow:
    at = moment(exposure.at_utc, now)
    technique = phrases.technique(
        exposure.kvp, exposure.tube_current_ma, exposure.exposure_time_ms, exposure.exposure_mas
    )
    ended = words.END_CODES.get(exposure.end_code, words.END_CODES[0])
    for image in images:
        if image.match == "matched" and image.exposure_id == exposure.id:
            text = words.MATCHED.format(id=image.id)
            return ExposureRow(exposure.id, at, technique, ended, "matched", text, image.id)
    perhaps = [image.id for image in images if image.match == "ambiguous" and exposure.id in image.candidates]
    if perhaps:
        text = words.AMBIGUOUS.format(ids=", ".join(map(str, perhaps)))
        return ExposureRow(exposure.id, at, technique, ended, "ambiguous", text)
    return ExposureRow(exposure.id, at, technique, ended, "without", words.WITHOUT_IMAGE)
