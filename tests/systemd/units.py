"""How exposed each unit may be, and how exposed it is."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

UNITS: Final = Path(__file__).resolve().parents[2] / "systemd"
MOST_EXPOSED: Final = {"bridge": 0.5, "analyze": 0.5, "web": 0.5, "launcher": 0.5, "dicom": 1.5, "update": 1.2}
"""The highest score of `systemd-analyze security` that each may have, of 10; less is better."""


def exposure(service: str) -> float:
    """A unit's score, its drop-ins included, as `systemd-analyze security` gives it without a running systemd."""
    with tempfile.TemporaryDirectory() as root:
        shutil.copytree(UNITS, Path(root) / "etc/systemd/system")
        told = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", f"--root={root}", f"calcedge-{service}.service"],
            capture_output=True,
            text=True,
            check=False,
        )
    score = re.search(r"exposure level for \S+: ([0-9.]+)", told.stdout)
    assert score is not None, told.stderr
    return float(score.group(1))
