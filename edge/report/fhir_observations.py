"""What an analysis observed, as FHIR Observations: the same groups, codes and units as in the structured report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydicom.sr.coding import Code

from edge.report import codes, wording
from edge.report.outcome import outcome_code, quality_code
from edge.report.tracked import Tracked, track
from edge.types import Analysis, Findings, Hand, NotAnalysed, Side

SYSTEMS: Final[Mapping[str, str]] = {
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "LN": "http://loinc.org",
    "SCT": "http://snomed.info/sct",
    "UCUM": "http://unitsofmeasure.org",
    codes.SCHEME: "urn:oid:2.25.41789777010440113026126931879351653220",
}
"""The coding schemes as FHIR names them. The last is our own."""

_DIGITS_KEPT: Final = 4
_ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Observed:
    """One observation: the name of its group in the structured report, and its content without identity and device."""

    name: str
    body: Json


def observed(analysis: Analysis) -> tuple[Observed, ...]:
    """All observations of an analysis, in the structured report's order."""
    return tuple(_all(analysis))


def concept(code: Code) -> Json:
    """A code as CodeableConcept."""
    return {"coding": [{"system": SYSTEMS[code.scheme_designator], "code": code.value, "display": code.meaning}]}


def _all(analysis: Analysis) -> Iterator[Observed]:
    yield _outcome(analysis)
    if isinstance(analysis, NotAnalysed):
        return
    for hand, label in zip(analysis.hands, wording.hand_labels(analysis.hands), strict=True):
        yield from _hand(hand, label)
    for item in track(analysis, str):
        yield _lesion(analysis, item)


def _outcome(analysis: Analysis) -> Observed:
    issues = [_coded(codes.QUALITY_ISSUE, issue) for issue in codes.quality_issues(analysis.quality)]
    body: Json = {"status": "preliminary", "code": concept(codes.SUMMARY_OF_DETECTIONS)}
    quality = quality_code(analysis)
    told = [*([] if quality is None else [_coded(codes.QUALITY_ASSESSMENT, quality)]), *issues]
    if isinstance(analysis, NotAnalysed):
        why = analysis.reason
        body["status"] = "cancelled"
        absent = {"coding": [{"system": _ABSENT, "code": "not-performed"}], "text": f"NOT ANALYSED: {why.text}"}
        body["dataAbsentReason"] = absent
        body["component"] = [_coded(codes.NOT_ANALYSED_REASON, codes.reason(why.code)), *told]
        return Observed("ANALYSIS", body)
    body["valueCodeableConcept"] = concept(outcome_code(analysis))
    found = len(wording.reported(analysis))
    body["component"] = [_measured(codes.NUMBER_OF_FINDINGS, found, codes.NO_UNITS), *told]
    return Observed("ANALYSIS", body)


def _hand(hand: Hand, label: str) -> Iterator[Observed]:
    def at(name: str, place: str | None, first: Json, *more: Json) -> Observed:
        return Observed(f"{label}-{name}", first | _placed(hand.side, place, more))

    yield at("HAND", None, _measured(codes.BURDEN_HAND, hand.burden_index, codes.NO_UNITS))
    for name, region in hand.regions.items():
        if region.calcified_mm2 > 0:
            yield at(
                name,
                name,
                _measured(codes.BURDEN_REGION, region.burden, codes.NO_UNITS),
                _measured(codes.CALCIFIED_AREA, region.calcified_mm2, codes.SQUARE_MILLIMETRE),
                _measured(codes.SOFT_TISSUE_AREA, region.soft_tissue_mm2, codes.SQUARE_MILLIMETRE),
                _measured(codes.DENSITY_GRADE, region.density_grade, codes.NO_UNITS),
            )
    for name, joint in hand.joints.items():
        pairs = (
            (codes.JOINT_SPACE, joint.space_mm, codes.MILLIMETRE),
            (codes.NARROWING_GRADE, joint.narrowing_grade, codes.NO_UNITS),
        )
        measures = [_measured(code, value, unit) for code, value, unit in pairs if value is not None]
        if measures:
            yield at(name, name, *measures)
    for name, tuft in hand.tufts.items():
        if tuft.osteolysis_grade is not None:
            score = [] if tuft.score is None else [_measured(codes.CERTAINTY_PERCENT, 100 * tuft.score, codes.PERCENT)]
            grade = _measured(codes.OSTEOLYSIS_GRADE, tuft.osteolysis_grade, codes.NO_UNITS)
            yield at(f"{name}-TUFT", name, grade, *score)


def _lesion(findings: Findings, item: Tracked) -> Observed:
    lesion = item.lesion
    parts = [
        _measured(codes.DENSITY_GRADE, lesion.density_grade, codes.NO_UNITS),
        _measured(codes.BODIES, lesion.bodies, codes.NO_UNITS),
        _measured(codes.CERTAINTY_PERCENT, 100 * lesion.score, codes.PERCENT),
        _coded(codes.CERTAINTY, codes.CERTAINTIES[lesion.certainty]),
        _coded(codes.CALCIFICATION_TYPE, codes.TYPES[lesion.type]),
        _coded(codes.CALCIFICATION_DISTRIBUTION, codes.DISTRIBUTIONS[lesion.distribution]),
    ]
    if findings.image.mm_per_pixel is not None:
        parts += [
            _measured(codes.AREA, lesion.area_mm2, codes.SQUARE_MILLIMETRE),
            _measured(codes.LONG_AXIS, lesion.long_axis_mm, codes.MILLIMETRE),
        ]
    body = {
        "identifier": [{"value": item.name}],
        "code": concept(codes.FINDING),
        "valueCodeableConcept": concept(codes.CALCIFICATION),
    }
    return Observed(item.name, body | _placed(findings.hands[lesion.hand].side, lesion.region, parts))


def _placed(side: Side, place: str | None, components: Sequence[Json]) -> Json:
    """Status, body site and components; the side is a component, because an Observation has no field for it."""
    found = [codes.HAND] if place is None else [codes.site(place), codes.place(place)]
    words = wording.side_words(side) + ("" if place is None else f", {codes.place(place).meaning}")
    body: Json = {
        "status": "preliminary",
        "bodySite": {"coding": [part for code in found for part in concept(code)["coding"]], "text": words},
    }
    sides = [_coded(codes.LATERALITY, codes.SIDES[side])] if side in codes.SIDES else []
    return body | ({"component": [*sides, *components]} if sides or components else {})


def _coded(name: Code, value: Code) -> Json:
    return {"code": concept(name), "valueCodeableConcept": concept(value)}


def _measured(name: Code, value: float, unit: Code) -> Json:
    number = value if isinstance(value, int) else round(value, _DIGITS_KEPT)
    quantity = {"value": number, "unit": unit.meaning, "system": SYSTEMS["UCUM"], "code": unit.value}
    return {"code": concept(name), "valueQuantity": quantity}
