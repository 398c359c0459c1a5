"""The suite as it runs on a real unit: on a port that it did not make, of a unit that it can't order about."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from firmware_bridge import trace
from firmware_bridge.simulator import Scenario
from firmware_bridge.simulator.scenario import Expose, Wait
from tests.firmware_bridge.rig import Rig

ROOT = Path(__file__).resolve().parents[2]
SOME = "there_and_says or every_listed_read or no_session or recorded_once or reenumerate"


@pytest.mark.sim_only
@pytest.mark.profiles("own", "spellman-pmx")
def test_on_a_port_of_somebody_else(tmp_path: Path, profile: str) -> None:
    rig = Rig(tmp_path / "unit")
    exposures = Scenario((Wait(s=8), Expose(kv=45, ms=40)), speed=4, repeat=1000)
    rig.simulate(exposures, profile=profile, paced=True, record=tmp_path / "unit.trace")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "tests/hil", "-k", SOME]
    options = ["--port", str(rig.link), "--profile", profile, "--operator", "--evidence", str(tmp_path / "evidence")]
    scale = ["--last-kv-per-count", "0.013059"] if profile == "spellman-pmx" else []
    junit = tmp_path / "hil.xml"
    whole = [*command, *options, *scale, "--junitxml", str(junit)]
    try:
        done = subprocess.run(whole, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    finally:
        rig.close()
    assert done.returncode == 0, done.stdout
    assert "NOT RUN: " in done.stdout  # what needs a simulated unit was left out, and said
    assert "PRESS THE SWITCH" in done.stdout
    cases = list(ET.parse(junit).iter("testcase"))
    assert len(cases) == 3
    for case in cases:
        facts = {one.get("name"): one.get("value") for one in case.iter("property")}
        assert facts["hil.port"] == str(rig.link)
        assert facts["hil.profile"] == profile
        evidence = trace.read(Path(str(facts["hil.trace"])))
        assert evidence.said_by("unit")
        assert evidence.said_by("host")
    if profile == "own":
        assert "sim-1.0" in {one.get("value") for case in cases for one in case.iter("property")}
