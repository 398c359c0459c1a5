"""Reads a structured report's groups back from a parsed object, without the library that wrote them.

`groups_of` says what a report holds, `groups_expected` what an analysis demands; `verify` compares the two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from edge.report import codes, wording
from edge.types import Analysis, Findings, Hand, Lesion, Side, Tuft

_IMAGING_MEASUREMENTS: Final = ("126010", "DCM")
_WORDS: Final = ("C0034375", "UMLS")
_GROUP: Final = ("125007", "DCM")
_TRACKING: Final = ("112039", "DCM")
_FINDING_SITE: Final = ("363698007", "SCT")
_LATERALITY: Final = ("272741003", "SCT")
_TOPOGRAPHY: Final = ("106233006", "SCT")
_FINDING: Final = ("121071", "DCM")
_IMAGE_REGION: Final = ("111030", "DCM")

Key = tuple[str, str]
"""Code value and scheme."""


@dataclass(frozen=True, slots=True)
class Group:
    """One measurement group: its name, numbers with units, codes, place, and outline (x, y, x, y, ... corner-based)."""

    name: str
    numbers: Mapping[Key, tuple[float, str]] = field(default_factory=dict)
    codes: Mapping[Key, tuple[Key, ...]] = field(default_factory=dict)
    site: tuple[Key | None, ...] = ()
    outline: tuple[float, ...] = ()


def groups_of(ds: Dataset) -> tuple[Group, ...]:
    """The measurement groups of a parsed report, in order.

    Raises:
        AttributeError, KeyError, ValueError: if the tree is not the one that `content` builds.
    """
    (container,) = (item for item in ds.ContentSequence if _name(item) == _IMAGING_MEASUREMENTS)
    return tuple(_read(item) for item in container.ContentSequence if _name(item) == _GROUP)


def words_of(ds: Dataset) -> tuple[str, ...]:
    """The sentences of a parsed report, in order. Raises as `groups_of` does."""
    (container,) = (item for item in ds.ContentSequence if _name(item) == _WORDS)
    return tuple(str(item.TextValue) for item in container.ContentSequence)


def groups_expected(analysis: Analysis) -> tuple[Group, ...]:
    """The groups that a report of `analysis` must hold, in order."""
    if not isinstance(analysis, Findings):
        return (Group("ANALYSIS", {}, _told(analysis)),)
    reported = wording.reported(analysis)
    groups = [Group("ANALYSIS", {_key(codes.NUMBER_OF_FINDINGS): (len(reported), "1")}, _told(analysis))]
    labels = wording.hand_labels(analysis.hands)
    for hand, label in zip(analysis.hands, labels, strict=True):
        groups += _hand(hand, label)
    seen: Counter[str] = Counter()
    for lesion in reported:
        name = f"{labels[lesion.hand]}-{lesion.region}"
        seen[name] += 1
        groups.append(_lesion(analysis, lesion, f"{name}-{seen[name]:02d}"))
    return tuple(groups)


def _told(analysis: Analysis) -> dict[Key, tuple[Key, ...]]:
    if not isinstance(analysis, Findings):
        quality: Code | None = codes.UNUSABLE if analysis.reason.code == "unusable-image" else None
        outcome = codes.NOT_ANALYSED
    else:
        warned = any(note.severity == "warning" for note in analysis.quality)
        quality = codes.USABLE_WITH_WARNING if warned else codes.USABLE
        outcome = {
            (True, True): codes.SUCCEEDED_WITH_FINDINGS,
            (True, False): codes.SUCCEEDED_WITHOUT_FINDINGS,
            (False, True): codes.PARTLY_WITH_FINDINGS,
            (False, False): codes.PARTLY_WITHOUT_FINDINGS,
        }[analysis.image.mm_per_pixel is not None, analysis.outcome == "findings"]
    told: dict[Key, tuple[Key, ...]] = {_key(codes.SUMMARY_OF_DETECTIONS): (_key(outcome),)}
    if quality is not None:
        told[_key(codes.QUALITY_ASSESSMENT)] = (_key(quality),)
    if not isinstance(analysis, Findings):
        told[_key(codes.NOT_ANALYSED_REASON)] = ((analysis.reason.code, codes.SCHEME),)
    if analysis.quality:
        told[_key(codes.QUALITY_ISSUE)] = tuple(map(_key, codes.quality_issues(analysis.quality)))
    return told


def _hand(hand: Hand, label: str) -> list[Group]:
    def group(name: str, place: str, numbers: dict[Code, tuple[float, str]]) -> Group:
        rounded = {_key(code): (round(value, 4), unit) for code, (value, unit) in numbers.items()}
        return Group(name, rounded, {}, _where(place, hand.side))

    groups = [
        Group(
            f"{label}-HAND",
            {_key(codes.BURDEN_HAND): (round(hand.burden_index, 4), "1")},
            {},
            (_key(codes.HAND), _side(hand.side), None),
        ),
    ]
    for name, region in hand.regions.items():
        if region.calcified_mm2 > 0:
            measured: dict[Code, tuple[float, str]] = {
                codes.CALCIFIED_AREA: (region.calcified_mm2, "mm2"),
                codes.SOFT_TISSUE_AREA: (region.soft_tissue_mm2, "mm2"),
                codes.DENSITY_GRADE: (region.density_grade, "1"),
                codes.BURDEN_REGION: (region.burden, "1"),
            }
            groups.append(group(f"{label}-{name}", name, measured))
    for name, joint in hand.joints.items():
        measured = {}
        if joint.space_mm is not None:
            measured[codes.JOINT_SPACE] = (joint.space_mm, "mm")
        if joint.narrowing_grade is not None:
            measured[codes.NARROWING_GRADE] = (joint.narrowing_grade, "1")
        if measured:
            groups.append(group(f"{label}-{name}", name, measured))
    for name, tuft in hand.tufts.items():
        if measured := _tuft(tuft):
            groups.append(group(f"{label}-{name}-TUFT", name, measured))
    return groups


def _tuft(tuft: Tuft) -> dict[Code, tuple[float, str]]:
    if tuft.osteolysis_grade is None:
        return {}
    measured: dict[Code, tuple[float, str]] = {codes.OSTEOLYSIS_GRADE: (tuft.osteolysis_grade, "1")}
    if tuft.score is not None:
        measured[codes.CERTAINTY_PERCENT] = (100 * round(tuft.score, 4), "%")
    return measured


def _lesion(findings: Findings, lesion: Lesion, name: str) -> Group:
    numbers: dict[Key, tuple[float, str]] = {
        _key(codes.DENSITY_GRADE): (lesion.density_grade, "1"),
        _key(codes.BODIES): (lesion.bodies, "1"),
        _key(codes.CERTAINTY_PERCENT): (round(100 * round(lesion.score, 4), 4), "%"),
    }
    if findings.image.mm_per_pixel is not None:
        numbers[_key(codes.AREA)] = (round(lesion.area_mm2, 4), "mm2")
        numbers[_key(codes.LONG_AXIS)] = (round(lesion.long_axis_mm, 4), "mm")
    said = {
        _key(codes.CERTAINTY): (_key(codes.CERTAINTIES[lesion.certainty]),),
        _key(codes.CALCIFICATION_TYPE): (_key(codes.TYPES[lesion.type]),),
        _key(codes.CALCIFICATION_DISTRIBUTION): (_key(codes.DISTRIBUTIONS[lesion.distribution]),),
        _FINDING: (_key(codes.CALCIFICATION),),
    }
    closed = (*lesion.polygon, lesion.polygon[0])
    outline = tuple(value + 0.5 for point in closed for value in point)
    return Group(name, numbers, said, _where(lesion.region, findings.hands[lesion.hand].side), outline)


def _where(place: str, side: Side) -> tuple[Key | None, ...]:
    return _key(codes.site(place)), _side(side), _key(codes.place(place))


def _side(side: Side) -> Key | None:
    return _key(codes.SIDES[side]) if side in codes.SIDES else None


def _read(item: Dataset) -> Group:
    name = ""
    numbers: dict[Key, tuple[float, str]] = {}
    said: dict[Key, tuple[Key, ...]] = {}
    site: tuple[Key | None, ...] = ()
    outline: tuple[float, ...] = ()
    for part in item.ContentSequence:
        concept = _name(part)
        if concept == _TRACKING:
            name = str(part.TextValue)
        elif concept == _IMAGE_REGION:
            outline = tuple(float(value) for value in part.GraphicData)
        elif concept == _FINDING_SITE:
            modifiers = {_name(child): _value(child) for child in part.get("ContentSequence", ())}
            site = (_value(part), modifiers.get(_LATERALITY), modifiers.get(_TOPOGRAPHY))
        elif part.ValueType == "NUM":
            measured = part.MeasuredValueSequence[0]
            numbers[concept] = (float(measured.NumericValue), str(measured.MeasurementUnitsCodeSequence[0].CodeValue))
        elif part.ValueType == "CODE":
            said[concept] = (*said.get(concept, ()), _value(part))
    return Group(name, numbers, said, site, outline)


def _key(code: Code) -> Key:
    return str(code.value), str(code.scheme_designator)


def _name(item: Dataset) -> Key:
    return _coded(item.ConceptNameCodeSequence)


def _value(item: Dataset) -> Key:
    return _coded(item.ConceptCodeSequence)


def _coded(sequence: Sequence[Any]) -> Key:
    code = sequence[0]
    return str(code.get("CodeValue") or code.LongCodeValue), str(code.CodingSchemeDesignator)
