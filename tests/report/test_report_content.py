"""The structured report, read by another's reader (highdicom), holds what the analysis' JSON holds."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from highdicom import sr
from pydicom import dcmread
from pydicom.sr.coding import Code

from edge import wire
from edge.report import codes, wording
from edge.report.build import make_reports
from edge.types import DIGITS, REGIONS, Analysis, Findings, ImageFacts
from tests.report.report_samples import (
    COLUMNS,
    DEVICE,
    MADE_AT,
    ROWS,
    SOURCE_UID,
    Uids,
    findings,
    lesion,
    not_analysed,
    save,
    source,
)


def report(analysis: Analysis, folder: Path) -> Any:
    path = save(source(), folder / "source.dcm")
    made = make_reports(path, analysis, None, made_at=MADE_AT, device=DEVICE, uid=Uids())
    return sr.Comprehensive3DSR.from_dataset(dcmread(BytesIO(made[0].content)))


def value(group: Any, name: Code) -> float | None:
    measured = group.get_measurements(name)
    return measured[0].value if measured else None


def answer(group: Any, name: Code) -> Code | None:
    given = group.get_qualitative_evaluations(name)
    return given[0].value if given else None


def texts(document: Any) -> list[str]:
    root = document.content[0]
    (container,) = (item for item in root.ContentSequence if item.name == codes.QUALITATIVE_EVALUATIONS)
    return [item.value for item in container.ContentSequence]


def as_json(document: Any) -> list[dict[str, Any]]:
    """The lesions of a report in the terms of the contract, ids and hand numbers aside."""
    types = {(code.value, code.scheme_designator): name for name, code in codes.TYPES.items()}
    distributions = {(code.value, code.scheme_designator): name for name, code in codes.DISTRIBUTIONS.items()}
    read = []
    for group in document.content.get_planar_roi_measurement_groups():
        kind, spread = answer(group, codes.CALCIFICATION_TYPE), answer(group, codes.CALCIFICATION_DISTRIBUTION)
        certainty = answer(group, codes.CERTAINTY)
        assert kind is not None
        assert spread is not None
        assert certainty is not None
        outline = group.roi.value - 0.5
        assert (outline[0] == outline[-1]).all(), "the outline is closed"
        (site,) = group.finding_sites
        read.append(
            {
                "region": site.topographical_modifier.value,
                "score": round((value(group, codes.CERTAINTY_PERCENT) or 0) / 100, 4),
                "certainty": certainty.value,
                "polygon": [[round(float(x), 2), round(float(y), 2)] for x, y in outline[:-1]],
                "area_mm2": value(group, codes.AREA),
                "long_axis_mm": value(group, codes.LONG_AXIS),
                "density_grade": value(group, codes.DENSITY_GRADE),
                "type": types[kind.value, kind.scheme_designator],
                "distribution": distributions[spread.value, spread.scheme_designator],
                "bodies": value(group, codes.BODIES),
            },
        )
    return read


def expected(analysis: Findings) -> list[dict[str, Any]]:
    listed = [item for item in wire.to_dict(analysis)["lesions"] if item["certainty"] != "below"]
    kept = [{key: item[key] for key in item if key not in {"id", "hand", "bbox"}} for item in listed]
    return [item | {"polygon": [list(point) for point in item["polygon"]]} for item in kept]


@pytest.mark.requirement("the report says what the analysis says")
def test_highdicom_reads_back_the_same_findings(tmp_path: Path) -> None:
    read = as_json(report(findings(), tmp_path))
    assert len(read) == 3
    assert read == expected(findings())


def test_a_lesion_has_place_side_tracking_algorithm_and_its_image(tmp_path: Path) -> None:
    first = report(findings(), tmp_path).content.get_planar_roi_measurement_groups()[0]
    assert first.tracking_identifier == "L-DP2-01"
    assert first.finding_type == codes.CALCIFICATION
    (site,) = first.finding_sites
    assert site.value == codes.FINGER
    assert site.laterality == codes.SIDES["L"]
    assert site.topographical_modifier == codes.place("DP2")
    assert site.topographical_modifier.meaning == "Distal phalanx region, digit 2"
    told = {item.name.meaning: item.value for item in first[0].ContentSequence if item.value_type.value == "TEXT"}
    assert told["Algorithm Name"] == "hand-calcinosis"
    assert told["Algorithm Version"] == "1.0.0"
    assert told["Algorithm Parameters"] == (
        f"model sha256 {'ab' * 32}; possible threshold 0.3; definite threshold 0.7; software 0.1.0"
    )
    region = first.roi
    assert region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == SOURCE_UID


def test_tracking_identifiers_count_within_a_region(tmp_path: Path) -> None:
    groups = report(findings(), tmp_path).content.get_planar_roi_measurement_groups()
    assert [group.tracking_identifier for group in groups] == ["L-DP2-01", "L-DP1-01", "L-DP2-02"]
    assert len({group.tracking_uid for group in groups}) == 3


def test_outlines_count_from_the_corner_of_the_first_pixel(tmp_path: Path) -> None:
    square = lesion(1, "DP2", 10, 10)
    square = type(square)(
        **{name: getattr(square, name) for name in square.__slots__} | {"polygon": ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0))}
    )
    (group,) = report(findings(lesions=(square,)), tmp_path).content.get_planar_roi_measurement_groups()
    assert group.roi.value.tolist() == [[0.5, 0.5], [4.5, 0.5], [4.5, 4.5], [0.5, 0.5]]


def image_groups(document: Any) -> dict[str, Any]:
    return {group.tracking_identifier: group for group in document.content.get_image_measurement_groups()}


def test_hand_region_joint_and_tuft_carry_their_measures(tmp_path: Path) -> None:
    groups = image_groups(report(findings(), tmp_path))
    assert value(groups["L-HAND"], codes.BURDEN_HAND) == 31.4567
    assert value(groups["L-DP2"], codes.CALCIFIED_AREA) == 6.1234
    assert value(groups["L-DP2"], codes.SOFT_TISSUE_AREA) == 182.0
    assert value(groups["L-DP2"], codes.BURDEN_REGION) == 2.2431
    assert "L-PP1" not in groups, "a region without calcification has no group"
    assert value(groups["L-DIP2"], codes.JOINT_SPACE) == 0.61
    assert value(groups["L-DIP2"], codes.NARROWING_GRADE) == 2
    assert "L-PIP3" not in groups, "nothing was measured there"
    assert value(groups["L-DP2-TUFT"], codes.OSTEOLYSIS_GRADE) == 1
    assert all(group.finding_type is None for group in groups.values()), "a measure is not a finding"


@pytest.mark.parametrize(
    ("analysis", "outcome"),
    [
        (findings(), codes.SUCCEEDED_WITH_FINDINGS),
        (findings(lesions=()), codes.SUCCEEDED_WITHOUT_FINDINGS),
        (findings(image=ImageFacts(ROWS, COLUMNS, None, "unknown")), codes.PARTLY_WITH_FINDINGS),
        (findings(image=ImageFacts(ROWS, COLUMNS, None, "unknown"), lesions=()), codes.PARTLY_WITHOUT_FINDINGS),
        (not_analysed("deadline"), codes.NOT_ANALYSED),
    ],
)
def test_the_outcome_is_coded(analysis: Analysis, outcome: Code, tmp_path: Path) -> None:
    document = report(analysis, tmp_path)
    assert answer(image_groups(document)["ANALYSIS"], codes.SUMMARY_OF_DETECTIONS) == outcome
    assert document.CompletionFlag == "COMPLETE"
    assert document.VerificationFlag == "UNVERIFIED"
    assert document.PreliminaryFlag == "PRELIMINARY"


def test_without_a_pixel_spacing_no_size_is_given(tmp_path: Path) -> None:
    document = report(findings(image=ImageFacts(ROWS, COLUMNS, None, "unknown")), tmp_path)
    for group in document.content.get_planar_roi_measurement_groups():
        assert value(group, codes.AREA) is None
        assert value(group, codes.LONG_AXIS) is None
        assert value(group, codes.CERTAINTY_PERCENT) is not None


@pytest.mark.requirement("a failure never looks like 'no finding'")
def test_not_analysed_is_a_report_of_its_own_kind(tmp_path: Path) -> None:
    document = report(not_analysed("deadline"), tmp_path)
    group = image_groups(document)["ANALYSIS"]
    assert answer(group, codes.NOT_ANALYSED_REASON) == codes.reason("deadline")
    assert answer(group, codes.QUALITY_ASSESSMENT) is None, "a deadline says nothing of the image"
    assert value(group, codes.NUMBER_OF_FINDINGS) is None, "zero findings would look like a result"
    assert document.content.get_planar_roi_measurement_groups() == []
    assert texts(document)[0].startswith("NOT ANALYSED: ")


def test_an_unusable_image_is_coded_as_such(tmp_path: Path) -> None:
    group = image_groups(report(not_analysed("unusable-image"), tmp_path))["ANALYSIS"]
    assert answer(group, codes.QUALITY_ASSESSMENT) == codes.UNUSABLE


def test_the_words_stand_in_the_report(tmp_path: Path) -> None:
    analysis = findings()
    assert texts(report(analysis, tmp_path)) == [*wording.summary(analysis), *wording.comments(analysis)]


def test_every_region_has_a_place_and_a_site() -> None:
    for region in REGIONS:
        assert codes.place(region).value == region
        assert codes.site(region).scheme_designator == "SCT"
    assert codes.site("DP1") == codes.THUMB
    assert {codes.site(f"DP{digit}") for digit in DIGITS[1:]} == {codes.FINGER}
    assert codes.site("MC3") == codes.METACARPUS
    assert codes.site("MCP3") == codes.FINGER_JOINT
    assert codes.site("CARPUS") == codes.CARPUS
