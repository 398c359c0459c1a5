"""One analysis as JSON: the contract's shape, and back without loss."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import wire
from edge.errors import REASONS, reason
from edge.types import (
    JOINTS,
    REGIONS,
    TUFTS,
    Findings,
    Hand,
    Ignored,
    ImageFacts,
    Joint,
    Lesion,
    ModelId,
    NotAnalysed,
    QualityNote,
    RegionBurden,
    Tuft,
)

LESION = Lesion(
    1, 0, "DP2", 0.93, "definite", ((810.0, 210.5), (822.0, 214.0), (815.5, 230.0)), (808, 208, 824, 232),
    6.1, 4.0, 2, "stone", "cluster", 3,
)  # fmt: skip
FINDINGS = Findings(
    source="hand.dcm",
    sop_instance_uid="1.2",
    model=ModelId("hand-calcinosis", "1.0.0", "ab" * 32),
    image=ImageFacts(2048, 1536, 0.15, "ImagerPixelSpacing"),
    quality=(QualityNote("clipped-fingertip", "note", "text"),),
    hands=(
        Hand(
            "L",
            (120, 40, 1400, 1990),
            31.4,
            {"DP2": RegionBurden(6.1, 182.0, 2, 2.2)},
            {"DIP2": Joint(812.4, 301.9, 0.6, 2), "MCP1": Joint(1.0, 2.0)},
            {"DP2": Tuft(820.0, 205.5, 1, 0.71)},
        ),
    ),
    lesions=(LESION,),
    ignored=(Ignored("sesamoid", "PP1", (400, 900, 420, 922), 0.88),),
    timing_ms={"total": 330.0},
)


def test_the_keys_are_the_contract_s() -> None:
    body = wire.to_dict(FINDINGS)
    assert list(body) == [
        "schema", "source", "sop_instance_uid", "outcome", "model", "image", "quality", "hands", "lesions", "ignored",
        "timing_ms",
    ]  # fmt: skip
    assert body["schema"] == 1
    assert body["outcome"] == "findings"
    assert body["hands"][0]["joints"]["DIP2"] == {"x": 812.4, "y": 301.9, "space_mm": 0.6, "narrowing_grade": 2}
    assert body["hands"][0]["joints"]["MCP1"] == {"x": 1.0, "y": 2.0}  # not measured: absent, not null
    assert body["lesions"][0]["polygon"][0] == [810.0, 210.5]
    assert set(body["lesions"][0]) == {
        "id", "hand", "region", "score", "certainty", "polygon", "bbox", "area_mm2", "long_axis_mm",
        "density_grade", "type", "distribution", "bodies",
    }  # fmt: skip


def test_there_and_back() -> None:
    assert wire.from_json(wire.to_json(FINDINGS)) == FINDINGS
    bare = NotAnalysed("x.dcm", reason("not-a-hand"), image=ImageFacts(10, 20))
    assert wire.from_json(wire.to_json(bare)) == bare


@pytest.mark.requirement("failure is not a clean result")
@pytest.mark.parametrize("code", sorted(REASONS))
def test_not_analysed_has_a_reason_and_nothing_that_looks_like_a_result(code: str) -> None:
    refused = NotAnalysed("x.dcm", reason(code))
    body = wire.to_dict(refused)
    assert body["outcome"] == "not_analysed"
    assert body["reason"]["code"] == code
    assert {"hands", "lesions", "ignored"} & set(body) == set()
    assert wire.from_json(json.dumps(body)) == refused


@pytest.mark.requirement("failure is not a clean result")
def test_an_outcome_that_contradicts_the_content_is_not_read() -> None:
    body = wire.to_dict(FINDINGS)
    for lie in ({"outcome": "no_findings"}, {"outcome": "not_analysed"}, {"outcome": "fine"}, {"schema": 2}):
        with pytest.raises(ValueError):  # noqa: PT011 - pydantic's own is one too
            wire.from_json(json.dumps(body | lie))


def test_below_the_threshold_is_no_finding() -> None:
    from dataclasses import replace

    assert replace(FINDINGS, lesions=(replace(LESION, certainty="below"),)).outcome == "no_findings"
    assert replace(FINDINGS, lesions=()).outcome == "no_findings"


@given(st.text())
def test_text_that_is_no_analysis_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        wire.from_json(text)


def test_twenty_regions_and_the_thumb_has_no_middle_phalanx() -> None:
    assert len(REGIONS) == len(set(REGIONS)) == 20
    assert "MP1" not in REGIONS
    assert len(JOINTS) == 14
    assert TUFTS == ("DP1", "DP2", "DP3", "DP4", "DP5")
