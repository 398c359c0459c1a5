"""Which exposure made which image. Rules without I/O.

The unit tells of exposures by serial; images come by network, seconds or minutes later, from a clock that may be
wrong by an hour. What always holds: an exposure is given to one image at most, and only by *when* it was: an image
that nobody exposed (a detector triggered by a knock) bears the technique set at the console, so that an equal
technique proves nothing. Where time doesn't single one out, the answer is *ambiguous* and names the candidates. A
match is information for people; no analysis waits for it.

How two clocks are compared. An image arrives within a quarter of an hour of its exposure, so that only the offset of
the image's clock *modulo a quarter* matters: time zones and daylight saving drop out. The offset is that on which
recent images consent; what was learned on earlier days, or a clock that is simply right, is a hint that fewer images
have to confirm. A header that is silent about technique or time never counts for or against a candidate.

    arrives 10:00:09, acquired 11:00:03    the unit's clock is an hour ahead, modulo a quarter: right
    exposures 09:59:41, 10:00:02           the second one lies 1 s from 10:00:03; the first, of equal technique, 22 s
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from edge.types import Technique

WINDOW_S: Final = 15 * 60.0
"""An image arrives within this time after its exposure, or is not matched."""
ADVANCE_S: Final = 2.0
"""By how much an exposure's time may lie after the image's arrival: the error of two clocks read one after another."""
RECENT: Final = 12
"""On so many images the offset is judged: more would hide that the clock was set."""
_BELIEVED_WITHIN_S: Final = 620.0
"""An image that comes later than this after what seems its exposure is left to people."""
_MAX_DEVIATIONS: Final = 3.0
_MARGIN: Final = 4.0
_LEAST_CONSENT: Final = 5
_LEAST_CONFIRMED: Final = 3
_CONSENT_S: Final = 4.0
_LEAST_SIGMA_S: Final = 1.0
_HINT_SIGMA_S: Final = 1.5
_LEAST_REMEMBERED: Final = 3


@dataclass(frozen=True, slots=True)
class ImageClue:
    """What an image tells of its exposure. Times in seconds: arrival on ours, acquisition on the image's own clock."""

    arrived_s: float
    acquired_s: float | None
    technique: Technique


@dataclass(frozen=True, slots=True)
class ExposureClue:
    """An exposure. `timed` is False when its time is only that of its arrival: it may have been minutes before."""

    id: int
    at_s: float
    technique: Technique
    timed: bool = True


@dataclass(frozen=True, slots=True)
class Offset:
    """How far the image's clock is ahead of ours, modulo a quarter of an hour; `sigma_s` is its uncertainty.

    `sure`: enough images consent on it to tell one of several equal exposures from another.
    """

    ahead_s: float
    sigma_s: float
    sure: bool = True


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


def match(
    image: ImageClue, exposures: Sequence[ExposureClue], offset: Offset | None, claimed: Sequence[ExposureClue] = ()
) -> Verdict:
    """Judges one image against the unclaimed exposures. `claimed` are those of other images: rivals all the same."""
    possible = [exposure for exposure in exposures if could_be(image, exposure)]
    everyone = Ambiguous(tuple(exposure.id for exposure in possible))
    if not possible:
        return Unmatched()
    if offset is None or image.acquired_s is None:
        return everyone
    timed = [exposure for exposure in possible if exposure.timed]
    costs = []
    for exposure in timed:
        off = abs(modulo(image.acquired_s - exposure.at_s - offset.ahead_s)) / offset.sigma_s
        if off <= _MAX_DEVIATIONS:
            technique = _technique_deviations(image.technique, exposure.technique)
            costs.append((off * off + sum(d * d for d in technique), exposure.id))
    if not costs:
        untimed = tuple(exposure.id for exposure in possible if not exposure.timed)
        if untimed:
            return Ambiguous(untimed)
        return Unmatched() if offset.sure else everyone
    costs.sort()
    if len(costs) > 1 and costs[1][0] - costs[0][0] < _MARGIN:
        return Ambiguous(tuple(exposure_id for _, exposure_id in costs))
    best = next(exposure for exposure in timed if exposure.id == costs[0][1])
    # After the clock was set, an exposure of a quarter before can look like the one.
    too_late = image.arrived_s - best.at_s > _BELIEVED_WITHIN_S
    rivals = len(timed) + sum(could_be(image, other) for other in claimed) > 1
    return Matched(best.id) if not too_late and (offset.sure or not rivals) else everyone


