"""The unit under test, simulated or real, and the host that talks with it: the product's own bridge, traced."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_bridge.bridge import Bridge
from firmware_bridge.link import LinkState, Mode
from firmware_bridge.messages import Exposure
from firmware_bridge.plan import Plan
from firmware_bridge.simulator.control import ask
from firmware_bridge.simulator.models import MODELS, Technique
from firmware_bridge.spellman.pmx import LAST_KV_PER_COUNT_BY_FULL_SCALE
from firmware_bridge.trace import Trace, traced
from tests.firmware_bridge.rig import Disk, Rig
from tests.peers.waiting import patient

OPERATOR_S = 120.0
"""How long a person may take to press the switch."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asked for. `port` None: the simulator."""

    port: str | None
    profile: str
    seed: int
    operator: bool
    last_kv_per_count: float | None
    evidence: Path


def plan_for(wanted: Wanted) -> Plan:
    """How the bridge takes part: a session with an own unit, polling with a foreign one."""
    if wanted.profile == "own":
        return Plan()
    scale = wanted.last_kv_per_count
    if wanted.profile == "spellman-pmx" and wanted.port is None:
        scale = LAST_KV_PER_COUNT_BY_FULL_SCALE
    return Plan(Mode.POLL, wanted.profile, last_kv_per_count=scale)


@dataclass(slots=True)
class Subject:
    """The unit. `rig` and `control` are there when it is simulated; `prompt` asks a person when it is not."""

    wanted: Wanted
    port: str
    trace: Trace
    trace_path: Path
    prompt: Callable[[str], None]
    rig: Rig | None = None
    control: Path | None = None
    rng: random.Random = field(default_factory=random.Random)
    disks: list[Disk] = field(default_factory=list)

    @property
    def plan(self) -> Plan:
        """How the bridge takes part."""
        return plan_for(self.wanted)

    @property
    def profile(self) -> str:
        """What kind of unit."""
        return self.wanted.profile

    def do(self, what: str, **how: object) -> dict[str, Any]:
        """Makes something happen to the simulated unit, over its control socket."""
        assert self.control is not None, "only a simulated unit can be made to do things"
        self.trace.note(f"{what} {how}")
        return ask(self.control, {"do": what, **how})

    def expose(self, **hand: object) -> Technique | None:
        """One exposure: the technique, or None where a person chooses it."""
        if self.control is None:
            self.prompt("PRESS THE SWITCH: one exposure, any technique")
            return None
        technique = MODELS[self.profile].hand(self.rng)
        deadline_s = time.monotonic() + OPERATOR_S
        while not (said := self.do("expose", kv=technique.kv, ma=technique.ma, ms=technique.ms, **hand))["ok"]:
            assert time.monotonic() < deadline_s, said  # a PMX rests for 20 s between exposures
            time.sleep(0.1)
        return technique

    @contextmanager
    def host(self, disk: Disk | None = None) -> Iterator[Disk]:
        """The bridge beside the unit, up, and its disk: empty of what the unit still had to tell of earlier times.

        With a `disk` of before, everything is kept.
        """
        fresh, disk = disk is None, disk or Disk()
        self.disks.append(disk)
        stop = threading.Event()
        bridge = Bridge(self.port, disk, traced(self.plan.open_port, self.trace), self.plan)
        thread = threading.Thread(target=bridge.run, args=(stop,), name="bridge under test")
        thread.start()
        try:
            until(disk, lambda: disk.now.link is LinkState.UP, 15.0)
            if fresh:
                _forget_backlog(disk)
            yield disk
        finally:
            stop.set()
            thread.join(15)

    @property
    def firmware(self) -> str | None:
        """What the unit said of its firmware on any link of this test."""
        return next((status.firmware for disk in self.disks for status in disk.statuses if status.firmware), None)

    @property
    def device_id(self) -> str | None:
        """Who the unit said that it is."""
        return next((status.device_id for disk in self.disks for status in disk.statuses if status.device_id), None)


def _forget_backlog(disk: Disk) -> None:
    """Waits until nothing comes any more, and forgets it."""
    told = -1
    while told != len(disk.calls):
        told = len(disk.calls)
        with disk.changed:
            disk.changed.wait_for(lambda told=told: len(disk.calls) > told, _QUIET_S)  # type: ignore[misc]
    with disk.changed:
        disk.events.clear()


_QUIET_S = 0.3


def until(disk: Disk, met: Callable[[], bool], seconds: float) -> None:
    """Waits for the bridge to bring `met` about."""
    seconds = patient(seconds)
    with disk.changed:
        assert disk.changed.wait_for(met, seconds), f"did not come about in {seconds} s; last: {disk.now}"


def exposures(disk: Disk, count: int, *, seconds: float = 30.0) -> list[Exposure]:
    """The first `count` exposures, as soon as they are kept."""
    until(disk, lambda: len(disk.techniques) >= count, seconds)
    return disk.techniques
