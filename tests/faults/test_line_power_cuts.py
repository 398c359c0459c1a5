"""The plug is pulled at random moments of the line, on a real ext4 file system: what was acknowledged is there.

The file system lies in a file. At a random moment the line is stopped, and what has reached that file by then is what a
pulled plug leaves. Each copy is mounted, its journal replayed, and looked at; from some of them the line goes on to its
end, where the zeros must hold.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.faults.conftest import make_world
from tests.faults.disk import Disk, disk, mounted
from tests.faults.examine import contradictions, examine, how_far
from tests.faults.line import Answers, live
from tests.faults.outside import Outside

_SIZE = 64_000_000
_CUTS_A_LIFE = 12
_GOES_ON = 25
"""From every so many cuts the line goes on."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What the disk held, and what the world knew just before."""

    image: Path
    world: Outside


class Plug:
    """Pulls the plug of a process again and again, at random moments of `within_s`; it goes on as if nothing were."""

    def __init__(self, small: Disk, world: Outside, luck: random.Random, within_s: float) -> None:
        self._small = small
        self._world = world
        self._moments = sorted(luck.uniform(0.0, within_s) for _ in range(_CUTS_A_LIFE))
        self._thread = threading.Thread(target=self._pull)
        self._pid = 0
        self.cuts: list[Cut] = []

    def born(self, pid: int) -> None:
        self._pid = pid
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _pull(self) -> None:
        began_s, pause = time.monotonic(), threading.Event()
        for number, moment in enumerate(self._moments):
            pause.wait(max(0.0, began_s + moment - time.monotonic()))
            try:
                os.kill(self._pid, signal.SIGSTOP)
            except ProcessLookupError:
                return
            pause.wait(0.02)  # what is on its way to the loop device arrives
            known = self._world.known()
            image = self._small.image.parent / f"cut{number}.img"
            self._small.pull_the_plug(image)
            self.cuts.append(Cut(image, known))
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGCONT)


def _cut_power(folder: Path, answers: Answers, cuts: int) -> list[str]:
    """What was wrong after any of so many power cuts."""
    luck, wrong, done, went_on, within_s = random.Random(11), list[str](), 0, 0, 2.0
    states: set[str] = set()
    while done < cuts:
        world = make_world(folder / "world")
        with disk(folder, _SIZE) as small, world.listening():
            plug, began_s = Plug(small, world, luck, within_s), time.monotonic()
            life = live(small.top / "line", world, answers, born=plug.born)
            plug.join()
            within_s = time.monotonic() - began_s
            assert life.code == 0, life.complaint
        for cut in plug.cuts:
            with mounted(cut.image, folder / "after") as top:
                found = contradictions(top / "line", cut.world, answers)
                states.add(how_far(top / "line"))
                if done % _GOES_ON == 0 and not found:
                    went_on += 1
                    found = _goes_on(top / "line", cut.world, answers)
            wrong += [f"cut {done}: {what}" for what in found]
            cut.image.unlink()
            done += 1
        told = f"{done} power cuts, {len(states)} different states, {went_on} gone on from: {len(wrong)} wrong"
        print(told, *wrong, sep="\n", flush=True)
    return wrong


def _goes_on(root: Path, world: Outside, answers: Answers) -> list[str]:
    again = _laid_again(world, root)
    with again.listening():
        life = live(root, again, answers)
    return examine(root, again, answers) if life.code == 0 else [f"did not go on: {life.complaint}"]


def _laid_again(world: Outside, root: Path) -> Outside:
    """The watched folder as it was: another disk than the one that lost power; its file is laid there again."""
    from tests.peers.films import write

    drop = root.parent / "drop"
    write(deepcopy(world.dropped[0]), drop / "film.dcm")
    return replace(world, drop=drop)


@pytest.mark.needs("mkfs.ext4", "losetup")
@pytest.mark.requirement("nothing lost")
def test_some_power_cuts_of_the_line(quick_path: Path, answers: Answers) -> None:
    assert _cut_power(quick_path, answers, 12) == []


@pytest.mark.soak
@pytest.mark.needs("mkfs.ext4", "losetup")
@pytest.mark.requirement("nothing lost")
@pytest.mark.timeout(7200)
def test_three_hundred_power_cuts_of_the_line(quick_path: Path, answers: Answers) -> None:
    assert _cut_power(quick_path, answers, 300) == []
