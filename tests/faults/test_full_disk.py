"""The disk is full at each write of the line, one after the other: refused in the right words, and nothing half-kept.

A run on a small ext4 file system tells how much room is left at each of its durable writes. Then, for each different
amount, one run finds just so little room that this write fails: what can't be taken is refused (the sender is told
0xA700, the unit gets no acknowledgement), and with room again the same process or the next brings all to its end.
"""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from edge.intake.scp import OUT_OF_RESOURCES
from tests.faults.conftest import make_world
from tests.faults.disk import BLOCK, Disk, disk
from tests.faults.durable import Meter
from tests.faults.examine import examine
from tests.faults.line import Answers, live
from tests.faults.several import PARTS, at_each
from tests.peers.waiting import patient

pytestmark = pytest.mark.needs("mkfs.ext4", "losetup")
_IN_PLACE_S = 2.0
"""A process that waits for room gets it so long after the write that finds none."""
_AT_LAST_S = 40.0
"""So long after its start, should it never come to that write."""


@dataclass(frozen=True, slots=True)
class Room:
    """So many bytes are left at the beginning, and `points` durable writes were begun or done before they run out."""

    left: int
    points: int


def _rooms(folder: Path, answers: Answers) -> list[Room]:
    """Each different amount of room that is too little for one write more, rising; nothing at all is the first."""
    used: dict[int, int] = {}
    with disk(folder) as small:
        world, log = make_world(folder / "world"), folder / "free"
        (small.top / "line").mkdir()
        free = small.free()

        def prepare() -> None:
            file = log.open("w", buffering=1, encoding="ascii")
            Meter(lambda _point, _what: print(small.free(), file=file)).installed()

        with world.listening():
            life = live(small.top / "line", world, answers, prepare)
        assert life.code == 0, life.complaint
    for point, line in enumerate(log.read_text(encoding="ascii").split()):
        used.setdefault(free - int(line), point)
    return [Room(0, 0), *(Room(need - BLOCK, used[need]) for need in sorted(used) if need > 0)]


def _suffer(folder: Path, answers: Answers, room: Room) -> list[str]:
    """One life with so little room, which comes back while it lives; and one more. What is wrong then."""
    own = folder / f"left-{room.left}-{room.points}"
    with disk(own) as small:
        (small.top / "line").mkdir()
        wrong = _fill(small, answers, room)
    shutil.rmtree(own)
    return [f"{room.left} bytes left: {what}" for what in wrong]


def _fill(small: Disk, answers: Answers, room: Room) -> list[str]:
    root, world, seen = small.top / "line", make_world(small.image.parent / "world"), 0
    small.fill(room.left)
    relief = threading.Timer(_IN_PLACE_S, small.make_room)
    at_last = threading.Timer(patient(_AT_LAST_S), small.make_room)

    def look(_what: str) -> None:
        nonlocal seen
        seen += 1
        if seen == max(1, room.points):
            relief.start()

    with world.listening():
        at_last.start()
        first = live(root, world, answers, look=look)
        for timer in (relief, at_last):
            timer.cancel()
        small.make_room()
        half = [path.name for path in (root / "data" / "incoming").glob("*")]
        second = live(root, world, answers)
    wrong = [f"left behind: {name}" for name in half]
    wrong += [f"the sender was told {status:#06x}" for status in set(world.refused) - {OUT_OF_RESOURCES}]
    wrong += [] if first.code in (0, 3) else [f"ended with {first.code}: {first.complaint}"]
    wrong += examine(root, world, answers) if second.code == 0 else [f"did not go on: {second.complaint}"]
    return wrong


@pytest.mark.soak
@pytest.mark.requirement("nothing lost")
@pytest.mark.timeout(1800)
def test_full_at_some_writes(quick_path: Path, answers: Answers) -> None:
    rooms = _rooms(quick_path / "measured", answers)
    assert len(rooms) > 20
    assert at_each(partial(_suffer, quick_path, answers), rooms[:: len(rooms) // 4]) == []


@pytest.mark.soak
@pytest.mark.requirement("nothing lost")
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(PARTS))
def test_full_at_every_write(quick_path: Path, answers: Answers, part: int) -> None:
    rooms = _rooms(quick_path / "measured", answers)
    mine = [room for room in rooms if room.left // BLOCK % PARTS == part]  # by amount: no two runs need just the same
    print(f"{len(rooms)} amounts of room, of them {len(mine)} here")
    assert at_each(partial(_suffer, quick_path, answers), mine) == []
