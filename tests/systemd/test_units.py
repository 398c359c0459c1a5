"""The units name what exists."""

from __future__ import annotations

import re
from pathlib import Path

from edge.services.supervisor import SERVICES

UNITS = Path(__file__).resolve().parents[2] / "systemd"


def test_the_target_wants_every_service_of_the_supervisor() -> None:
    wanted = re.findall(r"calcedge@(\w+)\.service", (UNITS / "calcedge.target").read_text(encoding="ascii"))
    assert sorted(wanted) == sorted(SERVICES)


def test_only_those_that_talk_have_a_network_and_only_the_bridge_a_device() -> None:
    common = (UNITS / "calcedge@.service").read_text(encoding="ascii")
    assert "PrivateNetwork=yes" in common
    assert "PrivateDevices=yes" in common
    more = {
        folder.name: "".join(p.read_text(encoding="ascii") for p in folder.iterdir()) for folder in UNITS.glob("*.d")
    }
    assert {name for name, text in more.items() if "PrivateNetwork=no" in text} == {
        "calcedge@dicom.service.d",
        "calcedge@web.service.d",
    }
    assert {name for name, text in more.items() if "PrivateDevices=no" in text} == {"calcedge@bridge.service.d"}


def test_every_file_is_in_the_folder_s_readme() -> None:
    readme = (UNITS / "README.md").read_text(encoding="utf-8")
    for path in UNITS.iterdir():
        assert path.name in readme or path.is_dir() or path.name == "README.md"
