"""A process that stands still is seen, named and started again; one that always ends is started ever more slowly."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from edge.clock import SystemClock
from edge.runtime import RunFolder
from edge.services import supervisor
from tests.peers.appliance import Appliance
from tests.peers.hands import new_hand
from tests.peers.sender import Sender
from tests.peers.waiting import patient, wait_for

_LIVING: Final = """
import os, sys, threading
from pathlib import Path
from edge.clock import SystemClock
from edge.runtime import RunFolder
run = RunFolder(Path(sys.argv[1]), SystemClock())
while True:
    run.publish("bridge", os.getpid(), {})
    threading.Event().wait(0.05)
"""
_ENDING: Final = "import sys; sys.exit(1)"


@contextmanager
def _supervised(
    monkeypatch: pytest.MonkeyPatch, run: Path, program: str
) -> Iterator[tuple[list[subprocess.Popen[bytes]], list[float]]]:
    """One service, which is this program: its lives, one after the other, and the pause before each."""
    lives: list[subprocess.Popen[bytes]] = []
    paused: list[float] = []

    def start(_command: object, env: dict[str, str]) -> subprocess.Popen[bytes]:
        paused.append(keeper._children[0].pause_s)
        lives.append(real([sys.executable, "-c", program, str(run)], env=env))
        return lives[-1]

    real: Callable[..., Any] = subprocess.Popen
    monkeypatch.setattr(supervisor, "SERVICES", ("bridge",))
    monkeypatch.setattr(subprocess, "Popen", start)
    stop = threading.Event()
    keeper = supervisor.Supervisor(None, None, RunFolder(run, SystemClock()))
    thread = threading.Thread(target=keeper.run, args=(stop,))
    thread.start()
    try:
        yield lives, paused
    finally:
        stop.set()
        thread.join()


def test_one_that_stands_still_is_ended_and_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "SILENT_S", 3.0)
    status = RunFolder(tmp_path / "run", SystemClock())
    with _supervised(monkeypatch, tmp_path / "run", _LIVING) as (lives, _):
        wait_for(lambda: status.read("bridge"), 60)
        first = lives[0]
        first.send_signal(signal.SIGSTOP)
        wait_for(lambda: len(lives) >= 2, 60)
        assert first.poll() == -signal.SIGKILL
        wait_for(lambda: (word := status.read("bridge")) is not None and word.pid == lives[-1].pid, 60)


def test_one_that_takes_its_time_to_end_is_named_and_ended_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "SILENT_S", 3.0)
    ended: list[None] = []
    with _supervised(monkeypatch, tmp_path / "run", _LIVING) as (lives, _):
        wait_for(lambda: RunFolder(tmp_path / "run", SystemClock()).read("bridge"), 60)
        monkeypatch.setattr(lives[0], "kill", lambda: ended.append(None))
        lives[0].send_signal(signal.SIGSTOP)
        wait_for(lambda: ended, 60)
        threading.Event().wait(0.5)  # some looks more
        lives[0].send_signal(signal.SIGKILL)
        wait_for(lambda: len(lives) == 2, 60)
    assert len(ended) == 1


def test_one_that_never_says_a_word_is_ended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "SILENT_S", 0.3)
    monkeypatch.setattr(supervisor, "STALLED_S", 0.6)
    with _supervised(monkeypatch, tmp_path / "run", "import threading; threading.Event().wait()") as (lives, _):
        wait_for(lambda: len(lives) >= 2, 60)
        assert lives[0].poll() == -signal.SIGKILL


def test_one_that_lives_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "SILENT_S", 3.0)
    status = RunFolder(tmp_path / "run", SystemClock())
    with _supervised(monkeypatch, tmp_path / "run", _LIVING) as (lives, _):
        wait_for(lambda: status.read("bridge"), 60)
        threading.Event().wait(5.0)  # longer than silence may last
        assert len(lives) == 1


def test_one_that_always_ends_is_started_ever_more_slowly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_LONGEST_PAUSE_S", 0.4)
    with _supervised(monkeypatch, tmp_path / "run", _ENDING) as (_, paused):
        wait_for(lambda: len(paused) >= 5, 60)
    assert paused[:5] == [0.1, 0.2, 0.4, 0.4, 0.4]


_SUFFERING: Final[dict[str, Callable[[psutil.Process], object]]] = {
    "stands still": lambda process: process.suspend(),
    "has no memory left": lambda process: process.rlimit(psutil.RLIMIT_AS, (1 << 20, 1 << 20)),
}
_KEPT: Final = ("bridge", "dicom", "analyze", "web")
"""Who says every second that it lives; the others are asked, and given so long to answer."""
_SHOWN: Final = ("bridge", "dicom", "analyze")
"""Whom the page says to be down: it can't say so of itself."""


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("how", _SUFFERING)
@pytest.mark.requirement("nothing lost")
def test_each_process_of_the_appliance_suffers(tmp_path: Path, how: str) -> None:
    """While images come. What was acknowledged is delivered, each once, and the page says what is down meanwhile."""
    stop = threading.Event()
    with ExitStack() as stack:
        appliance = _with_unit(stack, tmp_path)
        sender = Sender(appliance.dicom_port, (new_hand(n) for n in range(1000)), stop, every_s=patient(5.0))
        sender.start()
        stack.callback(sender.join)
        stack.callback(stop.set)
        wait_for(lambda: appliance.get("/images/1/film")[0] == 200, 120)
        for name in (*_KEPT, "worker", "darkroom"):
            _suffer(appliance, name, how)
        _without_supervisor(appliance, sender)
        stop.set()
        sender.join()
        done = appliance.wait_delivered(len(sender.acknowledged), within_s=300)
        log = [
            json.loads(line) for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines() if line[:1] == "{"
        ]
    assert sorted(image.sop_instance_uid or "" for image, _ in done) == sorted(sender.acknowledged)
    assert [analysis.outcome for _, analysis in done if analysis.outcome == "not_analysed"] == []
    named = {line["service"] for line in log if line["event"] == "process hangs"}
    print(f"{how}: {len(done)} images, all delivered; named as hanging: {sorted(named)}")
    assert named == (set(_KEPT) if how == "stands still" else set())


