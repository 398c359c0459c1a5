"""The words of a report. Plain ASCII English, fixed sentences, nothing inferred beyond the analysis.

What always holds:

- A finding is *suggestive of soft-tissue calcification*. No disease is named, no chance of one given, no advice on
  treatment; no film is called normal and no density harmless.
- Nothing found reads "No area exceeded the alert threshold. This does not exclude calcification."
- Not analysed reads "NOT ANALYSED", with the reason and "Read the image as usual."
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from edge.types import Analysis, Findings, Hand, Joint, Lesion, NotAnalysed, Side, SpacingSource

UNVERIFIED: Final = "Automated, unverified, not for diagnosis."
READ_AS_USUAL: Final = "Read the image as usual."
NOTHING_EXCEEDED: Final = "No area exceeded the alert threshold. This does not exclude calcification."
OWN_INDEX: Final = "The burden index is calcedge's own and equals no published score."

_READ_AS_USUAL: Final = re.compile("read (the image|images) as usual", re.IGNORECASE)
_STANDING: Final = "Unverified: must be read by a qualified clinician. Research use only, not a medical device."
_CAUSES: Final = (
    "If not already known, consider clinical review; connective-tissue, metabolic (calcium, phosphate, renal) and "
    "post-traumatic causes exist."
)
_SIDES: Final[Mapping[Side, str]] = {"L": "LEFT hand", "R": "RIGHT hand", "U": "Hand of undetermined side"}
_SEGMENTS: Final = {
    "DP": "distal phalanx region",
    "MP": "middle phalanx region",
    "PP": "proximal phalanx region",
    "MC": "metacarpal region",
    "CARPUS": "carpal region",
}
_SIZES: Final[Mapping[SpacingSource, str]] = {
    "PixelSpacing": "Sizes use the pixel spacing that the image states and are approximate.",
    "ImagerPixelSpacing": "Sizes are those at the detector, not corrected for magnification, and are approximate.",
    "NominalScannedPixelSpacing": "Sizes are those on the digitised film, not corrected for magnification, and are "
    "approximate.",
    "estimated": "Sizes are estimated from the hand itself, not from a stated pixel spacing, and are rough.",
    "unknown": "The pixel spacing is unknown: sizes are not reported.",
}


def reported(findings: Findings) -> tuple[Lesion, ...]:
    """The lesions that a report shows: those at or above the *possible* operating point."""
    return tuple(lesion for lesion in findings.lesions if lesion.certainty != "below")


def headline(analysis: Analysis) -> str:
    """The outcome in one line."""
    if isinstance(analysis, NotAnalysed):
        return "NOT ANALYSED"
    lesions = reported(analysis)
    if not lesions:
        return NOTHING_EXCEEDED
    counted = Counter(lesion.certainty for lesion in lesions)
    split = ", ".join(
        f"{counted[certainty]} {certainty}" for certainty in ("definite", "possible") if counted[certainty]
    )
    return f"{_areas(len(lesions))} suggestive of soft-tissue calcification ({split})"


def summary(analysis: Analysis) -> tuple[str, ...]:
    """What a reader must know, one sentence or short paragraph each."""
    if isinstance(analysis, NotAnalysed):
        told = f"NOT ANALYSED: {analysis.reason.text} {analysis.reason.do}"
        return (told if _READ_AS_USUAL.search(told) else f"{told} {READ_AS_USUAL}", _STANDING)
    lesions = reported(analysis)
    if not lesions:
        return (f"Automated result (not a diagnosis): {NOTHING_EXCEEDED}", _STANDING)
    places = "; ".join(_places(analysis, lesions))
    found = f"Automated finding (not a diagnosis): density suggestive of soft-tissue calcification. {places}."
    return (found, _STANDING, _CAUSES)


def comments(analysis: Analysis) -> tuple[str, ...]:
    """What qualifies the result: associated signs, what was not counted, image quality, sizes, the index."""
    notes = tuple(f"Image quality ({note.severity}): {note.text}" for note in analysis.quality)
    if isinstance(analysis, NotAnalysed):
        return notes
    lines = [*(line for hand in analysis.hands for line in _signs(hand))]
    if analysis.ignored:
        kinds = ", ".join(sorted({item.kind for item in analysis.ignored}))
        lines.append(f"Not counted: {len(analysis.ignored)} (possible {kinds}), excluded by place and look only.")
    lines.append(_SIZES[analysis.image.spacing_source])
    if analysis.hands:
        indices = ", ".join(f"{_SIDES[hand.side]} {hand.burden_index:.1f}" for hand in analysis.hands)
        lines.append(f"Burden index: {indices} (scale 0 to 2000). {OWN_INDEX}")
    return (*lines, *(notes or ("Image quality: nothing noted.",)))


def side_words(side: Side) -> str:
    """`LEFT hand`, `RIGHT hand`, `Hand of undetermined side`."""
    return _SIDES[side]


def hand_labels(hands: Iterable[Hand]) -> tuple[str, ...]:
    """A short label for each hand, different for each: `L`, `R`; `U1`, `U2` when a side occurs twice."""
    sides = [hand.side for hand in hands]
    return tuple(side if sides.count(side) == 1 else f"{side}{n}" for n, side in enumerate(sides, 1))


def region_words(region: str) -> str:
    """`distal phalanx region, digit 2`, `carpal region`."""
    return _SEGMENTS[region] if region in _SEGMENTS else f"{_SEGMENTS[region[:-1]]}, digit {region[-1]}"


def _areas(count: int) -> str:
    return f"{count} area" if count == 1 else f"{count} areas"


def _places(findings: Findings, lesions: tuple[Lesion, ...]) -> list[str]:
    grouped: dict[tuple[int, str], list[Lesion]] = defaultdict(list)
    for lesion in lesions:
        grouped[lesion.hand, lesion.region.rstrip("12345")].append(lesion)
    told = []
    for (hand, segment), group in sorted(
        grouped.items(), key=lambda item: (item[0][0], [*_SEGMENTS].index(item[0][1]))
    ):
        digits = sorted({lesion.region[-1] for lesion in group if lesion.region[-1].isdigit()})
        where = f"{_SEGMENTS[segment]}" + (f", {_digits(digits)}" if digits else "")
        size = "" if findings.image.mm_per_pixel is None else f", largest {max(x.long_axis_mm for x in group):.1f} mm"
        told.append(f"{_SIDES[findings.hands[hand].side]}: {where} ({_areas(len(group))}{size})")
    return told


def _digits(digits: list[str]) -> str:
    return f"digit {digits[0]}" if len(digits) == 1 else f"digits {', '.join(digits)}"


def _signs(hand: Hand) -> list[str]:
    tufts = [
        f"{name[-1]} (grade {tuft.osteolysis_grade} of 4)" for name, tuft in hand.tufts.items() if tuft.osteolysis_grade
    ]
    joints = [f"{name} ({_narrowing(joint)})" for name, joint in hand.joints.items() if joint.narrowing_grade]
    lines = []
    if tufts:
        lines.append(f"{_SIDES[hand.side]}: tuft resorption suspected, digit {', '.join(tufts)}.")
    if joints:
        lines.append(
            f"{_SIDES[hand.side]}: joint space narrowing suspected, {', '.join(joints)}. "
            "It is common and not specific.",
        )
    return lines


def _narrowing(joint: Joint) -> str:
    width = "" if joint.space_mm is None else f", {joint.space_mm:.1f} mm"
    return f"grade {joint.narrowing_grade} of 3{width}"
