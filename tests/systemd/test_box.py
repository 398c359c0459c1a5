"""The package on a Debian box that boots: installed, used, killed, unplugged, upgraded and removed, for real."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from tests.conftest import ROOT
from tests.peers.dcmtk import storescp
from tests.peers.scan import free_port
from tests.systemd.box import Box, bootstrap
from tests.systemd.visit import PLANTED, SERVICES, Luggage, visit

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(5400),
    pytest.mark.needs("debootstrap", "nsenter", "unshare", "ip", "storescp", "echoscu", "curl"),
]
_FILMS = ROOT / "models" / "releases"

Seen = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """What was seen at each step. `CALCEDGE_DEB` names a package that was built before."""
    work = tmp_path_factory.mktemp("box")
    package = Path(os.environ.get("CALCEDGE_DEB") or _built(work))
    base = ROOT / "build" / "boot" / "bookworm"
    bootstrap(base)
    with Box(base, work / "tree") as box, storescp(work / "archive", port := free_port()):
        shutil.copy(package, box.tree / "root/calcedge.deb")
        shutil.copy(_newer(package, work), box.tree / "root/newer.deb")
        _film(box.tree / "srv/films/film.dcm")
        brought = Luggage("/root/calcedge.deb", "/root/newer.deb", "/srv/films", work / "archive", port)
        facts: Seen = {}
        for step, told in visit(box, brought):
            print(step, told, flush=True)
            facts[step] = told
        yield facts


@pytest.mark.requirement("the package works on a Debian box with systemd")
def test_installed_it_runs_and_is_enabled(seen: Seen) -> None:
    assert seen["installed"]["enabled"] == ["enabled", "enabled"]
    assert_well(seen["installed"])
    assert seen["installed"]["restarts"] == dict.fromkeys(SERVICES, 0)


@pytest.mark.requirement("nothing is offered to strangers that the site didn't switch on")
def test_only_what_the_site_switched_on_answers(seen: Seen) -> None:
    assert seen["closed"]["open"] == []
    assert seen["closed"]["listening"] == ["tcp 127.0.0.1:11112", "tcp 127.0.0.1:8080"]
    assert seen["scanned"]["open"] == [8080, 11112]
    assert seen["scanned"]["listening"] == ["tcp 0.0.0.0:11112", "tcp 0.0.0.0:8080"]
    assert seen["scanned"]["health"].keys() == {"ok", "down", "problems"}
    assert seen["scanned"]["images"] == "303"  # to the entrance
    assert seen["scanned"]["echo"] == {"SIMUNIT": 0, "STRANGER": 1}


def test_an_exposure_goes_all_the_way(seen: Seen) -> None:
    told = seen["exposed"]
    assert told["images"] == told["exposures"] == 1
    assert told["stick"] == told["archive"] >= 2
    assert [line for line in told["doctor"] if " FAIL " in line] == []
    assert_well(told)


def test_processes_are_small_and_held_to_limits(seen: Seen) -> None:
    told = seen["resting"]
    assert told["all_mib"] < 450
    for limits in told["limits"].values():
        assert limits["memory"] == limits["asked"] <= 1200 << 20
        assert limits["tasks"] == 128
        assert limits["watchdog"] == "30s"


def test_what_dies_or_hangs_comes_back(seen: Seen) -> None:
    assert seen["killed"]["restarts"] == dict.fromkeys(SERVICES, 1)
    assert seen["hung"]["restarts"] == dict.fromkeys(SERVICES, 1) | {"analyze": 2}
    assert_well(seen["hung"])


@pytest.mark.parametrize("step", ["rebooted", "unplugged", "upgraded"])
def test_data_outlives(step: str, seen: Seen) -> None:
    assert seen[step]["kept"]
    assert seen[step]["images"] == 1
    assert_well(seen[step])


def test_an_upgrade_leaves_one_release(seen: Seen) -> None:
    assert len(seen["upgraded"]["releases"]) == 2  # itself, and the link to it


@pytest.mark.parametrize("step", ["removed", "purged"])
@pytest.mark.requirement("removal keeps images and reports")
def test_removal_keeps_the_data(step: str, seen: Seen) -> None:
    assert seen[step]["kept"]
    assert seen[step]["application"] == []
    assert seen[step]["running"] == []
    assert seen[step]["failed"] == []


@pytest.mark.requirement("patient data is in no log")
def test_the_journal_names_no_patient(seen: Seen) -> None:
    assert seen["journal"]["planted"] == []


def assert_well(told: dict[str, Any]) -> None:
    """No unit failed."""
    assert told["failed"] == []
    assert told["system"] == "running"


def _film(target: Path) -> None:
    """A golden phantom with a name that is looked for in every log."""
    dataset = dcmread(max(_FILMS.glob("*/golden/left-*.dcm")))
    dataset.PatientName, dataset.PatientID = f"{PLANTED[0]}^Planted", PLANTED[1]
    target.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(target)


def _built(work: Path) -> Path:
    subprocess.run([ROOT / "systemd" / "package" / "build", work], check=True, cwd=ROOT)
    return next(work.glob("calcedge_*.deb"))


def _newer(package: Path, work: Path) -> Path:
    """The same package as a later version."""
    tree, newer = work / "newer", work / "newer.deb"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    version = subprocess.run(
        ["dpkg-deb", "--field", package, "Version"], check=True, capture_output=True, text=True
    ).stdout.strip()
    for script in (tree / "DEBIAN" / "control", tree / "DEBIAN" / "postinst"):
        script.write_text(script.read_text(encoding="utf-8").replace(version, f"{version}+1"), encoding="utf-8")
    subprocess.run(["dpkg-deb", "-Znone", "--build", tree, newer], check=True, capture_output=True)
    return newer
