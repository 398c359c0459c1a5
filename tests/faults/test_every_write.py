"""kill -9 before and after every durable write of the line: the zeros hold after each.

The line (`line.py`) hears two exposures, takes a hand by C-STORE and a film from the folder, analyses, reports,
matches, delivers to an archive that commits and to a folder, and tells the clinic of the order.

What a kill at a moment leaves is what lies on the disk at that moment: so the line stands still before and after each
of its durable writes, and a copy of its store is opened as the next process would, and held against what the world was
told by then. That goes through every point in one run. Real kills, with another life that must bring everything to its
end, are made at some of the points here and at each in the soak.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.faults.conftest import make_world
from tests.faults.durable import Meter, Point, kill_at
from tests.faults.examine import contradictions, examine
from tests.faults.line import Answers, live

_AT_ONCE = 4
"""Most of a life is waiting for the network: four at a time."""
_SHARE = os.environ.get("CALCEDGE_SHARE", "1/1")
"""`2/4`: the second of four shares of the soak, for a machine that hasn't the time for all at once."""


def _points(folder: Path, answers: Answers) -> list[Point]:
    """Every point of a life without a fault."""
    log = folder / "points"

    def prepare() -> None:
        file = log.open("w", buffering=1, encoding="ascii")
        Meter(lambda point, _what: print(point.number, point.when, file=file)).installed()

    world = make_world(folder / "unharmed")
    with world.listening():
        life = live(folder / "unharmed", world, answers, prepare)
    assert life.code == 0, life.complaint
    assert examine(folder / "unharmed", world, answers) == []
    words = [line.split() for line in log.read_text(encoding="ascii").splitlines()]
    return [Point(int(number), "before" if when == "before" else "after") for number, when in words]


def _kill(folder: Path, answers: Answers, point: Point) -> list[str]:
    """What is wrong after a kill at this point and one more life."""
    root = folder / f"{point.number}-{point.when}"
    world = make_world(root)
    with world.listening():
        first = live(root, world, answers, lambda: Meter(kill_at(point)).installed())
        second = live(root, world, answers)
    wrong = [] if first.code == -signal.SIGKILL else [f"ended with {first.code}: {first.complaint}"]
    wrong += examine(root, world, answers) if second.code == 0 else [f"did not go on: {second.complaint}"]
    shutil.rmtree(root)
    return [f"{point.when} write {point.number}: {what}" for what in wrong]


def _kill_at_each(folder: Path, answers: Answers, points: Sequence[Point]) -> list[str]:
    with multiprocessing.get_context("fork").Pool(_AT_ONCE) as pool:
        wrong: list[str] = []
        for number, found in enumerate(pool.imap_unordered(partial(_kill, folder, answers), points), 1):
            print(f"{number} of {len(points)} killed", *found, sep="\n", flush=True)
            wrong += found
        return wrong


@pytest.mark.requirement("nothing lost")
def test_nothing_contradicts_the_world_at_any_write(quick_path: Path, answers: Answers) -> None:
    root, copy = quick_path / "line", quick_path / "copy" / "data"
    world, proven = make_world(root), set[str]()
    points = 0
    wrong: list[str] = []

    def look(what: str) -> None:
        nonlocal points
        points += 1
        shutil.rmtree(copy.parent, ignore_errors=True)
        copy.mkdir(parents=True)
        for link in (copy / "objects", copy / "incoming", copy.parent / "stick"):
            if (root / link.relative_to(copy.parent)).exists():
                link.symlink_to(root / link.relative_to(copy.parent))
        for file in (root / "data").glob("calcedge.sqlite*"):
            if not file.name.endswith("-shm"):
                shutil.copyfile(file, copy / file.name)
        wrong.extend(f"{what}: {each}" for each in contradictions(copy.parent, world.known(), answers, proven))

    with world.listening():
        life = live(root, world, answers, look=look)
    assert life.code == 0, life.complaint
    assert examine(root, world, answers) == []
    print(f"{points} points, before and after each of {points // 2} durable writes: {len(wrong)} wrong")
    assert points > 300
    assert wrong == []


@pytest.mark.requirement("nothing lost")
def test_killed_at_some_writes(quick_path: Path, answers: Answers) -> None:
    points = _points(quick_path, answers)
    assert len(points) > 300
    assert _kill_at_each(quick_path, answers, points[::40]) == []


@pytest.mark.soak
@pytest.mark.requirement("nothing lost")
@pytest.mark.timeout(7200)
def test_killed_at_every_write(quick_path: Path, answers: Answers) -> None:
    points = _points(quick_path, answers)
    which, of = (int(number) for number in _SHARE.split("/"))
    mine = points[which - 1 :: of]
    wrong = _kill_at_each(quick_path, answers, mine)
    print(f"{len(mine)} kills of {len(points)} before and after each durable write: {len(wrong)} wrong")
    assert wrong == []
