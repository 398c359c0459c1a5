"""Which exposure made which image. Rules without I/O.

The unit tells of exposures by serial; images come by network, seconds or minutes later, from a clock that may be
wrong by an hour. What always holds: an exposure is given to one image at most; where the evidence doesn't single one
out, the answer is *ambiguous* and names the candidates. A match is information for people; no analysis waits for it.

Evidence, in the order of its worth: technique (kV, mAs) within the rounding of the DICOM tags; the time of
acquisition, once enough images consent on the offset between their clock and ours; the time of arrival,
which only bounds. A silent header is neutral: it never counts against a candidate, and never for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from edge.types import Technique

WINDOW_S: Final = 15 * 60.0
"""An image arrives within this time after its exposure, or is not matched."""
ADVANCE_S: Final = 2.0
"""By how much an exposure's time may lie after the image's arrival: the error of an unmapped device time."""
_MAX_DEVIATIONS: Final = 3.0
_MARGIN: Final = 4.0
_LEAST_CONSENT: Final = 5
_CONSENT_S: Final = 4.0
_LEAST_SIGMA_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class ImageClue:
    """What an image tells of its exposure. Times in seconds: arrival on ours, acquisition on the image's own clock."""

    arrived_s: float
    acquired_s: float | None
    technique: Technique


@dataclass(frozen=True, slots=True)
class ExposureClue:
    """An exposure that no image has claimed. `timed` is False when its time is only that of its arrival."""

    id: int
    at_s: float
    technique: Technique
    timed: bool = True


@dataclass(frozen=True, slots=True)
class Offset:
    """How far the image's clock is ahead of ours, by consent; `sigma_s` is its uncertainty."""

    ahead_s: float
    sigma_s: float


@dataclass(frozen=True, slots=True)
class Matched:
    """One exposure stands out."""

    exposure_id: int


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several could be, or one could be but nothing speaks for it."""

    candidates: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unmatched:
    """No exposure could have made this image."""


Verdict = Matched | Ambiguous | Unmatched


def match(image: ImageClue, exposures: Sequence[ExposureClue], offset: Offset | None) -> Verdict:
    """Judges one image against the unclaimed exposures."""
    scored = []
    for exposure in exposures:
        if not _could_be(image, exposure):
            continue
        deviations = _technique_deviations(image.technique, exposure.technique)
        if offset is not None and image.acquired_s is not None and exposure.timed:
            deviations.append(abs(image.acquired_s - offset.ahead_s - exposure.at_s) / offset.sigma_s)
        if any(deviation > _MAX_DEVIATIONS for deviation in deviations):
            continue
        scored.append((sum(d * d for d in deviations), bool(deviations), exposure.id))
    if not scored:
        return Unmatched()
    scored.sort()
    cost, has_evidence, best = scored[0]
    alone = len(scored) == 1 or scored[1][0] - cost >= _MARGIN
    if alone and has_evidence:
        return Matched(best)
    return Ambiguous(tuple(exposure_id for *_, exposure_id in scored))


def clock_offset(images: Sequence[ImageClue], exposures: Sequence[ExposureClue]) -> Offset | None:
    """The offset between the images' clock and ours, by consent: the one that explains most images at once.

    Every image is held against every exposure that could have made it; the true pairs all show the same offset, the
    false ones scatter. None while fewer than five images consent, or another offset explains half as many.
    """
    offers = [
        (image.acquired_s - exposure.at_s, number)
        for number, image in enumerate(images)
        if image.acquired_s is not None
        for exposure in exposures
        if exposure.timed and _could_be(image, exposure)
    ]
    offers.sort()
    best = _consenting(offers)
    if len({number for _, number in best}) < _LEAST_CONSENT:
        return None
    centre = median(offer for offer, _ in best)
    rest = [(offer, number) for offer, number in offers if abs(offer - centre) > 2 * _CONSENT_S]
    if 2 * len({number for _, number in _consenting(rest)}) > len({number for _, number in best}):
        return None
    spread = median(abs(offer - centre) for offer, _ in best)
    return Offset(centre, max(_LEAST_SIGMA_S, 1.5 * spread))


def _consenting(offers: Sequence[tuple[float, int]]) -> Sequence[tuple[float, int]]:
    """The run of sorted offers within `_CONSENT_S` of its first that speaks for most images."""
    best: Sequence[tuple[float, int]] = ()
    most = end = 0
    for start, (first, _) in enumerate(offers):
        while end < len(offers) and offers[end][0] - first <= _CONSENT_S:
            end += 1
        if (count := len({number for _, number in offers[start:end]})) > most:
            best, most = offers[start:end], count
    return best


def _could_be(image: ImageClue, exposure: ExposureClue) -> bool:
    if not -ADVANCE_S <= image.arrived_s - exposure.at_s <= WINDOW_S:
        return False
    return all(d <= _MAX_DEVIATIONS for d in _technique_deviations(image.technique, exposure.technique))


def _technique_deviations(image: Technique, exposure: Technique) -> list[float]:
    """Deviations in units of what the tags' rounding and a generator's tolerance explain.

    Exposure (0018,1152) is a whole number of mAs: 2.5 may be written 2 or 3 (PS3.3 C.8.7.2), hence the tolerance.
    """
    deviations = []
    if image.kvp is not None and exposure.kvp is not None:
        deviations.append(abs(image.kvp - exposure.kvp) / max(0.5, 0.01 * exposure.kvp))
    if image.exposure_mas is not None and exposure.exposure_mas is not None:
        whole = image.exposure_mas == round(image.exposure_mas)
        tolerance = 0.5 if whole else max(0.05, 0.02 * exposure.exposure_mas)
        deviations.append(abs(image.exposure_mas - exposure.exposure_mas) / tolerance)
    return deviations
