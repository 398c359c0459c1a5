"""kill -9 at random moments: a bridge process dies again and again, and its disk has each exposure once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from firmware_bridge.simulator import Scenario
from firmware_bridge.simulator.scenario import Expose, Settle, Wait
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

    def persist(self, arrived):
        for event in arrived:
            key = (event.key.boot_id, event.key.seq)
            if key not in self.known:
                line = {"boot": key[0], "seq": key[1], "what": type(event.message).__name__}
                self.file.write(b"\\n" + json.dumps(line).encode() + b"\\n")  # a torn line before it stays on its own
                self.known.add(key)
        self.file.flush()
        os.fsync(self.file.fileno())

    def status(self, status):
        pass

Bridge(sys.argv[1], File(sys.argv[2])).run(threading.Event())
"""


@pytest.mark.requirement("no exposure is lost, doubled or invented")
@pytest.mark.parametrize("kills", [8, pytest.param(500, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_killing_the_bridge_loses_and_doubles_nothing(
    rig: Rig,
    tmp_path: Path,
    kills: int,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    rng, kept = random.Random(7), tmp_path / "events"
    kept.touch()
    # After ten exposures the unit waits for the host: a bridge that starts slowly finds sixty events at most.
    day = Scenario((*(Expose(ms=10), Wait(s=0.5)) * 10, Settle()), speed=40.0, repeat=1_000_000)
    bench = rig.simulate(day)
    for _ in range(kills):
        with _bridge(rig.link, kept) as bridge:
            _wait_until(partial(_larger, kept, than=kept.stat().st_size + rng.randrange(1500)))
            time.sleep(rng.random() * 0.01)  # a moment like any other: reading, disk, acknowledgement
            bridge.kill()
    bench.finish()
    with _bridge(rig.link, kept) as last:
        _wait_until(lambda: bench.settled)
        last.kill()
    whole = [line for line in kept.read_bytes().split(b"\n") if line.startswith(b"{") and line.endswith(b"}")]
    lines = [json.loads(line) for line in whole]
    assert sorted(line["seq"] for line in lines) == list(range(1, bench.unit.newest + 1))
    assert sum(line["what"] == "Exposure" for line in lines) == sum(line.startswith("exposure") for line in rig.lines)
    assert sum(line["what"] == "Exposure" for line in lines) > kills
    assert {line["boot"] for line in lines} == {bench.unit.boot_id}
    figures = (
        f"{kills} kills: {sum(line['what'] == 'Exposure' for line in lines)} exposures, 0 lost, 0 invented, 0 doubled"
    )
    record_property("kills", figures)
    with capsys.disabled():
        print(f"\n{figures} (of {len(lines)} events)")


def _larger(kept: Path, than: int) -> bool:
    return kept.stat().st_size > than


def _wait_until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 4 * PATIENCE_S
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@contextmanager
def _bridge(link: Path, kept: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", BRIDGE, str(link), str(kept)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()
