"""All processes under one parent: they come back, and they go together."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from edge.clock import SystemClock
from edge.runtime import RunFolder
from edge.services import supervisor
from edge.services.supervisor import processor_s
from tests.peers.appliance import Appliance
from tests.peers.waiting import wait_for


def test_what_ends_is_started_again_and_says_so(tmp_path: Path) -> None:
    with Appliance(tmp_path) as appliance:
        before = appliance.named()
        assert set(before) - {"darkroom"} == {"supervisor", "bridge", "dicom", "analyze", "web", "worker"}
        for name in ("dicom", "worker", "web"):
            before[name].kill()
        wait_for(lambda: set(appliance.named()) >= {"supervisor", "dicom", "web", "bridge", "analyze"})
        appliance.wait_ready()
        after = appliance.named()
        assert after["bridge"] == before["bridge"]
        assert after["dicom"] != before["dicom"]


def test_told_to_stop_everything_ends_in_good_order(tmp_path: Path) -> None:
    with Appliance(tmp_path) as appliance:
        family = appliance.processes()
        assert appliance.process is not None
        appliance.process.send_signal(signal.SIGTERM)
        assert appliance.process.wait(20) == 0
        assert [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
        lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if "Traceback" in line] == []


def test_logs_are_events_and_hold_no_patient(tmp_path: Path) -> None:
    from tests.peers.hands import new_hand
    from tests.peers.sender import one_association

    hand = new_hand(0)
    hand.PatientName, hand.PatientID = "Zyxwvut^Planted", "PLANTED-4711"
    with Appliance(tmp_path) as appliance:
        list(one_association(appliance.dicom_port, [hand]))
        appliance.wait_delivered(1)
        for path in ("/", "/images", "/images/1", "/api/status", "/health"):
            assert appliance.get(path)[0] == 200
        api = appliance.get("/api/status")[1] + appliance.get("/health")[1]
    log = (tmp_path / "log").read_text(encoding="utf-8")
    for line in log.splitlines()[2:]:  # after what `calcedge run` says to a person: address and set-up code
        assert isinstance(json.loads(line), dict), line
    status = "".join(p.read_text(encoding="utf-8") for p in appliance.config.run_folder.glob("*.json"))
    for planted in ("Zyxwvut", "PLANTED-4711", "Planted"):
        assert planted not in log
        assert planted not in status
        assert planted.encode() not in api


_STARTING = """
import os, sys, threading, time
from pathlib import Path
from edge.clock import SystemClock
from edge.runtime import RunFolder
run = RunFolder(Path(sys.argv[1]), SystemClock())
said = sys.argv[2] == "says so"
if said:
    run.publish("bridge", os.getpid(), {"starting": True})
while time.process_time() < 2.5:
    pass
run.publish("bridge", os.getpid(), {})
threading.Event().wait()
"""


@pytest.mark.parametrize("said", ["says so", "says nothing"])
def test_a_slow_start_is_no_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """It is silent for longer than it may be at work, and longer than one that stalls may be, but it gets on."""
    monkeypatch.setattr(supervisor, "SERVICES", ("bridge",))
    monkeypatch.setattr(supervisor, "SILENT_S", 1.0)
    monkeypatch.setattr(supervisor, "STALLED_S", 2.0)
    lives: list[subprocess.Popen[bytes]] = []
    real: Any = subprocess.Popen

    def start(_command: object, env: dict[str, str]) -> subprocess.Popen[bytes]:
        lives.append(real([sys.executable, "-c", _STARTING, str(tmp_path), said], env=env))
        return lives[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    stop, status = threading.Event(), RunFolder(tmp_path, SystemClock())
    keeper = threading.Thread(target=supervisor.Supervisor(None, None, status).run, args=(stop,))
    keeper.start()
    try:
        wait_for(lambda: (word := status.read("bridge")) is not None and not word.facts, 60)
        assert len(lives) == 1
        wait_for(lambda: len(lives) == 2, 60)  # and now it is at work, and silent
    finally:
        stop.set()
        keeper.join()


def test_one_that_has_just_ended_has_used_nothing_more() -> None:
    with subprocess.Popen([sys.executable, "-c", "sum(range(3_000_000))"]) as process:
        wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, 60)
        assert processor_s(process.pid) > 0.0  # until it is buried
    assert processor_s(process.pid) == 0.0


def test_one_that_cannot_be_started_is_tried_again_and_ends_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "SERVICES", ("bridge",))
    lives: list[subprocess.Popen[bytes]] = []
    refused = [OSError(errno.ENOMEM, "no memory"), OSError(errno.EAGAIN, "no more processes")]
    real: Any = subprocess.Popen

    def start(_command: object, env: dict[str, str]) -> subprocess.Popen[bytes]:
        if refused:
            raise refused.pop()
        lives.append(real([sys.executable, "-c", "import threading; threading.Event().wait()"], env=env))
        return lives[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    stop = threading.Event()
    keeper = threading.Thread(
        target=supervisor.Supervisor(None, None, RunFolder(tmp_path, SystemClock())).run, args=(stop,)
    )
    keeper.start()
    try:
        wait_for(lambda: lives, 60)
    finally:
        stop.set()
        keeper.join()
    assert lives[0].returncode == -signal.SIGTERM


_STUBBORN = """
import signal, sys, threading
from pathlib import Path
signal.signal(signal.SIGTERM, signal.SIG_IGN)
Path(sys.argv[1]).touch()
threading.Event().wait()
"""


def test_those_that_do_not_end_share_one_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with a patience of its own, four would outlast the service manager's, which then kills the supervisor."""
    patience_s = 3.0
    monkeypatch.setattr(supervisor, "SERVICES", ("bridge", "dicom", "analyze", "web"))
    monkeypatch.setattr(supervisor, "_PATIENCE_S", patience_s)
    lives: list[subprocess.Popen[bytes]] = []
    real: Any = subprocess.Popen

    def start(_command: object, env: dict[str, str]) -> subprocess.Popen[bytes]:
        lives.append(real([sys.executable, "-c", _STUBBORN, str(tmp_path / f"up-{len(lives)}")], env=env))
        return lives[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    stop = threading.Event()
    run = RunFolder(tmp_path / "run", SystemClock())
    keeper = threading.Thread(target=supervisor.Supervisor(None, None, run).run, args=(stop,))
    keeper.start()
    try:
        wait_for(lambda: len(list(tmp_path.glob("up-*"))) == 4, 60)
    finally:
        began_s = time.monotonic()
        stop.set()
        keeper.join()
    assert patience_s <= time.monotonic() - began_s < 2 * patience_s
    assert [life.returncode for life in lives] == [-signal.SIGKILL] * 4
