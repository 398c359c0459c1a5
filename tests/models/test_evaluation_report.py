"""From records to figures to a card: counts by hand on a few made-up films, and a card that says them."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.evaluation import asked, figures
from models.evaluation.card import write_card
from models.evaluation.distal_report import distal_report
from models.evaluation.eyes import EyeMarks
from models.evaluation.marks import UNDECIDED, Mark
from models.evaluation.phantom_report import Pair, phantom_report
from models.evaluation.real_report import against_eyes, clean_report, hard_films, inserted_report, refusals
from models.evaluation.record import LISTING, SHOWN, Listing, Shown, ShownHand
from models.evaluation.truth import TrueFilm, TrueHand, TrueLesion
from models.release import Identity

THRESHOLDS = {"possible": 0.6, "definite": 0.9, "hand_confidence": 0.3}
KEYPOINTS = {"MCP2": (50.0, 200.0), "PIP2": (50.0, 120.0), "DIP2": (50.0, 70.0), "TIP2": (50.0, 20.0)}


def _mark(score: float, hits: tuple[int, ...] = (), beneath: str = "") -> Mark:
    certainty = "definite" if score >= 0.9 else "possible" if score >= 0.6 else "below"
    return Mark(score, certainty, 0, "DP2", "stone", 2, 3.0, 2.0, 1, 50.0, 40.0, hits, beneath)


def _lesion(number: int, long_axis_mm: float) -> TrueLesion:
    return TrueLesion(
        number, 0, "stone", "phantom", "DP2", 0.0, long_axis_mm, 1.0, 3.0, 0.2, 2, conspicuity=5.0, visible=True
    )


def _pair(name: str, *, lesions: tuple[TrueLesion, ...], marks: tuple[Mark, ...], group: str = "measured") -> Pair:
    area = 3.0 * len(lesions)
    hand = TrueHand("L", KEYPOINTS, area, area, len(lesions), len(lesions), {"DP2": 1}, {"DIP2": 1.0})
    truth = TrueFilm(name, group, 0.2, "linear", 4.0, 55.0, lesions, (hand,))
    shown_marks = tuple(mark for mark in marks if mark.score >= THRESHOLDS["possible"])
    there = {key: (x + 5.0, y) for key, (x, y) in KEYPOINTS.items()}
    seen = ShownHand(0, "L", area + 1.0, area, there, {"DIP2": 1.2}, {"DIP2": 0}, {"DP2": 2})
    return (
        Listing(truth, "", 0.8, marks),
        Shown(truth, "", 0.2, (seen,), shown_marks, ("clipped-wrist",), ("sesamoid",)),
    )


@pytest.fixture
def pairs() -> list[Pair]:
    one, two = _lesion(1, 2.0), _lesion(2, 1.0)
    return [
        _pair("a", lesions=(one, two), marks=(_mark(0.95, (1,)), _mark(0.7, (2,)))),
        _pair("b", lesions=(one,), marks=(_mark(0.3, (1,)), _mark(0.8, beneath="sesamoid"))),
        _pair("c", lesions=(), marks=(_mark(0.65, beneath="cortex"),)),
        _pair("d", lesions=(), marks=(_mark(0.7, beneath=UNDECIDED),)),
    ]


def test_figures_by_hand(pairs: list[Pair]) -> None:
    found = phantom_report(pairs, THRESHOLDS)
    assert found["lesions_asked_for"] == 3
    point = found["operating_points"]["possible"]["all"]
    assert point["sensitivity"] == pytest.approx(2 / 3, abs=1e-4)
    assert point["false_per_image"] == pytest.approx(0.5)
    assert found["operating_points"]["possible"]["1.5 mm and more"]["sensitivity"] == pytest.approx(0.5)
    assert found["froc"]["0.8 to 1.5 mm"]["0.25"]["sensitivity"] == 1.0
    assert found["false_marks"]["sesamoid"]["possible"] == pytest.approx(0.25)
    assert found["false_marks"]["sesamoid"]["definite"] == 0
    assert found["false_marks"][UNDECIDED]["possible"] == pytest.approx(0.25)
    assert found["anatomy"]["joints"]["mean_mm"] == pytest.approx(1.0)
    assert found["anatomy"]["side_right"] == 1.0
    assert found["agreement"]["burden index"]["bias"] == pytest.approx(1.0)
    assert found["hand_roc"]["positives"] == 2


def test_a_refused_film_is_told_and_left_out(pairs: list[Pair]) -> None:
    listing, shown = pairs[0]
    refused = (listing, replace(shown, code="not-a-hand", hands=(), marks=()))
    found = phantom_report([refused, *pairs[1:]], THRESHOLDS)
    assert found["refused"] == {"not-a-hand": 1}
    assert found["lesions_asked_for"] == 1


def test_lesions_put_in_are_held_against_the_marks_of_the_untouched_film(pairs: list[Pair]) -> None:
    listing, shown = pairs[0]
    truth = replace(listing.truth, group="inserted mature")
    added = [(replace(listing, truth=truth, clean=(0.99, 0.2)), replace(shown, truth=truth))]
    found = inserted_report(added, THRESHOLDS)
    assert found["operating_points"]["definite"]["all"]["false_per_image"] == 1.0
    assert found["region_right"]["share"] == 1.0


def test_distal_signs_by_hand(pairs: list[Pair]) -> None:
    found = distal_report(pairs)
    assert found["within_one"]["share"] == 1.0
    assert found["exact"]["share"] == 0.0
    assert found["space_mean_error_mm"] == pytest.approx(0.2)


def test_records_survive_being_kept(pairs: list[Pair]) -> None:
    for listing, shown in pairs:
        assert LISTING.validate_json(LISTING.dump_json(listing)) == listing
        assert SHOWN.validate_json(SHOWN.dump_json(shown)) == shown


def _result(pairs: list[Pair]) -> dict[str, Any]:
    clean = [(replace(a, truth=replace(a.truth, name=f"{a.truth.name}.png")), b) for a, b in pairs[2:]]
    clean = [(a, replace(b, truth=a.truth)) for a, b in clean]
    eyes = {f"mature/{a.truth.name}": EyeMarks(KEYPOINTS, {"DIP2": (51.0, 70.0)}) for a, _ in clean}
    nothing = [(a, replace(b, code="not-a-hand", truth=replace(b.truth, name="no hand/chest/0"))) for a, b in pairs[:1]]
    return {
        "thresholds": THRESHOLDS,
        "tuning_films": 0,
        "phantoms": phantom_report(pairs, THRESHOLDS),
        "two_hands": phantom_report(pairs[:2], THRESHOLDS),
        "distal": distal_report(pairs),
        "no_hand": refusals(nothing),
        "foreign_dicom": {"files": 1, "refused": 1, "codes": {"x.dcm": "not-a-hand"}},
        "real_clean": {"mature": clean_report(clean, THRESHOLDS), "hard": clean_report(clean, THRESHOLDS)},
        "hard_films": hard_films(clean, {"c.png": "plates"}),
        "real_inserted": {"mature": inserted_report(pairs, THRESHOLDS)},
        "against_eyes": against_eyes(clean, eyes, "mature"),
    }


def test_the_card_says_what_was_measured(pairs: list[Pair], tmp_path: Path) -> None:
    result = json.loads(json.dumps(_result(pairs)))
    config = Path(asked.__file__).parents[1] / "training" / "default.toml"
    settings = tomllib.loads(config.read_text(encoding="utf-8"))
    text = write_card(tmp_path, Identity("test", "9.9.9", "0.1.0"), THRESHOLDS, result, settings).read_text()
    assert "# test 9.9.9" in text
    assert "{" not in text.replace("${", "")
    assert "plates" in text
    for line in asked.lines(result):
        assert f"| {line.name} | {line.asked} | {line.measured} | {line.verdict} |" in text
    drawn = figures.draw(tmp_path / "figures", result)
    for name in [part.split(")")[0] for part in text.split("](figures/")[1:]]:
        assert tmp_path / "figures" / name in drawn


def test_a_shortfall_is_called_one(pairs: list[Pair]) -> None:
    verdicts = {line.name: line.verdict for line in asked.lines(_result(pairs))}
    assert verdicts["held-out phantoms, 1.5 mm and more, at 0.25 false marks"] == "NO"
    assert verdicts["foreign DICOM files refused"] == "yes"
    assert verdicts["tuft grade within one, phantoms"] == "yes"


def test_joints_against_a_person(pairs: list[Pair]) -> None:
    marks = {"mature/a": EyeMarks({"DIP2": (50.0, 70.0), "TIP2": (50.0, 20.0)}, {})}
    found = against_eyes(pairs[:1], marks, "mature")
    assert found["joints"]["mean_mm"] == pytest.approx(1.0)
    assert found["joints"]["within_4_mm"]["share"] == 1.0
    assert found["not_seen"] == 0
