"""The package on a Debian box that boots: installed, used, killed, updated, sealed, unplugged, removed, for real."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from tests.conftest import ROOT
from tests.peers.dcmtk import storescp
from tests.peers.scan import free_port
from tests.systemd.box import Box, bootstrap
from tests.systemd.facts import SERVICES
from tests.systemd.fleet import Admin
from tests.systemd.visit import PLANTED, Luggage, visit

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(5400),
    pytest.mark.needs("debootstrap", "nsenter", "unshare", "ip", "storescp", "echoscu", "curl", "mosquitto"),
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
    admin = Admin(work / "admin")
    with Box(base, work / "tree") as box, storescp(work / "archive", port := free_port()), admin.at_work():
        shutil.copy(package, box.tree / "root/calcedge.deb")
        shutil.copy(_newer(package, work), box.tree / "root/newer.deb")
        _film(box.tree / "srv/films/film.dcm")
        brought = Luggage("/root/calcedge.deb", "/root/newer.deb", "/srv/films", work / "archive", port)
        facts: Seen = {}
        began_s = time.monotonic()
        for step, told in visit(box, brought, admin):
            print(round(time.monotonic() - began_s), "s:", step, told, flush=True)
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
    assert seen["scanned"]["open"] == [8443, 11112]
    assert seen["scanned"]["listening"] == ["tcp 0.0.0.0:11112", "tcp 127.0.0.1:8080", "tcp :::8443"]
    assert seen["scanned"]["health"].keys() == {"ok", "down", "problems"}
    assert seen["scanned"]["images"] == 303  # to the entrance
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


@pytest.mark.requirement("the units start what a fleet installed, and what the package brought where there is none")
def test_a_fleet_gives_the_box_a_model_and_an_application(seen: Seen) -> None:
    enrolled, model, application = (seen[step] for step in ("enrolled", "model released", "application released"))
    assert enrolled["said"].startswith("certificate of clinic-7-unit-2 until ")
    assert enrolled["running"] == dict.fromkeys(SERVICES, "factory")
    assert model["model"] == "model-1"
    assert application["running"] == dict.fromkeys(SERVICES, "app-1")
    assert application["drawn by"] == "9.0.1"
    for told in (enrolled, model, application):
        assert_well(told)


@pytest.mark.requirement("a new model is taken into use without a restart of the technician's page")
def test_the_page_goes_on_over_a_model_release(seen: Seen) -> None:
    assert seen["model released"]["page goes on"]
    assert seen["model released"]["page"].keys() == {200}


@pytest.mark.requirement("a release that fails on a box is replaced by the last good one and never tried again")
def test_bad_releases_end_on_the_good_one(seen: Seen) -> None:
    assert seen["golden mismatch"]["bad"]["application"] == {"app-2": "preflight-failed"}
    bad = seen["page that dies"]["bad"]["application"]
    assert bad["app-3"] in {"trial-crashed", "trial-hung"}
    assert seen["asked again"]["bad"]["application"] == bad
    for step in ("golden mismatch", "page that dies", "asked again"):
        assert seen[step]["running"] == dict.fromkeys(SERVICES, "app-1")
        assert seen[step]["drawn by"] == "9.0.1"
        assert_well(seen[step])


@pytest.mark.parametrize("step", ["rebooted", "unplugged"])
def test_the_fleet_s_releases_are_what_boots(step: str, seen: Seen) -> None:
    assert seen[step]["running"] == dict.fromkeys(SERVICES, "app-1")
    assert (seen[step]["model"], seen[step]["drawn by"]) == ("model-1", "9.0.1")


def test_the_admin_takes_all_back(seen: Seen) -> None:
    assert seen["back"]["running"] == dict.fromkeys(SERVICES, "factory")
    assert seen["back"]["model"] == "factory"
    assert_well(seen["back"])


@pytest.mark.requirement("encryption at rest")
def test_the_store_is_unlocked_at_boot_by_the_box_s_own_credential(seen: Seen) -> None:
    assert seen["sealed"]["vault"] == ["plain", "open"]
    assert seen["rebooted"]["vault"] == seen["unplugged"]["vault"] == "open"
    assert seen["keyless"]["vault"] == "locked"
    assert seen["keyless"]["running"] == []


@pytest.mark.parametrize("step", ["sealed", "keyless"])
def test_encryption_keeps_the_data(step: str, seen: Seen) -> None:
    assert seen[step]["kept"]


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
