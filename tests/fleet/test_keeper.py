"""Deliberately bad releases, as real processes: each ends on the good one, listed as bad, and is never tried again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.clock import Stamp
from edge.fleet.attempt import Ended
from edge.fleet.crew import Session
from edge.fleet.documents import Manifest, Needs
from edge.fleet.installed import Application, Installed
from edge.fleet.keeper import Keeper, Options, _Child
from edge.fleet.preflight import preflight_application
from edge.fleet.probation import Limits
from edge.fleet.slots import Event, Kind, Slot, WrongEventError, turn
from edge.fleet.statefile import State, StateFile
from tests.fleet.releases import install, manifest, wheel
from tests.fleet.tinyapp import SOURCE

LIMITS = Limits(start_s=60, pulse_s=30, probation_s=600, stop_s=2, command_s=20)
STEP_S = 4.0


class SimulatedClock:
    """Seconds that pass when the test says so; the tiny application reads them from a file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.now_s = 1000.0
        self.boot = "boot-1"
        self.pass_s(0)

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        temporary = self._file.with_suffix(".new")
        temporary.write_text(str(self.now_s))
        temporary.replace(self._file)

    def monotonic_s(self) -> float:
        return self.now_s

    def now(self) -> Stamp:
        return Stamp(
            datetime(2026, 11, 1, tzinfo=UTC), trusted=True, boot=self.boot, monotonic_ns=int(self.now_s * 1e9)
        )


