"""A site's operating points: within the release's bounds they change what is listed, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from edge import wire
from edge.detector import bundle, golden
from edge.detector.analyse import Analyser
from edge.errors import ModelError
from edge.types import Bounds, Findings, OperatingPoints, Range

BOUNDS = {"possible": {"least": 0.3, "greatest": 0.6}, "definite": {"least": 0.5, "greatest": 0.9}}


def bounded(release: Path, bounds: dict[str, Any]) -> bundle.Bundle:
    manifest = json.loads((release / "manifest.json").read_text()) | {"bounds": bounds}
    (release / "manifest.json").write_text(json.dumps(manifest))
    return bundle.load(release)


def test_a_release_states_its_bounds_or_none(tiny_release: Path) -> None:
    fixed = bundle.load(tiny_release)
    assert fixed.bounds is None
    assert fixed.at(OperatingPoints(0.5, 0.8)) is fixed
    assert bounded(tiny_release, BOUNDS).bounds == Bounds(Range(0.3, 0.6), Range(0.5, 0.9))


@pytest.mark.parametrize("wrong", [{"least": 0.6, "greatest": 0.3}, {"least": -1, "greatest": 2}, {"least": 0.5}])
def test_bounds_that_are_none_are_refused(tiny_release: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(ModelError):
        bounded(tiny_release, BOUNDS | {"possible": wrong})


@pytest.mark.requirement("a site moves thresholds within the model's bounds")
def test_points_within_the_bounds_are_used_and_named_and_others_are_not(tiny_release: Path) -> None:
    release = bounded(tiny_release, BOUNDS)
    moved = release.at(OperatingPoints(0.5, 0.6))
    assert (moved.thresholds.possible, moved.thresholds.definite) == (0.5, 0.6)
    assert moved.thresholds.hand_confidence == release.thresholds.hand_confidence
    assert moved.model == replace(
        release.model, possible_threshold=0.5, definite_threshold=0.6, moved_from=OperatingPoints(0.4, 0.8)
    )
    for beyond in ((0.29, 0.8), (0.61, 0.8), (0.4, 0.91), (0.6, 0.55)):
        assert release.at(OperatingPoints(*beyond)) is release
    assert release.at(OperatingPoints(0.4, 0.8)) is release  # its own
    assert release.at(None) is release


@cache
def analyser_of(release: Path) -> Analyser:
    return Analyser(release, threads=1)


def seen(release: Path, points: OperatingPoints | None = None) -> Findings:
    path = release / "golden" / "left-lesions.dcm"
    analysis = analyser_of(release).analyse(path, golden.header(path), source="film", points=points).analysis
    assert isinstance(analysis, Findings)
    return analysis


def plain(findings: Findings) -> dict[str, Any]:
    return {name: value for name, value in wire.to_dict(findings).items() if name != "timing_ms"}


@pytest.mark.requirement("the same input gives the same result")
def test_lower_points_list_no_less_and_all_that_was_listed_before(release: Path) -> None:
    bounds = analyser_of(release).bounds
    assert bounds is not None
    usual = seen(release)
    low = seen(release, OperatingPoints(bounds.possible.least, bounds.definite.least))
    high = seen(release, OperatingPoints(bounds.possible.greatest, bounds.definite.greatest))
    assert len(low.lesions) >= len(usual.lesions) >= len(high.lesions)
    assert all(one.score >= bounds.possible.greatest for one in high.lesions)
    assert sum(one.bodies for one in low.lesions) >= sum(one.bodies for one in usual.lesions)
    assert low.model.moved_from == high.model.moved_from is not None
    assert wire.from_json(wire.to_json(low)).model == low.model
    again = seen(release, OperatingPoints(bounds.possible.least, bounds.definite.least))
    assert plain(again) == plain(low)
    assert plain(seen(release)) == plain(usual)  # nothing of it stays
