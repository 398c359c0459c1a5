"""Which exposure made which image. Rules without I/O.

The unit tells of exposures by serial; images come by network, seconds or minutes later, from a clock that may be
wrong by an hour. What always holds: an exposure is given to one image at most; where the evidence doesn't single one
out, the answer is *ambiguous* and names the candidates. A match is information for people; no analysis waits for it.

Evidence, in the order of its worth: technique (kV, mAs) within the rounding of the DICOM tags; the time of
acquisition, once the offset between the image's clock and ours is known from past matches; the time of arrival,
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
_MIN_PAST: Final = 5
_MAX_SPREAD_S: Final = 5.0
_LEAST_SIGMA_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class ImageClue:
    """What an image tells of its exposure. Times in seconds: arrival on ours, acquisition on the image's own clock."""

    arrived_s: float
    acquired_s: float | None
    technique: Technique


@dataclass(frozen=True, slots=True)
class ExposureClue:
    """An exposure that no image has claimed."""

    id: int
    at_s: float
    technique: Technique


@dataclass(frozen=True, slots=True)
class Offset:
    """How far the image's clock is ahead of ours, from past matches; `sigma_s` is its uncertainty."""

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
        if not -ADVANCE_S <= image.arrived_s - exposure.at_s <= WINDOW_S:
            continue
        deviations = _technique_deviations(image.technique, exposure.technique)
        if offset is not None and image.acquired_s is not None:
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


def clock_offset(pairs: Sequence[tuple[float, float]]) -> Offset | None:
    """The offset between the image's clock and ours, from past (acquired, exposed) times in seconds.

    None while there are fewer than five, or they disagree by more than five seconds: a clock that was set.
    """
    if len(pairs) < _MIN_PAST:
        return None
    differences = [acquired - exposed for acquired, exposed in pairs]
    middle = median(differences)
    spread = median(abs(difference - middle) for difference in differences)
    if spread > _MAX_SPREAD_S:
        return None
    return Offset(middle, max(_LEAST_SIGMA_S, 1.5 * spread))


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