class Box:
    """A box with a good application, `good`, and a keeper."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "fleet"
        self.run = folder / "run"
        self.run.mkdir(parents=True)
        self.clock = SimulatedClock(self.run)
        self.state = StateFile(self.root)
        self.fault = ""
        self._started: dict[int, float] = {}
        self.install("good", "")
        self.turn(Event.ACTIVATE, "good")
        self.turn(Event.PASS)
        self.keeper = Keeper(Options(self.root, self.run, (str(self.run),), LIMITS), self.clock)

    def install(self, release: str, fault: str) -> Manifest:
        self.fault = fault
        files = {"tiny.whl": wheel({"tinyapp.py": SOURCE.format(fault=fault)})}
        if fault == "import error":
            files = {"tiny.whl": wheel({"tinyapp.py": "import a_module_that_is_not_there\n"})}
        made = manifest(Kind.APPLICATION, release, files).model_copy(update={"needs": Needs(memory_mb=300)})
        install(self.root, made, files)
        return made

    def turn(self, event: Event, release: str = "", why: str = "") -> None:
        def change(state: State) -> State:
            slot = turn(state.slots[Kind.APPLICATION], event, release=release, why=why)
            return state.with_slot(Kind.APPLICATION, slot)

        self.state.change(change)

    @property
    def slot(self) -> Slot:
        return self.state.read().slots[Kind.APPLICATION]

    def pulse(self) -> tuple[str, int]:
        try:
            body = json.loads((self.run / "main.json").read_text())
            return body["facts"]["fault"], body["ns"]
        except (OSError, ValueError):
            return "", -1

    def live(self, seconds: float) -> None:
        """Simulated time passes; the application gets the chance to show life in each step of it."""
        end_s = self.clock.now_s + seconds
        while self.clock.now_s < end_s:
            before = self.pulse()
            self.clock.pass_s(STEP_S)
            self._await_sign(before)
            self.keeper.step()

    def _await_sign(self, before: tuple[str, int]) -> None:
        """Waits for a pulse or an end, except from a program that is meant to hang now."""
        child = self.keeper._child
        give_up = time.monotonic() + (0.02 if self._hangs(child) else 10.0)
        while time.monotonic() < give_up and self.pulse() == before:
            if child is None or child.crew.ended() is not None:
                return
            time.sleep(0.002)

    def _hangs(self, child: object) -> bool:
        if not isinstance(child, _Child) or child.application.release != "bad":
            return False
        started_s = self._started.setdefault(self.pid(child), self.clock.now_s)
        return self.fault == "hang at start" or (
            self.fault == "hang after five minutes" and self.clock.now_s - started_s >= 300
        )

    def until_settled(self, most_s: float = 3000) -> None:
        end_s = self.clock.now_s + most_s
        while self.slot.trial and self.clock.now_s < end_s:
            self.live(STEP_S)
        self.live(20)

    @staticmethod
    def pid(child: _Child) -> int:
        return child.crew.process.pid if isinstance(child.crew, Session) else 0

    def kill(self) -> None:
        child = self.keeper._child
        assert child is not None
        child.crew.kill()

    def pull_the_plug(self) -> None:
        self.kill()
        self.keeper = Keeper(Options(self.root, self.run, (str(self.run),), LIMITS), self.clock)

    @property
    def running(self) -> str:
        child = self.keeper._child
        return child.application.release if child and child.crew.ended() is None else ""


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path)
    yield made
    made.keeper._stop()


@pytest.mark.requirement("a release that fails on a box is replaced by the last good one and never tried again")
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("crash", "trial-crashed"),
        ("hang at start", "trial-hung"),
        ("hang after five minutes", "trial-hung"),
        ("out of memory", "trial-crashed"),
        ("breaks the updater", "trial-updater"),
        ("golden mismatch on trial", "trial-golden"),
        ("unstoppable", "trial-unstoppable"),
    ],
)
def test_a_bad_release_on_trial_ends_on_the_good_one(box: Box, fault: str, reason: str) -> None:
    box.live(20)
    assert box.running == "good"
    box.install("bad", fault)
    box.turn(Event.ACTIVATE, "bad")
    before_s = box.clock.now_s
    box.until_settled()
    assert dict(box.slot.bad) == {"bad": reason}
    assert fault != "hang after five minutes" or box.clock.now_s - before_s > 300
    assert box.slot.good == "good"
    assert box.running == "good"
    with pytest.raises(WrongEventError):
        box.turn(Event.ACTIVATE, "bad")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("import error", "preflight-failed"),
        ("illegal instruction", "preflight-crashed"),
        ("golden mismatch", "preflight-failed"),
        ("out of memory in its test", "preflight-failed"),
    ],
)
def test_a_bad_release_is_found_before_it_is_ever_started(box: Box, fault: str, reason: str) -> None:
    box.install("bad", fault)
    application = Installed(box.root).application("bad")
    assert application is not None
    found = preflight_application(application, (str(box.run),), seconds=20)
    assert found is not None
    assert found.reason.code == reason


def test_a_good_release_is_committed_after_its_probation(box: Box) -> None:
    box.live(20)
    box.install("better", "still good")
    box.turn(Event.ACTIVATE, "better")
    box.live(300)
    assert box.running == "better"
    assert box.slot.good == "good"
    box.until_settled()
    assert (box.slot.good, box.slot.last, dict(box.slot.bad)) == ("better", "good", {})
    assert box.running == "better"


def test_no_commit_during_an_exam(box: Box) -> None:
    box.install("better", "still good")
    (box.run / "busy").touch()
    box.turn(Event.ACTIVATE, "better")
    box.live(1000)
    assert box.slot.trial is not None
    (box.run / "busy").unlink()
    box.until_settled()
    assert box.slot.good == "better"


def test_pulled_power_is_no_crash_but_many_boots_without_proof_are(box: Box) -> None:
    box.install("better", "still good")
    box.turn(Event.ACTIVATE, "better")
    for boot in range(5):
        box.clock.boot = f"boot-{boot}"
        box.live(20)
        assert box.running == "better"
        box.pull_the_plug()
    box.clock.boot = "boot-5"
    box.until_settled()
    assert dict(box.slot.bad) == {"better": "trial-boots"}
    assert box.running == "good"


def test_a_proof_that_gives_no_answer_in_time_is_asked_again(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def slow(application: Application, name: str) -> Ended:
        asked.append(name)
        late = application.release == "never" or asked.count("probe") < 3
        return Ended("hung" if name == "probe" and late else "")

    monkeypatch.setattr(box.keeper, "_command", slow)
    expected: dict[str, dict[str, str]] = {"slow": {}, "never": {"never": "trial-hung"}}
    for release, bad in expected.items():
        asked.clear()
        box.install(release, f"still good, {release}")
        box.turn(Event.ACTIVATE, release)
        box.until_settled()
        assert (box.slot.good, dict(box.slot.bad)) == ("slow", bad)
        assert asked.count("probe") == 3


def test_the_good_release_is_tried_for_ever(box: Box) -> None:
    for _ in range(12):
        box.live(STEP_S * 3)
        assert box.running == "good"
        box.kill()
    box.live(20)
    assert box.running == "good"
    assert not box.slot.bad


def test_a_good_release_that_starts_slowly_gets_more_time_each_time(box: Box) -> None:
    waits = []
    for hangs in range(7):
        box.keeper._hangs = hangs
        waits.append(box.keeper._patient().start_s)
    assert waits == [240, 480, 960, 1920, 3840, 3840, 3840]


def test_a_good_release_whose_files_are_gone_gives_way_to_the_factory(box: Box) -> None:
    for path in (box.root / "releases").glob("*"):
        path.unlink()
    assert Installed(box.root).startable(box.slot).release == "factory"


def test_the_launcher_needs_the_standard_library_only() -> None:
    import subprocess
    import sys

    code = (
        "import sys; before=set(sys.modules); import edge.fleet.launch; "
        "print(sorted({m.split('.')[0] for m in set(sys.modules)-before} - set(sys.stdlib_module_names) - {'edge'}))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
