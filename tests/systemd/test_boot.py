"""The package on a Debian machine that boots: installed, used, killed, upgraded and removed, for real."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.systemd.machine import boot, bootstrap, with_package

_CONFIGURATION = """data = "/var/lib/calcedge"
[serial]
port = "/run/xray/unit"
[analysis]
deadline_s = 300          # an emulated processor
"""
_STEPS = ["started", "listening", "page", "exposed", "killed", "hung", "upgraded", "removed"]


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the guest reported, by step. `CALCEDGE_DEB` names a package that was built before."""
    work = tmp_path_factory.mktemp("boot")
    package = Path(os.environ.get("CALCEDGE_DEB") or _built(work))
    base = ROOT / "build" / "boot" / "bookworm"
    bootstrap(base)
    films = sorted((ROOT / "models" / "releases").glob("*/golden/left-*.dcm"))[-1:]
    with_package(base, work / "tree", package, ROOT / "tests" / "systemd" / "guest.py", films, _CONFIGURATION)
    steps = boot(work / "tree", work, limit_s=2400)
    print(*steps, sep="\n")
    return {step["step"]: step for step in steps}


def _built(work: Path) -> Path:
    subprocess.run([ROOT / "systemd" / "package" / "build", work], check=True, cwd=ROOT)
    return next(work.glob("calcedge_*.deb"))


@pytest.mark.soak
@pytest.mark.needs("qemu-system-x86_64", "debootstrap", "mke2fs")
@pytest.mark.timeout(5400)
@pytest.mark.requirement("the package works on a Debian machine with systemd")
def test_a_debian_machine_runs_the_package_and_keeps_its_data(visit: dict[str, dict[str, Any]]) -> None:
    assert list(visit) == _STEPS, visit.get("error")
    assert visit["page"]["status"] == 200
    assert visit["exposed"]["images"] == visit["exposed"]["exposures"] == 1
    assert visit["killed"]["images"] == 1
    assert all(count >= 1 for count in visit["killed"]["restarts"].values())
    assert visit["hung"]["restarts"]["analyze"] > visit["killed"]["restarts"]["analyze"]
    assert visit["upgraded"]["kept"]
    assert visit["upgraded"]["files"] >= 3
    assert visit["removed"] == {"step": "removed", "kept": True, "application": False, "running": False}


@pytest.mark.soak
@pytest.mark.needs("qemu-system-x86_64", "debootstrap", "mke2fs")
@pytest.mark.timeout(5400)
@pytest.mark.requirement("nothing is offered to strangers that the site didn't switch on")
def test_it_listens_on_this_machine_only(visit: dict[str, dict[str, Any]]) -> None:
    assert visit["listening"]["addresses"] == ["127.0.0.1:11112", "127.0.0.1:8080"]