def clock_offset(
    images: Sequence[ImageClue], exposures: Sequence[ExposureClue], hints: Iterable[float] = (0.0,)
) -> Offset | None:
    """The offset between the images' clock and ours on which the newest images consent.

    Every image is held against every exposure that could have made it; the true pairs all show the same offset, the
    false ones scatter. Five images that consent are enough when no other offset explains more than half as many; of a
    hint (0: the clock is right; or what was remembered) one is enough to match by where there is no rival, three to
    be sure if no other offset explains as many. When the two newest images speak against an offset, the clock was
    set: it is not used any more.

    Args:
        images: images in the order of their arrival; the last `RECENT` that could be of some exposure are used.
        exposures: all that were told in the time of these images, claimed or not.
        hints: offsets in seconds, the likeliest first; a second one needs as many images as being sure does: where a
            clock's error is remembered, one image by which it looks right proves nothing.
    """
    timed = sorted((exposure for exposure in exposures if exposure.timed), key=lambda exposure: exposure.at_s)
    moments_s = [exposure.at_s for exposure in timed]
    numbers: list[int] = []
    offers: list[tuple[float, int]] = []
    for number in reversed(range(len(images))):
        image = images[number]
        if image.acquired_s is None:
            continue
        first = bisect_left(moments_s, image.arrived_s - WINDOW_S)
        last = bisect_right(moments_s, image.arrived_s + ADVANCE_S)
        ahead_s = [image.acquired_s - e.at_s for e in timed[first:last] if could_be(image, e)]
        if ahead_s:
            numbers.append(number)
            offers += [(modulo(value), number) for value in ahead_s]
        if len(numbers) == RECENT:
            break
    offers.sort()
    newest = set(numbers[:2])
    centre = _busiest(offers)
    for centre_s, least_usable, hinted in (
        *((modulo(hint), 1 if first else _LEAST_CONFIRMED, True) for first, hint in _firsts(hints)),
        *([(centre, _LEAST_CONSENT, False)] if centre is not None else []),
    ):
        near = [(modulo(offer - centre_s), number) for offer, number in offers]
        for_it = {number for off_s, number in near if abs(off_s) <= _CONSENT_S}
        if len(for_it) < least_usable or 2 * len(for_it) <= len(numbers) or not for_it & newest:
            continue
        rest = [(offer, number) for offer, number in offers if abs(modulo(offer - centre_s)) > 2 * _CONSENT_S]
        other = _busiest(rest)
        against = _supporters(rest, other) if other is not None else 0
        sure = against < len(for_it) >= _LEAST_CONFIRMED if hinted else 2 * against <= len(for_it)
        if not (hinted or sure):
            continue
        best = [off_s for off_s, _ in near if abs(off_s) <= _CONSENT_S]
        middle = median(best) if sure else 0.0
        spread = median(abs(off_s - middle) for off_s in best)
        least_s = _LEAST_SIGMA_S if sure else _HINT_SIGMA_S
        return Offset(modulo(centre_s + middle), max(least_s, 1.5 * spread), sure)
    return None


def remembered(ahead_s: Sequence[float]) -> list[float]:
    """The hint that earlier matches give: the middle of the newest five, if most of them agree.

    Args:
        ahead_s: by how much the image's clock was ahead of ours in each match, newest first.
    """
    newest = [modulo(value - ahead_s[0]) for value in ahead_s[:5]]
    agree = [value for value in newest if abs(value) <= _CONSENT_S]
    return [modulo(ahead_s[0] + median(agree))] if len(agree) >= _LEAST_REMEMBERED else []


def modulo(seconds: float) -> float:
    """The same moment in the quarter of an hour around nought: -450 to 450."""
    return (seconds + WINDOW_S / 2) % WINDOW_S - WINDOW_S / 2


def could_be(image: ImageClue, exposure: ExposureClue) -> bool:
    """Whether arrival and technique allow that this exposure made this image."""
    after_s = image.arrived_s - exposure.at_s
    earliest_s = -ADVANCE_S if exposure.timed else -WINDOW_S  # told late: it may have been long before
    if not earliest_s <= after_s <= WINDOW_S:
        return False
    return max(_technique_deviations(image.technique, exposure.technique), default=0.0) <= _MAX_DEVIATIONS


def _firsts(hints: Iterable[float]) -> Iterator[tuple[bool, float]]:
    return ((number == 0, hint) for number, hint in enumerate(hints))


def _busiest(offers: Sequence[tuple[float, int]]) -> float | None:
    """The middle of the run of offers within `_CONSENT_S` that speaks for most images. The circle is cut open once."""
    if not offers:
        return None
    ordered = sorted(offers)
    ordered += [(offer + WINDOW_S, number) for offer, number in ordered if offer < -WINDOW_S / 2 + _CONSENT_S]
    best: Sequence[tuple[float, int]] = ()
    most = end = 0
    for start, (first, _) in enumerate(ordered):
        while end < len(ordered) and ordered[end][0] - first <= _CONSENT_S:
            end += 1
        if end - start > most and (count := len({number for _, number in ordered[start:end]})) > most:
            best, most = ordered[start:end], count
    return modulo(median(offer for offer, _ in best))


def _supporters(offers: Sequence[tuple[float, int]], ahead_s: float) -> int:
    return len({number for offer, number in offers if abs(modulo(offer - ahead_s)) <= _CONSENT_S})


def _technique_deviations(image: Technique, exposure: Technique) -> list[float]:
    """Deviations in units of what the tags' rounding and a generator's tolerance explain. 0 and None: not known.

    Exposure (0018,1152) is a whole number of mAs: 2.5 may be written 2 or 3 (PS3.3 C.8.7.2), hence the tolerance.
    """
    deviations = []
    if image.kvp and exposure.kvp:
        deviations.append(abs(image.kvp - exposure.kvp) / max(0.5, 0.01 * exposure.kvp))
    if image.exposure_mas is not None and exposure.exposure_mas:
        whole = image.exposure_mas == round(image.exposure_mas)
        tolerance = 0.5 if whole else max(0.05, 0.02 * exposure.exposure_mas)
        deviations.append(abs(image.exposure_mas - exposure.exposure_mas) / tolerance)
    return deviations
