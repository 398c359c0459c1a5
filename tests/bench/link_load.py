"""What the bridge costs while the line is full: 115200 baud of events, each confirmed."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from firmware_bridge.messages import FaultCode, Level
from firmware_bridge.simulator import Bench, UnitOptions
from firmware_bridge.simulator.ring import WINDOW
from tests.bench.figure import Figure, at_least, at_most, plain

_WARM_UP_S, _WINDOWS, _WINDOW_S = 3.0, 8, 2.0
_FULL = 90
_TEXT = "as long as an exposure's record"
"""Makes a frame of 64 bytes: an EXPOSURE takes as much."""
_LINE_BYTES_PER_S = 11_520
_BRIDGE = """
import sys, threading
from firmware_bridge.bridge import Bridge

class Memory:
    def __init__(self): self.events = {}
    def persist(self, event): self.events[event.key] = event
    def status(self, status): pass

Bridge(sys.argv[1], Memory()).run(threading.Event())
"""


class _Full:
    """A unit that always has something to say, at the pace of its line."""

    def __init__(self, link: Path) -> None:
        self.bench = Bench(UnitOptions(link, paced=True, ring_capacity=100_000), lambda _: None)
        self.sent = 0

    def turn_for(self, seconds: float) -> int:
        """Lets time pass; how many events were confirmed meanwhile."""
        end_s, before = time.monotonic() + seconds, self._confirmed
        while time.monotonic() < end_s:
            while self.bench.unit.unconfirmed < 2 * WINDOW:
                now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
                self.bench.unit.fault(FaultCode.ARC, Level.INFO, _TEXT, now_ns)
            self.bench.turn()
        return self._confirmed - before

    @property
    def _confirmed(self) -> int:
        return self.bench.unit.newest - self.bench.unit.unconfirmed


def load(folder: Path) -> Iterator[Figure]:
    """Events as fast as 115200 baud carry them, into a bridge of its own process that keeps them in memory."""
    unit = _Full(folder / "unit")
    bridge = subprocess.Popen([sys.executable, "-c", _BRIDGE, str(folder / "unit")])
    windows: list[tuple[float, float, float]] = []
    try:
        unit.turn_for(_WARM_UP_S)
        for _ in range(_WINDOWS):
            used_ns, began_s, carried = _cpu_ns(bridge.pid), time.monotonic(), unit.bench.carried_bytes
            confirmed = unit.turn_for(_WINDOW_S)
            used_ns, took_s = _cpu_ns(bridge.pid) - used_ns, time.monotonic() - began_s
            carried = unit.bench.carried_bytes - carried
            windows.append((used_ns / 1e7 / took_s, carried / took_s / _LINE_BYTES_PER_S * 100, confirmed / took_s))
    finally:
        bridge.kill()
        bridge.wait()
        unit.bench.close()
    percent, full, events = min(one for one in windows if one[1] > _FULL)
    how = (
        f"{events:.0f} events a second of an exposure's size, confirmed; least of {_WINDOWS} windows of {_WINDOW_S:g} s"
    )
    yield at_least("line in use, 115200 baud", full, "%", _FULL, how)
    yield at_most("bridge, 115200 baud, full load", percent, "% of one core", 5, how)
    middle = statistics.median(one[0] for one in windows)
    yield plain("bridge, 115200 baud, full load, median", middle, "% of one core", "the same windows")


def _cpu_ns(pid: int) -> int:
    """Time on a processor, of all threads; the kernel's own count, not its sampled one (proc(5), schedstat)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks)
