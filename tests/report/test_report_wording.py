"""What a report may say, and what it never says."""

from __future__ import annotations

import re

import pytest

from edge.errors import REASONS
from edge.report import wording
from edge.types import Analysis, ImageFacts, QualityNote, SpacingSource
from tests.report.report_samples import COLUMNS, ROWS, findings, hand, lesion, not_analysed

NEVER = re.compile(
    r"scleroderma|sclerosis|crest|dermatomyositis|arthritis|arthrosis|gout|disease|syndrome|diagnosed|"
    r"\bnormal\b|benign|malign|healthy|negative|positive|clear of|no calcification|no finding|treat|probability",
    re.IGNORECASE,
)
ANALYSES: list[Analysis] = [
    findings(),
    findings(lesions=()),
    findings(hands=(), lesions=(), ignored=()),
    findings(image=ImageFacts(ROWS, COLUMNS, None, "unknown")),
    *(not_analysed(code) for code in REASONS),
]


def everything(analysis: Analysis) -> str:
    return "\n".join((wording.headline(analysis), *wording.summary(analysis), *wording.comments(analysis)))


@pytest.mark.requirement("a report names findings, never a disease, and calls nothing normal")
@pytest.mark.parametrize("analysis", ANALYSES[:4])
def test_no_report_names_a_disease_or_calls_a_film_normal(analysis: Analysis) -> None:
    assert NEVER.findall(everything(analysis)) == []


@pytest.mark.parametrize("code", REASONS)
@pytest.mark.requirement("a failure never looks like 'no finding'")
def test_not_analysed_is_said_first_with_reason_and_what_to_do(code: str) -> None:
    analysis = not_analysed(code)
    told = wording.summary(analysis)[0]
    assert wording.headline(analysis) == "NOT ANALYSED"
    assert told.startswith("NOT ANALYSED: ")
    assert analysis.reason.text in told
    assert analysis.reason.do in told
    assert re.search("read (the image|images) as usual", told, re.IGNORECASE)
    assert len(re.findall("as usual", told)) <= 2
    assert "threshold" not in everything(analysis)


@pytest.mark.requirement("nothing found does not exclude calcification")
def test_nothing_found_does_not_exclude() -> None:
    analysis = findings(lesions=(lesion(1, "DP2", 200, 100, certainty="below", score=0.1),))
    assert wording.headline(analysis) == "No area exceeded the alert threshold. This does not exclude calcification."
    assert wording.headline(analysis) in wording.summary(analysis)[0]


def test_findings_say_side_place_number_and_size() -> None:
    assert wording.summary(findings())[0] == (
        "Automated finding (not a diagnosis): density suggestive of soft-tissue calcification. "
        "LEFT hand: distal phalanx region, digits 1, 2 (3 areas, largest 4.1 mm)."
    )
    assert wording.headline(findings()) == "3 areas suggestive of soft-tissue calcification (2 definite, 1 possible)"


def test_two_hands_are_told_apart() -> None:
    both = findings(
        hands=(hand("R"), hand("L")),
        lesions=(lesion(1, "MC2", 100, 400, hand=1), lesion(2, "CARPUS", 220, 500, hand=0, long_axis_mm=2.25)),
    )
    said = wording.summary(both)[0]
    assert "RIGHT hand: carpal region (1 area, largest 2.2 mm); LEFT hand: metacarpal region, digit 2 (1 area" in said
    assert wording.hand_labels(both.hands) == ("R", "L")
    assert wording.hand_labels((hand("U"), hand("U"))) == ("U1", "U2")


def test_every_result_says_that_it_is_unverified() -> None:
    for analysis in ANALYSES:
        assert any("Unverified: must be read by a qualified clinician" in line for line in wording.summary(analysis))


@pytest.mark.parametrize(
    ("origin", "words"),
    [("ImagerPixelSpacing", "not corrected for magnification"), ("estimated", "rough"), ("unknown", "not reported")],
)
def test_sizes_say_where_they_come_from(origin: SpacingSource, words: str) -> None:
    spacing = None if origin == "unknown" else 0.15
    analysis = findings(image=ImageFacts(ROWS, COLUMNS, spacing, origin))
    assert any(words in line for line in wording.comments(analysis))
    assert ("mm" in wording.summary(analysis)[0]) == (spacing is not None)


def test_associated_signs_are_suspected_and_quality_is_told() -> None:
    told = "\n".join(wording.comments(findings(quality=(QualityNote("motion", "warning", "The hand moved."),))))
    assert "tuft resorption suspected, digit 2 (grade 1 of 4)" in told
    assert "joint space narrowing suspected, DIP2 (grade 2 of 3, 0.6 mm)" in told
    assert "Image quality (warning): The hand moved." in told
    assert "equals no published score" in told
    assert "Not counted: 1 (possible sesamoid)" in told
