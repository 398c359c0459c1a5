"""Whatever an analysis holds, highdicom reads it back from the structured report, equal to the JSON.

What a report leaves out on purpose is left out of the comparison too: lesions below the *possible* threshold, regions
without calcification, what was not counted, boxes, centres, and sizes where there is no pixel spacing.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from highdicom import sr
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.sr.coding import Code

from edge import wire
from edge.errors import REASONS, reason
from edge.report import codes
from edge.report.document import Setting, to_bytes
from edge.report.header import read_source
from edge.report.structured import structured_report
from edge.report.tracked import track
from edge.report.verify import verify
from edge.types import (
    JOINTS,
    REGIONS,
    TUFTS,
    Analysis,
    Findings,
    Hand,
    ImageFacts,
    Joint,
    Lesion,
    ModelId,
    NotAnalysed,
    QualityNote,
    RegionBurden,
    Tuft,
)
from tests.report.report_samples import COLUMNS, DEVICE, MADE_AT, ROWS, SOURCE_UID, Uids, save, source

Json = dict[str, Any]
NOTES = ("clipped-fingertip", "clipped-wrist", "metal", "low-contrast", "spacing-estimated", "soft-tissue-lost")
# The report writes four decimals, the JSON too: values between are rounded by both.
measure = st.floats(0.0001, 5000, allow_nan=False).map(lambda value: round(value, 6))
share = st.floats(0, 1).map(lambda value: round(value, 6))
grade = st.integers(0, 4)
corner = st.tuples(
    st.integers(0, 100 * COLUMNS).map(lambda value: value / 100),
    st.integers(0, 100 * ROWS).map(lambda value: value / 100),
)
notes = st.lists(st.sampled_from(NOTES), max_size=3, unique=True).map(
    lambda names: tuple(QualityNote(name, "warning" if len(name) % 2 else "note", f"About {name}.") for name in names)
)
models = st.builds(
    ModelId,
    st.sampled_from(["hand-calcinosis", "other"]),
    st.sampled_from(["1.0.0", "0.1.0-rc.1"]),
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.none() | share,
    st.none() | share,
)


def some(names: tuple[str, ...], values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), values, max_size=4)


hands = st.builds(
    Hand,
    st.sampled_from(["L", "R", "U"]),
    st.just((0, 0, 10, 10)),
    measure,
    some(REGIONS, st.builds(RegionBurden, st.just(0.0) | measure, measure, st.integers(0, 3), measure)),
    some(JOINTS, st.builds(Joint, measure, measure, st.none() | measure, st.none() | st.integers(0, 3))),
    some(TUFTS, st.builds(Tuft, measure, measure, st.none() | grade, st.none() | share)),
)


@st.composite
def findings(draw: st.DrawFn) -> Findings:
    held = draw(st.lists(hands, min_size=1, max_size=2))
    lesions = draw(
        st.lists(
            st.builds(
                Lesion,
                st.just(0),
                st.integers(0, len(held) - 1),
                st.sampled_from(REGIONS),
                share,
                st.sampled_from(["possible", "definite", "below"]),
                st.lists(corner, min_size=3, max_size=8).map(tuple),
                st.just((0, 0, 1, 1)),
                measure,
                measure,
                st.integers(0, 3),
                st.sampled_from(["stone", "plate", "net", "amorphous"]),
                st.sampled_from(["single", "cluster"]),
                st.integers(1, 99),
            ),
            max_size=5,
        )
    )
    spacing = draw(st.none() | st.floats(0.05, 0.4))
    image = ImageFacts(ROWS, COLUMNS, spacing, "unknown" if spacing is None else "ImagerPixelSpacing")
    return Findings("x.dcm", SOURCE_UID, draw(models), image, draw(notes), tuple(held), tuple(lesions), ())


refusals = st.builds(
    NotAnalysed,
    st.just("x.dcm"),
    st.sampled_from(sorted(REASONS)).map(reason),
    st.just(SOURCE_UID),
    st.none() | models,
    st.none(),
    notes,
)


def document(analysis: Analysis) -> Any:
    """The structured report alone, made, proven and read back: the other objects would take most of the time."""
    with TemporaryDirectory() as folder:
        path = save(source(PixelData=b""), Path(folder) / "source.dcm")
        setting = Setting(read_source(path), MADE_AT, DEVICE, Uids(), None)
        tracked = track(analysis, setting.uid) if isinstance(analysis, Findings) else ()
        content = to_bytes(structured_report(setting, analysis, tracked))
        verify("structured-report", content, path, analysis)
    return sr.Comprehensive3DSR.from_dataset(dcmread(BytesIO(content)))


def number(group: Any, name: Code) -> float | None:
    found = group.get_measurements(name)
    return found[0].value if found else None


def answers(group: Any, name: Code) -> list[str]:
    return [item.value.value for item in group.get_qualitative_evaluations(name)]


def name_of(table: Any, value: str) -> str:
    (name,) = (name for name, code in table.items() if code.value == value)
    return str(name)


def without_none(values: Json) -> Json:
    return {name: value for name, value in values.items() if value is not None}


def read(report: Any) -> Json:
    """What a report says, in the words of the JSON."""
    groups = {group.tracking_identifier: group for group in report.content.get_image_measurement_groups()}
    overall = groups.pop("ANALYSIS")
    labels = [name.removesuffix("-HAND") for name in groups if name.endswith("-HAND")]
    said = {
        "model": algorithm(overall),
        "outcome": answers(overall, codes.SUMMARY_OF_DETECTIONS),
        "quality": [code for code in answers(overall, codes.QUALITY_ISSUE) if code in NOTES],
        "reason": answers(overall, codes.NOT_ANALYSED_REASON),
        "hands": [hand(groups, label) for label in labels],
        "lesions": [lesion(group, labels) for group in report.content.get_planar_roi_measurement_groups()],
    }
    assert all(algorithm(group) == said["model"] for group in groups.values())
    return said


def algorithm(group: Any) -> Json:
    told = {item.name.value: item.value for item in group[0].ContentSequence if item.value_type.value == "TEXT"}
    parameters = dict(part.rsplit(" ", 1) for part in told["111002"].split("; "))
    return {"name": told["111001"], "version": told["111003"], "sha256": parameters.get("model sha256")} | {
        key: round(float(parameters[words]), 4)
        for key, words in (
            ("possible_threshold", "possible threshold"),
            ("definite_threshold", "definite threshold"),
        )
        if words in parameters
    }


def hand(groups: Json, label: str) -> Json:
    """One hand: its own group, and those whose names begin with its label."""
    whole = groups[f"{label}-HAND"]
    mine = {name.removeprefix(f"{label}-"): group for name, group in groups.items() if name.startswith(f"{label}-")}
    return {
        "side": side(whole),
        "burden_index": number(whole, codes.BURDEN_HAND),
        "regions": {
            name: {
                "calcified_mm2": number(group, codes.CALCIFIED_AREA),
                "soft_tissue_mm2": number(group, codes.SOFT_TISSUE_AREA),
                "density_grade": number(group, codes.DENSITY_GRADE),
                "burden": number(group, codes.BURDEN_REGION),
            }
            for name, group in mine.items()
            if name in REGIONS
        },
        "joints": {
            name: without_none(
                {
                    "space_mm": number(group, codes.JOINT_SPACE),
                    "narrowing_grade": number(group, codes.NARROWING_GRADE),
                }
            )
            for name, group in mine.items()
            if name in JOINTS
        },
        "tufts": {
            name.removesuffix("-TUFT"): without_none(
                {
                    "osteolysis_grade": number(group, codes.OSTEOLYSIS_GRADE),
                    "score": percent(number(group, codes.CERTAINTY_PERCENT)),
                }
            )
            for name, group in mine.items()
            if name.endswith("-TUFT")
        },
    }


def lesion(group: Any, labels: list[str]) -> Json:
    outline = group.roi.value - 0.5
    (place,) = group.finding_sites
    return without_none(
        {
            "hand": labels.index(group.tracking_identifier.split("-")[0]),
            "region": place.topographical_modifier.value,
            "score": percent(number(group, codes.CERTAINTY_PERCENT)),
            "certainty": answers(group, codes.CERTAINTY)[0],
            "polygon": [[round(float(x), 2), round(float(y), 2)] for x, y in outline[:-1]],
            "area_mm2": number(group, codes.AREA),
            "long_axis_mm": number(group, codes.LONG_AXIS),
            "density_grade": number(group, codes.DENSITY_GRADE),
            "type": name_of(codes.TYPES, answers(group, codes.CALCIFICATION_TYPE)[0]),
            "distribution": name_of(codes.DISTRIBUTIONS, answers(group, codes.CALCIFICATION_DISTRIBUTION)[0]),
            "bodies": number(group, codes.BODIES),
        }
    )


def side(group: Any) -> str:
    (place,) = group.finding_sites
    return "U" if place.laterality is None else name_of(codes.SIDES, place.laterality.value)


def percent(value: float | None) -> float | None:
    return None if value is None else round(value / 100, 4)


def expected(analysis: Analysis) -> Json:
    """What the JSON says, less what a report leaves out."""
    told = wire.to_dict(analysis)
    sized = isinstance(analysis, NotAnalysed) or analysis.image.mm_per_pixel is not None
    left_out = {"id", "bbox"} | (set() if sized else {"area_mm2", "long_axis_mm"})
    model = told.get("model", {"name": "calcedge", "version": DEVICE.software_version, "sha256": None})
    return {
        "model": model,
        "outcome": [OUTCOMES[told["outcome"], sized].value],
        "quality": [note["code"] for note in told["quality"]],
        "reason": [told["reason"]["code"]] if "reason" in told else [],
        "hands": [kept(item) for item in told.get("hands", ())],
        "lesions": [
            {key: value for key, value in item.items() if key not in left_out}
            for item in told.get("lesions", ())
            if item["certainty"] != "below"
        ],
    }


OUTCOMES = {
    ("findings", True): codes.SUCCEEDED_WITH_FINDINGS,
    ("findings", False): codes.PARTLY_WITH_FINDINGS,
    ("no_findings", True): codes.SUCCEEDED_WITHOUT_FINDINGS,
    ("no_findings", False): codes.PARTLY_WITHOUT_FINDINGS,
    ("not_analysed", True): codes.NOT_ANALYSED,
}


def kept(told: Json) -> Json:
    joints = {name: {key: item[key] for key in item if key not in "xy"} for name, item in told["joints"].items()}
    tufts = {name: {key: item[key] for key in item if key not in "xy"} for name, item in told["tufts"].items()}
    return {
        "side": told["side"],
        "burden_index": told["burden_index"],
        "regions": {name: item for name, item in told["regions"].items() if item["calcified_mm2"] > 0},
        "joints": {name: item for name, item in joints.items() if item},
        "tufts": {name: item for name, item in tufts.items() if "osteolysis_grade" in item},
    }


@pytest.mark.requirement("the report says what the analysis says")
@settings(max_examples=20)
@given(findings())
def test_any_findings_come_back_equal_to_the_json(analysis: Findings) -> None:
    assert read(document(analysis)) == expected(analysis)


@pytest.mark.requirement("the report says what the analysis says")
@settings(max_examples=8)
@given(refusals)
def test_any_refusal_comes_back_equal_to_the_json(analysis: NotAnalysed) -> None:
    assert read(document(analysis)) == expected(analysis)