def _suffer(appliance: Appliance, name: str, how: str) -> None:
    """One process suffers, is ended, and another one takes its place."""
    victim = wait_for(lambda: appliance.named().get(name), 60)
    assert victim
    _SUFFERING[how](victim)
    if how == "stands still" and name in _SHOWN:
        wait_for(lambda: b"process-down" in appliance.get("/health")[1], 60)
    wait_for(lambda: _ended(appliance, name, victim), 240)
    appliance.wait_ready(240)
    print(f"{name} {how}: ended, and all is ready again", flush=True)


def _with_unit(stack: ExitStack, folder: Path) -> Appliance:
    """An appliance with a unit on its line, both running until the end of the stack."""
    serial = folder / "unit-port"
    appliance = Appliance(folder, f'[serial]\nport = "{serial}"\n[analysis]\ndeadline_s = {patient(30.0)}')
    command = [sys.executable, "-m", "edge", "simulate", "unit", "--port-link", str(serial), "--every", "6"]
    with (folder / "unit.log").open("ab") as log:
        unit = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log))
    stack.callback(unit.kill)
    return stack.enter_context(appliance)


def _ended(appliance: Appliance, name: str, victim: psutil.Process) -> bool:
    """Whether it is no more. The darkroom is only missed when somebody wants to see a film."""
    if name == "darkroom":
        appliance.get("/images/1/film")
    return not victim.is_running() or victim.status() == psutil.STATUS_ZOMBIE


def _without_supervisor(appliance: Appliance, sender: Sender) -> None:
    """Nobody keeps the keeper; the others don't need it, and it ends nobody when it looks again."""
    before, taken = appliance.named(), len(sender.acknowledged)
    before["supervisor"].suspend()
    try:
        wait_for(lambda: len(sender.acknowledged) >= taken + 3, 120)
        assert appliance.get("/health")[0] == 200
    finally:
        before["supervisor"].resume()
    threading.Event().wait(2.0)
    after = appliance.named()
    assert [name for name in _KEPT if after[name] != before[name]] == []
