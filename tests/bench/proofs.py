"""Figures that are counts of what must not happen: each is a soak of the test suite that ends well or doesn't."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.figure import Figure


@dataclass(frozen=True, slots=True)
class Proof:
    """What was asked for, and the tests that show it."""

    issue: int
    asked: str
    tests: tuple[str, ...]
    soak: bool = True


PROOFS: Final[dict[str, Proof]] = {
    "kills": Proof(
        2, "200 kills of any process: all that was acknowledged arrives once", ("tests/faults/test_kills.py",)
    ),
    "shared-dicom": Proof(2, "every file of shared/data/dicom: the right outcome", ("tests/test_cli.py",), soak=False),
    "link-faults": Proof(4, "1,000,000 frames with faults: 0 lost, invented, doubled, corrupt", ("tests/hil",)),
    "link-kills": Proof(4, "500 kills of the bridge: the same zeros", ("tests/firmware_bridge/test_bridge_killed.py",)),
    "dicom-objects": Proof(
        5, "0 errors of dciodvfy and dicom-validator; read back equal", ("tests/report",), soak=False
    ),
    "archives": Proof(
        5, "scripted archive, Orthanc, DCMTK: once, or held", ("tests/outbox", "tests/orders"), soak=False
    ),
    "many-associations": Proof(5, "10,000 associations: no growth", ("tests/intake/test_scp_porch.py",)),
    "screens-all": Proof(6, "every flow in Chromium, axe-core 0 violations", ("tests/web",), soak=False),
    "updates": Proof(7, "crash states, power cuts, bad releases, attacks, clocks, a fleet", ("tests/fleet",)),
    "faults": Proof(8, "kills enumerated, power cuts, disk full, clocks: 0 lost, twice, wrong", ("tests/faults",)),
    "fuzz": Proof(8, "hostile input: 0 crashes of a parent, 0 hangs, 0 unlisted codes", ("tests/fuzz",)),
    "box": Proof(8, "installed on Debian with systemd, killed, upgraded, removed: data kept", ("tests/systemd",)),
}


def prove(proof: Proof) -> Callable[[Path], Iterator[Figure]]:
    """The bench that runs a proof's tests."""

    def run(_folder: Path) -> Iterator[Figure]:
        marks = ["-m", "soak", "--timeout", "7200"] if proof.soak else ["-m", "not soak and not training"]
        command = ["-q", "-p", "no:cacheprovider", *marks, *proof.tests]
        done = subprocess.run([sys.executable, "-m", "pytest", *command], capture_output=True, text=True, check=False)
        said = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-200:]
        passed = re.search(r"(\d+) passed", said)
        value = int(passed[1]) if passed else 0
        how = f"`pytest {' '.join(command[3:])}`: {said.strip('= ')}"
        yield Figure(proof.asked, value, "tests passed", "all", done.returncode == 0 and value > 0, how)

    return run
