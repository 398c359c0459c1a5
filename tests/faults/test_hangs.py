"""A process that stands still is seen, named and started again; one that always ends is started ever more slowly."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from tests.peers.waiting import wait_for

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


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("how", _SUFFERING)
@pytest.mark.requirement("nothing lost")
def test_each_process_of_the_appliance_suffers(tmp_path: Path, how: str) -> None:
    """While images come. What was acknowledged is delivered, each once, and the page says what is down meanwhile."""
    stop = threading.Event()
    with Appliance(tmp_path) as appliance:
        sender = Sender(appliance.dicom_port, (new_hand(n) for n in range(1000)), stop, every_s=5.0)
        sender.start()
        try:
            for name in ("bridge", "dicom", "analyze", "web", "worker"):
                victim = appliance.named()[name]
                _SUFFERING[how](victim)
                if name != "web" and how == "stands still" and name != "worker":
                    wait_for(lambda: appliance.get("/health")[0] == 503, 60)
                    assert b"process-down" in appliance.get("/health")[1]
                if how == "stands still" or name == "worker":
                    wait_for(lambda v=victim: not v.is_running() or v.status() == psutil.STATUS_ZOMBIE, 240)  # type: ignore[misc]
                appliance.wait_ready(240)
        finally:
            stop.set()
            sender.join()
        done = appliance.wait_delivered(len(sender.acknowledged), within_s=300)
        log = [
            json.loads(line)
            for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines()[2:]
            if line[:1] == "{"
        ]
    assert sorted(image.sop_instance_uid or "" for image, _ in done) == sorted(sender.acknowledged)
    assert [analysis.outcome for _, analysis in done if analysis.outcome == "not_analysed"] == []
    named = [line["service"] for line in log if line["event"] == "process hangs"]
    print(f"{how}: {len(done)} images, all delivered; named as hanging: {named}")
    if how == "stands still":
        assert set(named) == {"bridge", "dicom", "analyze", "web"}
