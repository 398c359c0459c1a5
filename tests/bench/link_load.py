"""What the bridge costs while the line is full: 115200 baud of exposures, each confirmed.

Two processes are measured: the link alone, which keeps events in memory, and the appliance's own `calcedge-bridge`,
which commits them to the store and publishes its status.

Where the unit can't fill its line, since this machine has other things to do or its disk is slow, the share is scaled
up to a full line. That is never too good: what a bridge does beside the line is scaled with it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.messages import EndCode, Exposure, ExposureSource
from firmware_bridge.simulator import Bench, UnitOptions
from firmware_bridge.simulator.ring import WINDOW
from tests.bench.figure import Figure, at_most, plain

_WARM_UP_S, _WINDOWS, _WINDOW_S = 3.0, 8, 2.0
_HALF = 50
_BOUND = 5
_LINE_BYTES_PER_S = 11_520
_ALONE = """
import sys, threading
from firmware_bridge.bridge import Bridge

class Memory:
    def __init__(self): self.events = {}
    def persist(self, arrived): self.events.update({event.key: event for event in arrived})
    def status(self, status): pass

Bridge(sys.argv[1], Memory()).run(threading.Event())
"""


class _Full:
    """A unit that always has another exposure to tell, at the pace of its line."""

    def __init__(self, link: Path) -> None:
        self.bench = Bench(UnitOptions(link, paced=True, ring_capacity=100_000), lambda _: None)

    def turn_for(self, seconds: float) -> int:
        """Lets time pass; how many events were confirmed meanwhile."""
        end_s, before = time.monotonic() + seconds, self._confirmed
        while time.monotonic() < end_s:
            while self.bench.unit.unconfirmed < 2 * WINDOW:
                self.bench.unit._record(self._exposure())
            self.bench.turn()
        return self._confirmed - before

    def _exposure(self) -> Exposure:
        tick = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
        more = self.bench.unit.newest % 100  # no two alike in a row
        return Exposure(
            tick_on=tick,
            tick_off=tick + 40_000,
            kvp=50 + more / 10,
            tube_current_ma=100.0,
            exposure_time_ms=40.0,
            exposure_mas=4.0,
            end_code=EndCode.NORMAL,
            source=ExposureSource.GENERATOR,
        )

    @property
    def _confirmed(self) -> int:
        return self.bench.unit.newest - self.bench.unit.unconfirmed


@dataclass(frozen=True, slots=True)
class _Window:
    """Two seconds: the bridge's share of a core and the line's use, in percent, and events confirmed in a second."""

    percent: float
    full: float
    events: float

    @property
    def scaled(self) -> float:
        """The share of a core at a full line."""
        return self.percent * 100 / self.full


def load(folder: Path) -> Iterator[Figure]:
    """Exposures as fast as 115200 baud carry them."""
    windows = _measured(folder / "unit", [sys.executable, "-c", _ALONE, str(folder / "unit")])
    yield from _told("bridge, 115200 baud, full load", windows, "kept in memory")
    settings = folder / "calcedge.toml"
    settings.write_text(f'data = "{folder / "data"}"\n[serial]\nport = "{folder / "unit"}"\n', encoding="utf-8")
    command = [sys.executable, "-m", "edge", "service", "bridge", "--config", str(settings)]
    windows = _measured(folder / "unit", command)
    yield from _told("bridge with store and status, 115200 baud, full load", windows, "committed to SQLite")


def _told(name: str, windows: list[_Window], kept: str) -> Iterator[Figure]:
    least = min(windows, key=lambda one: one.scaled)
    how = (
        f"{least.events:.0f} exposures a second, {kept}, confirmed, line {least.full:.0f} % in use;"
        f" scaled to a full line; least of {_WINDOWS} windows of {_WINDOW_S:g} s"
    )
    yield at_most(name, least.scaled, "% of one core", _BOUND, how)
    yield plain(f"{name}, median", statistics.median(one.scaled for one in windows), "% of one core", how)


def _measured(link: Path, command: list[str]) -> list[_Window]:
    """All windows in which the line was more than half full; without one, there is no figure."""
    unit = _Full(link)
    bridge = subprocess.Popen(command)
    try:
        unit.turn_for(_WARM_UP_S)
        windows = [_window(unit, bridge.pid) for _ in range(_WINDOWS)]
    finally:
        bridge.kill()
        bridge.wait()
        unit.bench.close()
    busy = [one for one in windows if one.full > _HALF]
    assert busy, f"the line was never half full: {windows}"
    return busy


def _window(unit: _Full, pid: int) -> _Window:
    used_ns, began_s, carried = _cpu_ns(pid), time.monotonic(), unit.bench.carried_bytes
    confirmed = unit.turn_for(_WINDOW_S)
    used_ns, took_s = _cpu_ns(pid) - used_ns, time.monotonic() - began_s
    full = (unit.bench.carried_bytes - carried) / took_s / _LINE_BYTES_PER_S * 100
    return _Window(used_ns / 1e7 / took_s, full, confirmed / took_s)


def _cpu_ns(pid: int) -> int:
    """Time on a processor, of all threads; the kernel's own count, not its sampled one (proc(5), schedstat)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks)
