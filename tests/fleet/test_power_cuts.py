"""A real ext4 file system that loses power at random moments of an update: a good release always starts.

The file system lies in a file behind a loop device. A worker updates again and again; at a random moment it is
stopped, and what has reached the file by then is what a pulled plug leaves. The copy is mounted (its journal replayed)
and looked at. Needs to mount; the exhaustive enumeration in `test_crash_states` doesn't.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.fleet.statefile import StateFile
from tests.faults.disk import mounted
from tests.fleet.test_crash_states import DONE, Unsynced, Update, _rank, _reference, faults

ROOT = Path(__file__).resolve().parents[2]
WORKER = """
import itertools, sys
from pathlib import Path
from edge.fleet.durable import PosixDisk
from tests.fleet.test_crash_states import Update, _before
top, disk = Path(sys.argv[1]), PosixDisk()
for number in itertools.count():
    new = top / f"new{number}"
    _before(new)
    import os
    os.sync()
    disk.rename(new, top / f"box{number}")
    disk.sync_folder(top)
    Update(top / f"box{number}", disk).run()
    import shutil
    for old in top.glob("box*"):
        if int(old.name[3:]) < number:
            shutil.rmtree(old)
"""


def cut_power(tmp_path: Path, cuts: int) -> list[str]:
    """What was wrong after any of so many power cuts."""
    reference = _reference(tmp_path)
    image, copy = tmp_path / "disk.img", tmp_path / "cut.img"
    with image.open("wb") as file:
        file.truncate(24_000_000)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    luck = random.Random(5)
    found: list[str] = []
    seen: dict[str, int] = {}
    with mounted(image, tmp_path / "disk") as top:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        worker = subprocess.Popen([sys.executable, "-c", WORKER, str(top)], env=environment)
        try:
            while not list(top.glob("box*")):
                assert worker.poll() is None
                time.sleep(0.05)
            for number in range(cuts):
                time.sleep(luck.uniform(0.01, 0.4))
                worker.send_signal(signal.SIGSTOP)
                time.sleep(0.02)  # what is on its way to the loop device arrives
                shutil.copyfile(image, copy)
                worker.send_signal(signal.SIGCONT)
                with mounted(copy, tmp_path / "after") as after:
                    boxes = sorted(after.glob("box*"), key=lambda path: int(path.name[3:]))
                    newest = boxes[-1]
                    found += [f"cut {number}: {fault}" for fault in faults(newest, reference, [])]
                    moment = str(_rank(StateFile(newest).read()))
                    seen[moment] = seen.get(moment, 0) + 1
                    Update(newest, Unsynced()).run()
                    if _rank(StateFile(newest).read()) != DONE:
                        found.append(f"cut {number}: the update didn't go on")
        finally:
            worker.kill()
            worker.wait()
    print(f"{cuts} power cuts, {len(seen)} different moments of the state, {len(found)} bad: {seen}")
    return found


@pytest.mark.needs("mkfs.ext4", "losetup")
@pytest.mark.requirement("a pulled plug at any moment of an update leaves a box that starts a good release")
def test_a_few_power_cuts(tmp_path: Path) -> None:
    assert cut_power(tmp_path, 15) == []


@pytest.mark.soak
@pytest.mark.needs("mkfs.ext4", "losetup")
@pytest.mark.timeout(3600)
def test_three_hundred_power_cuts(tmp_path: Path) -> None:
    assert cut_power(tmp_path, 300) == []
