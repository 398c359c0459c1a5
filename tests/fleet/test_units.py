"""Under systemd: units that become what the state names, and a launcher that only watches, judges and ends them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.fleet.keeper import Keeper, Options, _Child
from edge.fleet.slots import Event
from tests.fleet.test_keeper import LIMITS, STEP_S, Box
from tests.peers.waiting import wait_for


class Manager:
    """As much of systemd as a unit with `Restart=always` needs."""

    def __init__(self, box: Box) -> None:
        self._command = [sys.executable, "-P", "-m", "edge.fleet.start", "--service", "main"]
        self._command += ["--root", str(box.root), "--run-folder", str(box.run), "--", str(box.run)]
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()

    def _keep(self) -> None:
        while not self._stop.is_set():
            self._process = subprocess.Popen(self._command)
            self.starts += 1
            while self._process.poll() is None and not self._stop.wait(0.01):
                pass
            self._stop.wait(0.05)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        if self._process:
            self._process.kill()
            self._process.wait()


class UnitBox(Box):
    """A box whose application is one unit."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.keeper = self.launcher()
        self.manager = Manager(self)

    def _hangs(self, child: object) -> bool:
        bad = isinstance(child, _Child) and child.application.release == "bad"
        return bad and self.fault in ("crash", "hang at start")

    def launcher(self) -> Keeper:
        return Keeper(Options(self.root, self.run, (str(self.run),), LIMITS, units=True), self.clock)

    def runs(self) -> str:
        return str(json.loads((self.run / "main.release").read_bytes())["release"])


@pytest.fixture
def box(tmp_path: Path) -> Iterator[UnitBox]:
    made = UnitBox(tmp_path)
    yield made
    made.manager.close()


def test_a_good_release_is_committed(box: UnitBox) -> None:
    box.live(20)
    assert (box.runs(), box.running) == ("good", "good")
    box.install("better", "still good")
    box.turn(Event.ACTIVATE, "better")
    box.until_settled()
    assert (box.slot.good, dict(box.slot.bad)) == ("better", {})
    assert (box.runs(), box.running) == ("better", "better")


@pytest.mark.requirement("a release that fails on a box is replaced by the last good one and never tried again")
@pytest.mark.parametrize(
    ("fault", "reasons"),
    [
        ("crash", {"trial-hung", "trial-crashed"}),
        ("hang at start", {"trial-hung"}),
        ("breaks the updater", {"trial-updater"}),
        ("golden mismatch on trial", {"trial-golden"}),
        ("unstoppable", {"trial-unstoppable"}),
    ],
)
def test_a_bad_release_ends_on_the_good_one(box: UnitBox, fault: str, reasons: set[str]) -> None:
    box.live(20)
    box.install("bad", fault)
    box.turn(Event.ACTIVATE, "bad")
    box.until_settled()
    assert set(box.slot.bad) == {"bad"}
    assert box.slot.bad["bad"] in reasons
    box.live(40)
    assert (box.slot.good, box.runs(), box.running) == ("good", "good", "good")


def test_a_launcher_that_ends_leaves_the_units_alone_and_its_next_life_finds_them(box: UnitBox) -> None:
    box.live(20)
    starts, stop = box.manager.starts, threading.Event()
    stop.set()
    box.keeper.run(stop)
    box.keeper = box.launcher()
    box.live(20)
    assert box.manager.starts == starts
    assert box.running == "good"


def test_over_the_good_release_systemd_alone_watches(box: UnitBox) -> None:
    """An admin may stop a unit; the launcher is no reason for the others to end."""
    box.live(20)
    box.manager.signal(signal.SIGSTOP)
    starts = box.manager.starts
    for _ in range(200):
        box.clock.pass_s(STEP_S)
        box.keeper.step()
    box.manager.signal(signal.SIGCONT)
    box.live(20)
    assert (box.manager.starts, box.running) == (starts, "good")


def test_what_still_runs_another_release_is_ended(box: UnitBox) -> None:
    box.live(20)
    box.install("better", "still good")
    box.keeper = box.launcher()  # it was away while the state changed
    box.turn(Event.ACTIVATE, "better")
    box.live(20)
    assert box.runs() == "better"


@pytest.mark.requirement("the units start what a fleet installed, and what the package brought where there is none")
def test_without_a_fleet_a_unit_starts_what_the_image_brought(tmp_path: Path) -> None:
    config, run = tmp_path / "box.toml", tmp_path / "data" / "run"
    config.write_text(f'data = "{tmp_path / "data"}"\n')
    command = [sys.executable, "-m", "edge", "update", "start", "bridge", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_for((run / "bridge.json").exists, 60)
        assert json.loads((run / "bridge.json").read_bytes())["pid"] == process.pid
        assert json.loads((run / "bridge.release").read_bytes()) == {"pid": process.pid, "release": "factory"}
    finally:
        process.terminate()
        assert process.wait(60) == 0
