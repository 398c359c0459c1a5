"""The units name what exists, are locked down as far as asked, and are all packaged."""

from __future__ import annotations

import re

import pytest

from edge.services.supervisor import SERVICES
from tests.systemd.units import MOST_EXPOSED, UNITS, exposure


def unit(name: str) -> str:
    return (UNITS / name).read_text(encoding="ascii")


def test_the_target_wants_every_service_of_the_supervisor() -> None:
    wanted = re.findall(r"calcedge-(\w+)\.service", unit("calcedge.target"))
    assert sorted(wanted) == sorted(SERVICES)


def test_only_those_that_talk_have_a_network_and_only_the_bridge_a_device() -> None:
    common = unit("calcedge-.service.d/10-locked-down.conf")
    assert "PrivateNetwork=yes" in common
    assert "PrivateDevices=yes" in common
    assert {s for s in SERVICES if "PrivateNetwork=no" in unit(f"calcedge-{s}.service.d/50-needs.conf")} == {"dicom"}
    assert {s for s in SERVICES if "PrivateDevices=no" in unit(f"calcedge-{s}.service.d/50-needs.conf")} == {"bridge"}


def test_no_process_is_ever_given_up_and_each_is_watched() -> None:
    common = unit("calcedge-.service.d/10-locked-down.conf")
    for line in ("Restart=always", "StartLimitIntervalSec=0", "Type=notify", "WatchdogSec=30", "TasksMax="):
        assert line in common
    assert all("MemoryMax=" in unit(f"calcedge-{service}.service.d/50-needs.conf") for service in SERVICES)


def test_every_process_starts_what_is_to_run_now_and_a_launcher_watches() -> None:
    for service in SERVICES:
        assert f"/bin/calcedge update start {service} --config" in unit(f"calcedge-{service}.service")
    assert "/bin/calcedge update launch --units --config" in unit("calcedge-launcher.service")
    for script in ("postinst", "prerm"):
        assert "calcedge-launcher.service" in unit(f"package/{script}")


def test_tablets_are_let_in_by_the_admin_alone() -> None:
    """The socket is in the package, by the name that the page looks for, and nothing switches it on."""
    socket = unit("calcedge-web-tls.socket")
    for line in (
        "FileDescriptorName=tls",
        "Service=calcedge-web.service",
        "IPAddressDeny=any",
        "PartOf=calcedge.target",
    ):
        assert line in socket
    assert "calcedge-web-tls.socket" not in unit("package/postinst")


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("service", MOST_EXPOSED)
def test_a_unit_is_locked_down(service: str) -> None:
    assert exposure(service) <= MOST_EXPOSED[service]


def test_the_package_carries_every_file_and_the_readme_names_it() -> None:
    readme, build = unit("README.md"), (UNITS / "package" / "build").read_text(encoding="utf-8")
    for path in UNITS.iterdir():
        if path.name != "README.md" and (path.is_file() or path.name == "calcedge-.service.d"):
            assert path.name in readme
        if path.suffix in {".service", ".socket", ".timer", ".target"}:
            assert f"systemd/*{path.suffix}" in build
        elif path.is_file() and path.name != "README.md":
            assert f"systemd/{path.name}" in build
