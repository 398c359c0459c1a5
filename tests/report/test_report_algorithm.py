"""Which algorithm said it: the thresholds that were used, and the release's own where a site has moved them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.report.algorithm import algorithm
from edge.report.build import make_reports
from edge.types import Findings, OperatingPoints
from tests.report.report_samples import DEVICE, MADE_AT, MODEL, Uids, findings, png, save, source


def moved() -> Findings:
    return findings(model=replace(MODEL, moved_from=OperatingPoints(0.4, 0.8)))


def test_the_thresholds_are_told() -> None:
    told = algorithm(findings(), DEVICE).told
    assert "possible threshold 0.3; definite threshold 0.7" in told
    assert "site" not in told


@pytest.mark.requirement("a result says that the site has moved the thresholds")
def test_thresholds_that_a_site_has_set_are_told_beside_the_release_s_own(tmp_path: Path) -> None:
    parameters = dict(algorithm(moved(), DEVICE).parameters)
    assert parameters["possible threshold"] == "0.3"
    assert parameters["thresholds"] == "set by the site"
    assert parameters["release's own possible threshold"] == "0.4"
    assert parameters["release's own definite threshold"] == "0.8"
    path = save(source(), tmp_path / "source.dcm")
    made = make_reports(path, moved(), png(), made_at=MADE_AT, device=DEVICE, uid=Uids())
    report = next(one for one in made if one.kind == "structured-report")
    assert "thresholds set by the site" in report.content.decode("latin-1")
