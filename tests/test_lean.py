"""No process loads what it doesn't use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge import lean

_START = "from edge import lean; lean.without_luxuries(); import edge.cli; import sys; "


def loaded(program: str) -> set[str]:
    """The modules that an interpreter of its own holds after the program."""
    command = [sys.executable, "-c", f"{program}; print(*(name for name in sys.modules if sys.modules[name]))"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("edge.cli", {"pydantic", "structlog", "sqlite3"}),
        ("edge.services.supervisor", {"numpy", "pydicom", "flask"}),
        ("edge.services.bridge", {"numpy", "pydicom", "flask"}),
        ("edge.services.web", {"numpy", "pydicom", "onnxruntime"}),
        ("edge.services.analyze", {"numpy", "pydicom", "onnxruntime"}),
        ("edge.services.dicom", {"flask", "onnxruntime"}),
        ("edge.services.worker", {"sqlite3", "edge.config"}),
        ("edge.detector.analyse", {"gdcm", "sqlite3", "flask"}),
    ],
)
def test_what_a_process_does_not_load(module: str, without: set[str]) -> None:
    found = loaded(f"{_START}import {module}")
    assert module in found
    assert found & (without | {"rich", "requests"}) == set()


def test_what_was_left_out_can_come_late() -> None:
    found = loaded(f"{_START}lean.late('gdcm')")
    assert "gdcm" in found
    assert "requests" not in found


def test_what_was_never_left_out_comes_too() -> None:
    assert lean.late("json") is sys.modules["json"]


def test_a_module_of_ours_runs_as_a_process() -> None:
    done = subprocess.run(lean.command("edge.outbox.recode", "nothing", "nowhere", "1.2"), check=False)
    assert done.returncode == 1
