"""The disk is full at each write of the line, one after the other: refused in the right words, and nothing half-kept.

A run on a small ext4 file system tells how much room is left at each of its durable writes. Then, for each different
amount, one run finds just so little room that this write fails: what can't be taken is refused (the sender is told
0xA700, the unit gets no acknowledgement), and with room again the same process or the next brings all to its end.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.intake.scp import OUT_OF_RESOURCES
from tests.faults.conftest import make_world
from tests.faults.disk import BLOCK, Disk, disk
from tests.faults.durable import Meter
from tests.faults.examine import examine
from tests.faults.line import Answers, live
from tests.faults.outside import Outside

_SIZE = 96_000_000
_IN_PLACE_S = 2.0
"""A process that waits for room gets it after so long."""


@pytest.fixture
def small(quick_path: Path) -> Iterator[Disk]:
    with disk(quick_path, _SIZE) as mounted:
        yield mounted


def _needs(small: Disk, answers: Answers) -> list[int]:
    """How many bytes a run has used up before each of its durable writes: different amounts only, rising."""
    root, log = small.top / "line", small.image.parent / "free"

    def prepare() -> None:
        file = log.open("w", buffering=1, encoding="ascii")
        Meter(lambda _point, _what: print(small.free(), file=file)).installed()

    world = _world(small)
    free = small.free()
    with world.listening():
        life = live(root, world, answers, prepare)
    assert life.code == 0, life.complaint
    return sorted({free - int(line) for line in log.read_text(encoding="ascii").split()} - {0})


def _world(small: Disk) -> Outside:
    """A fresh world; what the archive and the sender keep is elsewhere."""
    small.make_room()
    for each in ("line", "stick"):
        os.system(f"rm -rf {small.top / each}")
    (small.top / "line").mkdir()
    return make_world(small.image.parent / "world")


def _suffer(small: Disk, answers: Answers, room: int) -> tuple[list[str], Outside]:
    """One life with so little room, which comes back while it lives; and one more. What is wrong then."""
    root, world = small.top / "line", _world(small)
    small.fill(room)
    relief = threading.Timer(_IN_PLACE_S, small.make_room)
    with world.listening():
        relief.start()
        first = live(root, world, answers)
        relief.join()
        half = [path.name for path in (root / "data" / "incoming").glob("*")]
        second = live(root, world, answers)
    wrong = [f"left behind: {name}" for name in half]
    wrong += [] if first.code in (0, 3) else [f"ended with {first.code}: {first.complaint}"]
    wrong += examine(root, world, answers) if second.code == 0 else [f"did not go on: {second.complaint}"]
    return [f"{room} bytes left: {what}" for what in wrong], world


def _fill_at_each(small: Disk, answers: Answers, rooms: list[int]) -> list[str]:
    wrong: list[str] = []
    refusals: set[int] = set()
    for room in rooms:
        found, world = _suffer(small, answers, room)
        wrong += found
        print(f"{room} bytes left", *found, sep="\n", flush=True)
        refusals |= set(world.refused)
    print(f"{len(rooms)} amounts of room: {len(wrong)} wrong; statuses told to the sender: {refusals or 'success'}")
    assert refusals <= {OUT_OF_RESOURCES}
    return wrong


@pytest.mark.soak
@pytest.mark.needs("mkfs.ext4", "losetup")
@pytest.mark.requirement("nothing lost")
def test_full_at_some_writes(small: Disk, answers: Answers) -> None:
    needs = _needs(small, answers)
    rooms = [0, *(need - BLOCK for need in needs)]
    assert len(rooms) > 20
    assert _fill_at_each(small, answers, rooms[:: max(1, len(rooms) // 4)]) == []


@pytest.mark.soak
@pytest.mark.needs("mkfs.ext4", "losetup")
@pytest.mark.requirement("nothing lost")
@pytest.mark.timeout(7200)
def test_full_at_every_write(small: Disk, answers: Answers) -> None:
    assert _fill_at_each(small, answers, [0, *(need - BLOCK for need in _needs(small, answers))]) == []
