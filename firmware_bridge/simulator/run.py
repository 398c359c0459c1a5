"""Runs a simulated unit on a pseudo-terminal: the unit, its cable, its port, its images and its scenario.

One thread does everything but the sending of images. Each thing that happens is one line, `name key=value ...`.
"""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Final

from firmware_bridge.messages import Exposure, Fault, ResetCause, StateChange, UnitState
from firmware_bridge.simulator.endpoint import Identity
from firmware_bridge.simulator.faults import BrownOut, Corrupt, Drop, Garbage, Line, Silence, Unplug, split_frames
from firmware_bridge.simulator.images import Destination, ImageMaker, ImageSender
from firmware_bridge.simulator.scenario import Reset, Scenario, Step, UnitFault
from firmware_bridge.simulator.script import Script
from firmware_bridge.simulator.terminal import Terminal
from firmware_bridge.simulator.unit import Happened, Unit

_NS: Final = 1_000_000_000
_LONGEST_WAIT_S: Final = 0.05
_IMAGE_AFTER_S: Final = 1.5
"""From the end of an exposure to its image on the network, at speed 1."""


@dataclass(frozen=True, slots=True)
class UnitOptions:
    """What to simulate.

    `images`: example DICOM files; without it exposures have no image. `send_to` and `drop_into`: where images go.
    `patients`: how many invented persons take turns; 0 means another one for each exposure.
    """

    port_link: Path
    scenario: Scenario = field(default_factory=Scenario)
    images: Path | None = None
    send_to: Destination | None = None
    drop_into: Path | None = None
    patients: int = 0
    identity: Identity = field(default_factory=Identity)


def run_unit(
    options: UnitOptions, stop: threading.Event | None = None, say: Callable[[str], None] | None = None
) -> None:
    """Runs until `stop` is set; without one, until SIGTERM or SIGINT. The unit stays when its scenario is over.

    Raises:
        ValueError: if the folder of images holds none.
        OSError: if the port's link can't be made.
    """
    if stop is None:
        stop = threading.Event()
        _stop_on_signals(stop)
    bench = Bench(options, say or _print)
    try:
        while not stop.is_set():
            bench.turn()
    finally:
        bench.close()


class Bench:
    """A unit with everything around it. `do` makes something happen now; tests and scenarios use the same way."""

    def __init__(self, options: UnitOptions, say: Callable[[str], None]) -> None:
        self._say = say
        self._speed = options.scenario.speed
        rng = random.Random(options.scenario.seed)  # noqa: S311 - a scenario must be repeatable
        self._line = Line(rng)
        self._terminal = Terminal(options.port_link)
        self._maker = (
            ImageMaker(options.images, options.identity.device_id, options.patients) if options.images else None
        )
        self._sender: ImageSender | None = None
        if self._maker is not None and (options.send_to or options.drop_into):
            self._sender = ImageSender(options.send_to, options.drop_into, say)
        self.unit = Unit(_now_ns(), identity=options.identity, speed=self._speed, seen=self._seen)
        self._script = Script(options.scenario, self.unit, self.do)
        self._off_until_ns = 0
        self._replug_ns = 0
        self._finished = False
        self._terminal.plug()
        self._say(f"unit device={options.identity.device_id} boot={self.unit.boot_id} port={options.port_link.name}")

    def turn(self) -> None:
        """Lets time pass, once."""
        now_ns = _now_ns()
        if self._replug_ns and now_ns >= self._replug_ns:
            self._replug_ns = 0
            self._terminal.plug()
            self._say("plugged")
        if now_ns >= self._off_until_ns:
            self._script.advance(now_ns)
            self._terminal.write(self._line.carry(self.unit.advance(now_ns), "to-host", now_ns))
        if self._script.finished and not self._finished:
            self._finished = True
            self._say("scenario-finished")
        arrived = self._terminal.read(self._wait_s(now_ns))
        now_ns = _now_ns()
        if arrived and now_ns >= self._off_until_ns:
            self.unit.receive(self._line.carry(split_frames(arrived), "to-unit", now_ns), now_ns)

    def do(self, step: Step, now_ns: int) -> None:
        """Makes one step other than an exposure or a wait happen."""
        match step:
            case Garbage(size=size):
                self._terminal.write(self._line.garbage(size))
            case Unplug(s=s):
                self._terminal.unplug()
                self._replug_ns = now_ns + round(s * _NS)
            case BrownOut(s=s, garbage=garbage):
                self._terminal.write(self._line.garbage(garbage))
                self.unit.reset(ResetCause.BROWN_OUT, now_ns)
                self._off_until_ns = now_ns + round(s * _NS)
            case Reset():
                self.unit.reset(ResetCause.SOFTWARE, now_ns)
            case UnitFault():
                self.unit.fault(step.fault_code, step.fault_level, step.text, now_ns, active=step.active)
            case Drop() | Corrupt() | Silence():
                self._line.arm(step, now_ns)
        self._say(f"{step.do} boot={self.unit.boot_id}")

    def finish(self) -> None:
        """No further step of the scenario begins; the unit goes on."""
        self._script.finished = True

    @property
    def settled(self) -> bool:
        """Whether the unit is in STANDBY and the host has confirmed everything."""
        return self.unit.state is UnitState.STANDBY and self.unit.connected and self.unit.unconfirmed == 0

    def close(self) -> None:
        """Unplugs, and lets the image under way finish for a moment."""
        self._terminal.unplug()
        if self._sender is not None:
            self._sender.close()

    def _wait_s(self, now_ns: int) -> float:
        due_ns = min(self.unit.next_due_ns(), self._script.next_due_ns())
        if now_ns < self._off_until_ns:
            due_ns = self._off_until_ns
        if self._replug_ns:
            due_ns = min(due_ns, self._replug_ns)
        return min(max(0.0, (due_ns - now_ns) / _NS), _LONGEST_WAIT_S)

    def _seen(self, happened: Happened) -> None:
        match happened.event:
            case Exposure() as exposure:
                self._say(
                    f"exposure seq={happened.seq} kV={exposure.kvp:g} mA={exposure.tube_current_ma:g}"
                    f" ms={exposure.exposure_time_ms:g} mAs={exposure.exposure_mas:g} end={exposure.end_code.name}"
                )
                if self._sender is not None and self._maker is not None:
                    began = datetime.now(UTC).astimezone() - timedelta(milliseconds=exposure.exposure_time_ms)
                    image = self._maker.make(exposure, began)
                    self._sender.submit(image, _IMAGE_AFTER_S / self._speed)
            case StateChange(old=old, new=new):
                self._say(f"state seq={happened.seq} {old.name}->{new.name}")
            case Fault(code=code, active=active):
                self._say(f"unit-fault seq={happened.seq} code={code.name} active={active}")


def _stop_on_signals(stop: threading.Event) -> None:
    def on_signal(_: int, __: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
