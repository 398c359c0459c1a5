"""How soon a link that drops is seen, and how soon a port that is back gives its first good frame.

A simulated unit on a pseudo-terminal and the product's own bridge, each in its thread. Moments are taken where things
happen: before the port is closed or goes silent, after the new port stands behind the link, when the sink is told, when
a decoder has a frame.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from firmware_bridge.bridge import Bridge
from firmware_bridge.frame import Decoder
from firmware_bridge.link import LinkState, LinkStatus, ReceivedEvent
from firmware_bridge.port import Port, SerialPort
from firmware_bridge.simulator import Bench, UnitOptions
from firmware_bridge.simulator.faults import Silence, Unplug
from tests.bench.figure import Figure, at_most, plain

_REPLUGS = 1000
_SILENCES_EACH, _UNITS = 10, 20
_PATIENCE_S = 20.0


class Watched:
    """A port that notes when its first good frame is whole."""

    def __init__(self, port: Port, moments: Moments) -> None:
        self._port = port
        self._moments = moments
        self._decoder = Decoder()

    def collect(self, seconds: float) -> None:
        self._port.collect(seconds)

    def read(self) -> bytes:
        data = self._port.read()
        if not self._moments.framed_s and self._decoder.feed(data):
            self._moments.framed_s = time.monotonic()
        return data

    def write(self, data: bytes) -> None:
        self._port.write(data)

    def close(self) -> None:
        self._port.close()


class Moments:
    """A sink that notes when it was told; keeps no events."""

    def __init__(self) -> None:
        self.up = False
        self.down_s = self.framed_s = 0.0

    def persist(self, arrived: Sequence[ReceivedEvent]) -> None:
        assert all(event.key.seq > 0 for event in arrived)

    def status(self, status: LinkStatus) -> None:
        up = status.link is LinkState.UP
        if self.up and not up:
            self.down_s = time.monotonic()
        self.up = up

    def open_port(self, path: str) -> Port:
        port = SerialPort(path)
        self.framed_s = 0.0
        return Watched(port, self)


class Pair:
    """One unit and its bridge. The caller's thread is the unit's."""

    def __init__(self, link: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.moments = Moments()
        self.plugged_s = 0.0
        self.bench = Bench(UnitOptions(link), self._said)
        self._stop = threading.Event()
        bridge = Bridge(str(link), self.moments, self.moments.open_port)
        self._thread = threading.Thread(target=bridge.run, args=(self._stop,))
        self._thread.start()

    def turn_until(self, met: str) -> None:
        """Lets the unit's time pass until a moment is there."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while not getattr(self.moments, met):
            self.bench.turn()
            assert time.monotonic() < deadline_s, met

    def turn_for(self, seconds: float) -> None:
        """Lets the unit's time pass."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.bench.turn()

    def forget(self) -> None:
        """Another round: what was noted is of the one before."""
        self.moments.down_s = self.plugged_s = 0.0

    def close(self) -> None:
        """Ends both."""
        self._stop.set()
        self._thread.join()
        self.bench.close()

    def _said(self, line: str) -> None:
        if line == "plugged":
            self.plugged_s = time.monotonic()


def replugs(folder: Path) -> Iterator[Figure]:
    """Pulls the plug 1,000 times at random moments and puts it back after 20 to 150 ms."""
    pair = Pair(folder / "unit", seed=1)
    seen, framed = [], []
    try:
        for _ in range(_REPLUGS):
            pair.turn_until("up")
            pair.turn_for(pair.rng.uniform(0, 0.03))
            pair.forget()
            pulled_s = time.monotonic()
            pair.bench.do(Unplug(s=pair.rng.uniform(0.02, 0.15)), _boottime_ns())
            pair.turn_until("down_s")
            while not pair.plugged_s:
                pair.bench.turn()
            pair.turn_until("framed_s")
            seen.append((pair.moments.down_s - pulled_s) * 1000)
            framed.append((pair.moments.framed_s - pair.plugged_s) * 1000)
    finally:
        pair.close()
    how = f"{_REPLUGS} replugs of a pseudo-terminal at random moments, gone for 20 to 150 ms"
    yield at_most("unplug seen, p99", _p99(seen), "ms", 50, how)
    yield plain("unplug seen, median", statistics.median(seen), "ms", how)
    yield at_most("first good frame after the port is back, p99", _p99(framed), "ms", 250, how)
    yield plain("first good frame after the port is back, median", statistics.median(framed), "ms", how)


def silences(folder: Path) -> Iterator[Figure]:
    """Units that fall silent at random moments, several at a time."""
    took: list[float] = []
    threads = [
        threading.Thread(target=_fall_silent, args=(folder / f"unit{number}", number, took)) for number in range(_UNITS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(took) == _UNITS * _SILENCES_EACH
    how = f"{len(took)} silences at random moments, {_UNITS} units and bridges at once, from the last byte that passed"
    yield at_most("silent device seen, p99", _p99(took), "s", 2.5, how)
    yield plain("silent device seen, median", statistics.median(took), "s", how)


def _fall_silent(link: Path, seed: int, took: list[float]) -> None:
    pair = Pair(link, seed)
    try:
        for _ in range(_SILENCES_EACH):
            pair.turn_until("up")
            pair.turn_for(pair.rng.uniform(0.5, 1.5))
            pair.forget()
            began_s = time.monotonic()
            pair.bench.do(Silence(s=_PATIENCE_S), _boottime_ns())
            pair.turn_until("down_s")
            took.append(pair.moments.down_s - began_s)
            pair.bench.do(Silence(s=0), _boottime_ns())
    finally:
        pair.close()


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def _boottime_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
