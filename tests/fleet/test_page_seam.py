"""Why updates are refused is on the technician's page; what is usual isn't."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.config import Config
from edge.fleet.agent import SERVICE
from edge.runtime import RunFolder
from edge.web import parts, problems


@pytest.mark.parametrize(
    ("facts", "codes"),
    [
        ({"code": "update-expired", "kinds": {}}, ["update-expired"]),
        ({"code": "", "kinds": {"model": {"code": "update-bad-release"}}}, ["update-bad-release"]),
        ({"code": "", "kinds": {"model": {"code": "update-waiting"}, "application": {"code": ""}}}, []),
        ({"code": "update-unreachable", "kinds": {}}, []),
    ],
)
def test_the_reason_is_on_the_page(tmp_path: Path, facts: dict[str, object], codes: list[str]) -> None:
    run = RunFolder(tmp_path, SystemClock())
    run.publish(SERVICE, 1, facts)
    found = problems.find(parts.read(run, Config(data=tmp_path)), ())
    assert [problem.code for problem in found if problem.code.startswith("update-")] == codes
    assert all(problem.text and problem.do for problem in found)
