"""kill -9 at random moments: a bridge process dies again and again, and its disk has each exposure once."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from firmware_bridge.simulator import Scenario
from firmware_bridge.simulator.scenario import Expose, Settle, Step, Wait
from tests.firmware_bridge.rig import PATIENCE_S, Rig

BRIDGE = """
import json, os, sys, threading
from firmware_bridge.bridge import Bridge

class File:
    def __init__(self, path):
        self.file = open(path, "a+b")
        self.file.seek(0)
        whole = [line for line in self.file.read().split(b"\\n")[:-1] if line.startswith(b"{")]
        self.known = {(one["boot"], one["seq"]) for one in map(json.loads, whole)}

    def persist(self, event):
        key = (event.key.boot_id, event.key.seq)
        if key in self.known:
            return
        line = {"boot": key[0], "seq": key[1], "what": type(event.message).__name__}
        self.file.write(b"\\n" + json.dumps(line).encode() + b"\\n")  # a torn line before it stays on its own
        self.file.flush()
        os.fsync(self.file.fileno())
        self.known.add(key)

    def status(self, status):
        pass

Bridge(sys.argv[1], File(sys.argv[2])).run(threading.Event())
"""


@pytest.mark.requirement("no exposure is lost, doubled or invented")
@pytest.mark.parametrize("kills", [8, pytest.param(500, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_killing_the_bridge_loses_and_doubles_nothing(rig: Rig, tmp_path: Path, kills: int) -> None:
    rng, kept, exposures = random.Random(7), tmp_path / "events", 12 * kills
    kept.touch()
    steps: tuple[Step, ...] = (Expose(ms=10), Wait(s=0.5))
    bench = rig.simulate(Scenario((*steps * exposures, Settle()), speed=40.0))
    for _ in range(kills):
        bridge = _start(rig.link, kept)
        _wait_until_grown(kept, by_bytes=rng.randrange(1, 1500))
        time.sleep(rng.random() * 0.01)  # a moment like any other: reading, disk, acknowledgement
        bridge.send_signal(signal.SIGKILL)
        bridge.wait()
    assert not any("scenario-finished" in line for line in rig.lines)  # exposures were made up to the last kill
    last = _start(rig.link, kept)
    rig.wait_for_line("scenario-finished")
    last.kill()
    last.wait()
    lines = [
        json.loads(line) for line in kept.read_bytes().split(b"\n") if line.startswith(b"{") and line.endswith(b"}")
    ]
    assert sorted(line["seq"] for line in lines) == list(range(1, bench.unit.newest + 1))
    assert sum(line["what"] == "Exposure" for line in lines) == exposures
    assert {line["boot"] for line in lines} == {bench.unit.boot_id}


def _wait_until_grown(kept: Path, by_bytes: int) -> None:
    wanted, deadline = kept.stat().st_size + by_bytes, time.monotonic() + 4 * PATIENCE_S
    while kept.stat().st_size < wanted:
        assert time.monotonic() < deadline, "no event was kept"
        time.sleep(0.001)


def _start(link: Path, kept: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", BRIDGE, str(link), str(kept)])
