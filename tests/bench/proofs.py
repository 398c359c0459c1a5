"""Figures that are counts of what must not happen: each is shown by a command that ends well or doesn't."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.figure import Figure

_PYTEST: Final = ("pytest", "-q", "-p", "no:cacheprovider", "-m", "not training", "--timeout", "7200")


@dataclass(frozen=True, slots=True)
class Proof:
    """What was asked for, and what shows it: words after `python -m`, each of which must end with 0."""

    issue: int
    asked: str
    commands: tuple[tuple[str, ...], ...]


def _tests(issue: int, asked: str, *paths: str) -> Proof:
    """Tests, their long versions included."""
    return Proof(issue, asked, ((*_PYTEST, *paths),))


def _fuzz(target: str, inputs: int) -> tuple[str, ...]:
    return ("tests.fuzz", target, "--inputs", str(inputs), "--seconds", "36000")


PROOFS: Final[dict[str, Proof]] = {
    "kills": _tests(
        2, "200 kills of any process: all that was acknowledged arrives once", "tests/faults/test_kills.py"
    ),
    "foreign-files": _tests(2, "every file of shared/data/dicom: the right outcome", "tests/test_cli.py"),
    "link-faults": _tests(4, "1,000,000 frames with faults: 0 lost, invented, doubled, corrupt", "tests/hil"),
    "link-kills": _tests(
        4, "500 kills of the bridge: 0 lost, invented, doubled", "tests/firmware_bridge/test_bridge_killed.py"
    ),
    "dicom-objects": _tests(5, "0 errors of dciodvfy and dicom-validator; read back equal", "tests/report"),
    "archives": _tests(5, "scripted archive, Orthanc, DCMTK: once, or held", "tests/outbox", "tests/orders"),
    "many-associations": _tests(5, "10,000 associations: no growth", "tests/intake/test_scp_porch.py"),
    "screens-all": _tests(6, "every flow in Chromium; axe-core: 0 violations", "tests/web"),
    "update-bytes": _tests(7, "idle poll 2 requests, under 400 bytes; a cut link 1.05 x", "tests/fleet/test_update.py"),
    "update-crashes": _tests(
        7, "crash states, 300 power cuts: 0 bad", "tests/fleet/test_crash_states.py", "tests/fleet/test_power_cuts.py"
    ),
    "update-bad": _tests(
        7,
        "bad releases end on the good one; attacks and clocks refused",
        "tests/fleet/test_appliance.py",
        "tests/fleet/test_keeper.py",
        "tests/fleet/test_attacks.py",
    ),
    "update-crowd": _tests(7, "10,000 boxes: halts before 5 %, no stampede", "tests/fleet/test_crowd.py"),
    "faults": _tests(
        8, "kills enumerated, 300 power cuts, disk full at each write: 0 lost, twice, wrong", "tests/faults"
    ),
    "day": Proof(8, "24 simulated hours, 2,000 images, kills, drops: the same zeros", (("tests.faults.day",),)),
    "fuzz": Proof(
        8,
        "1,000,000 serial inputs, 200,000 DICOM files, 100,000 requests: 0 crashes, hangs, unlisted codes",
        (("tests.fuzz.serial", "--inputs", "1000000"), _fuzz("admission", 200_000), _fuzz("requests", 100_000)),
    ),
    "box": _tests(8, "installed on Debian with systemd, killed, upgraded, removed: data kept", "tests/systemd"),
}


def prove(proof: Proof) -> Callable[[Path], Iterator[Figure]]:
    """The bench that shows a proof."""

    def run(_folder: Path) -> Iterator[Figure]:
        held, said = True, []
        for command in proof.commands:
            done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
            held = held and done.returncode == 0
            last = (done.stdout.strip() or done.stderr.strip() or "nothing").splitlines()[-1]
            said.append(f"`{' '.join(command)}`: {last.strip('= ')[:200]}")
        yield Figure(proof.asked, "held" if held else "did not hold", "", "held", held, "; ".join(said))

    return run
