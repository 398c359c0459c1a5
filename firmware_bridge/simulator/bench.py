"""A simulated unit with everything around it: its cable, its port, its images, its scenario, its control socket.

One thread does everything but the sending of images: the owner calls `turn` again and again. Each thing that happens is
one line, `name key=value ...`.
"""

from __future__ import annotations

import random
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from firmware_bridge.messages import Exposure, Fault, ResetCause, StateChange, UnitState
from firmware_bridge.simulator.chaos import Storm
from firmware_bridge.simulator.control import Control
from firmware_bridge.simulator.detector import Detector
from firmware_bridge.simulator.endpoint import Identity
from firmware_bridge.simulator.faults import (
    BrownOut,
    Corrupt,
    Drop,
    Duplicate,
    Garbage,
    Lie,
    Partial,
    Reenumerate,
    Reset,
    Seize,
    Silence,
    Slow,
    Stuck,
    Unplug,
    WrongBaud,
)
from firmware_bridge.simulator.generator import DIALECTS, Generator
from firmware_bridge.simulator.images import Destination
from firmware_bridge.simulator.line import Line, split_frames
from firmware_bridge.simulator.models import MODELS, PORTABLE
from firmware_bridge.simulator.ring import CAPACITY, EventRing
from firmware_bridge.simulator.scenario import (
    Expose,
    Scenario,
    SetBattery,
    Settle,
    Step,
    UnitFault,
    Wait,
    Warm,
    read_step,
)
from firmware_bridge.simulator.script import Script
from firmware_bridge.simulator.terminal import Terminal
from firmware_bridge.simulator.unit import Happened, Speaks, Unit
from firmware_bridge.spellman.frame import Packet
from firmware_bridge.trace import Trace

_NS: Final = 1_000_000_000
_LONGEST_WAIT_S: Final = 0.05
_IMAGE_AFTER_S: Final = 1.5
"""From the end of an exposure to its image on the network, at speed 1."""
_OWN_BAUD: Final = 115_200
_OWN_END: Final = b"\0"
_SPELLMAN_END: Final = b"\x03"


@dataclass(frozen=True, slots=True)
class UnitOptions:
    """What to simulate.

    `profile`: own, spellman-pmx or spellman-xrv. `images`: example DICOM files; without it exposures have no image.
    `send_to` and `drop_into`: where images go. `patients`: how many invented persons take turns; 0 means another one
    for each exposure. `control`: where the control socket shall be. `record`: the file that gets a trace of the line.
    `paced`: bytes to the host take the time of a real line at the unit's speed. `ring_capacity`: how many events an
    own unit remembers until they are confirmed.
    """

    port_link: Path
    scenario: Scenario = field(default_factory=Scenario)
    images: Path | None = None
    send_to: Destination | None = None
    drop_into: Path | None = None
    patients: int = 0
    identity: Identity = field(default_factory=Identity)
    profile: str = PORTABLE.name
    control: Path | None = None
    record: Path | None = None
    paced: bool = False
    ring_capacity: int = CAPACITY


class Bench:
    """A unit with everything around it. `do` makes something happen now; tests and scenarios use the same way."""

    def __init__(self, options: UnitOptions, say: Callable[[str], None]) -> None:
        self._tell = say
        self._control: Control | None = None
        scenario, now_ns = options.scenario, _now_ns()
        self._speed = scenario.speed
        self._dialect = DIALECTS[options.profile]() if options.profile != PORTABLE.name else None
        self._baud = self._dialect.profile.baud if self._dialect else _OWN_BAUD
        self._end = _SPELLMAN_END if self._dialect else _OWN_END
        self._line = Line(_source(scenario.seed, "line"), self._baud, paced=options.paced)
        self._terminal = Terminal(options.port_link, self._baud)
        self._detector = Detector(
            options.images,
            device_id=options.identity.device_id,
            patients=options.patients,
            send_to=options.send_to,
            drop_into=options.drop_into,
            after_s=_IMAGE_AFTER_S / self._speed,
            say=self._say,
        )
        self.unit = Unit(
            now_ns,
            model=MODELS[options.profile],
            identity=options.identity,
            speed=self._speed,
            ring=EventRing(options.ring_capacity),
            seen=self._seen,
            speaks=self._speaks(),
        )
        self._script = Script(scenario, self.unit, self.do, self._say)
        self._storm = Storm(scenario.chaos, _source(scenario.seed, "storm"), now_ns) if scenario.chaos else None
        self._off_until_ns = self._gone_until_ns = 0
        self._later: list[tuple[int, Callable[[], None]]] = []
        self._finished = False
        self.commanded: list[Packet] = []
        """Every set that a host sent to a Spellman unit: a watcher must leave this empty."""
        self.carried_bytes = 0
        """How much was put on the line for the host."""
        self._trace: Trace | None = None
        self._open(options)
        self._say(
            f"unit device={options.identity.device_id} boot={self.unit.boot_id} port={options.port_link.name}"
            f" profile={options.profile} seed={scenario.seed}"
        )

    def turn(self) -> None:
        """Lets time pass, once."""
        now_ns = _now_ns()
        for _, happen in self._take_due(now_ns):
            happen()
        if self._storm is not None and not self._script.finished:
            for fault in self._storm.due(now_ns):
                self.do(fault, now_ns)
        frames: list[bytes] = []
        if now_ns >= self._off_until_ns:
            self._script.advance(now_ns)
            frames = self.unit.advance(now_ns)
        self._put(self._line.carry(frames, "to-host", now_ns, host_baud=self._terminal.host_baud))
        if self._script.finished and not self._finished:
            self._finished = True
            self._say("scenario-finished")
        self._take(self._wait_s(now_ns))

    def do(self, step: Step, now_ns: int) -> None:
        """Makes one step happen that needs no waiting. An `expose` that is refused is said to be so."""
        match step:
            case Garbage(size=size):
                self._put(self._line.garbage(size))
            case Unplug() | Reenumerate() | Seize():
                self._disturb_port(step, now_ns)
            case BrownOut() | Reset() | Stuck() | Lie():
                self._disturb_unit(step, now_ns)
            case UnitFault():
                self.unit.fault(step.fault_code, step.fault_level, step.text, now_ns, active=step.active)
            case SetBattery(percent=percent, charging=charging):
                self.unit.set_battery(percent, now_ns, charging=charging)
            case Warm(percent=percent):
                self.unit.warm_to(percent / 100, now_ns)
            case Drop() | Corrupt() | Duplicate() | Partial() | Silence() | Slow() | WrongBaud():
                self._line.arm(step, now_ns)
            case Expose():
                self._press(step, now_ns)
                return
            case Wait() | Settle():
                raise ValueError(f"{step.do} is for scenario files")
        self._say(f"{step.do} boot={self.unit.boot_id}")

    def finish(self) -> None:
        """No further step of the scenario begins, no further fault of its chaos; the unit goes on."""
        self._script.finished = True

    @property
    def settled(self) -> bool:
        """Whether the unit is in STANDBY and the host has confirmed everything."""
        return self.unit.state is UnitState.STANDBY and self.unit.connected and self.unit.unconfirmed == 0

    def close(self) -> None:
        """Unplugs, and lets the image under way finish for a moment."""
        self._terminal.unplug()
        self._detector.close()
        if self._control is not None:
            self._control.close()
        if self._trace is not None:
            self._trace.close()

    # -- inside ------------------------------------------------------------------------------------------------

    def _open(self, options: UnitOptions) -> None:
        """Makes what others can see; leaves nothing behind if it can't."""
        try:
            if options.record is not None:
                self._trace = Trace.open(options.record, unit=options.profile, baud=self._baud)
            self._terminal.plug()
            if options.control is not None:
                self._control = Control(options.control, self._asked)
        except OSError:
            self.close()
            raise

    def _speaks(self) -> Speaks | None:
        dialect = self._dialect
        if dialect is None:
            return None
        return lambda _boot, _cause, now_ns: Generator(dialect, now_ns, self._commanded)

    def _commanded(self, packet: Packet) -> None:
        self.commanded.append(packet)
        self._say(f"SET-RECEIVED command={packet.opcode:02} arguments={','.join(packet.arguments)}")

    def _disturb_port(self, step: Unplug | Reenumerate | Seize, now_ns: int) -> None:
        self._line.cut()
        match step:
            case Unplug(s=s):
                self._terminal.unplug()
                self._gone_until_ns = max(self._gone_until_ns, now_ns + round(s * _NS))
                self._at(self._gone_until_ns, self._plug)
            case Reenumerate():
                self._terminal.reenumerate()
            case Seize(s=s):
                self._terminal.reenumerate()
                self._terminal.seize(held=True)
                self._at(now_ns + round(s * _NS), lambda: self._terminal.seize(held=False))

    def _disturb_unit(self, step: BrownOut | Reset | Stuck | Lie, now_ns: int) -> None:
        match step:
            case BrownOut(s=s, garbage=garbage):
                self._put(self._line.garbage(garbage))
                self.unit.reset(ResetCause.BROWN_OUT, now_ns)
                self._off_until_ns = now_ns + round(s * _NS)
            case Reset(garbage=garbage):
                self._put(self._line.garbage(garbage))
                self.unit.reset(ResetCause.SOFTWARE, now_ns)
            case Stuck(s=s):
                self.unit.stick(s, now_ns)
            case Lie(s=s):
                self.unit.lie = step.told()
                self._at(now_ns + round(s * _NS), self.unit.lie.clear)

    def _press(self, step: Expose, now_ns: int) -> None:
        why = self.unit.why_not(step.technique, now_ns)
        if why is not None:
            raise ValueError(f"the unit does not expose: {why.value}")
        ready_ns = self.unit.set_technique(step.technique, now_ns)
        if ready_ns <= now_ns:
            self.unit.press(step.technique, now_ns, let_go=step.let_go, hold_s=step.hold_s)
        else:
            self._at(ready_ns, lambda: self._press_later(step))

    def _press_later(self, step: Expose) -> None:
        if not self.unit.press(step.technique, _now_ns(), let_go=step.let_go, hold_s=step.hold_s):
            self._say("refused")

    def _asked(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What the control socket asks."""
        if asked == {"do": "status"}:
            return self._status()
        step = read_step(asked)
        self.do(step, _now_ns())
        return {"did": step.do}

    def _status(self) -> dict[str, Any]:
        now = self.unit.condition(_now_ns())
        return {
            "state": now.state.name,
            "boot_id": self.unit.boot_id,
            "connected": self.unit.connected,
            "events": self.unit.newest,
            "unconfirmed": self.unit.unconfirmed,
            "interlock_closed": now.interlock_closed,
            "heat_percent": round(now.heat_percent, 1),
            "battery_percent": round(now.battery_percent, 1),
            "charging": now.charging,
            "plugged": self._terminal.plugged,
            "host_baud": self._terminal.host_baud,
            "faults": sorted(fault.name for fault in now.faults),
            "sets_received": len(self.commanded),
        }

    def _plug(self) -> None:
        if not self._terminal.plugged and _now_ns() >= self._gone_until_ns:
            self._terminal.plug()
            self._say("plugged")

    def _at(self, due_ns: int, happen: Callable[[], None]) -> None:
        self._later.append((due_ns, happen))

    def _take_due(self, now_ns: int) -> list[tuple[int, Callable[[], None]]]:
        due = [one for one in self._later if one[0] <= now_ns]
        self._later = [one for one in self._later if one[0] > now_ns]
        return due

    def _put(self, data: bytes) -> None:
        self._terminal.write(data)
        self.carried_bytes += len(data)
        if self._trace is not None and self._terminal.plugged:
            self._trace.to_host(data)

    def _take(self, wait_s: float) -> None:
        also = self._control.readable if self._control else ()
        select.select([*self._terminal.readable, *also], [], [], wait_s)
        if self._control is not None:
            self._control.serve()
        arrived = self._terminal.read(0.0) if self._terminal.plugged else b""
        if arrived and self._trace is not None:
            self._trace.to_unit(arrived)
        now_ns = _now_ns()
        heard = self._line.carry(
            split_frames(arrived, self._end), "to-unit", now_ns, host_baud=self._terminal.host_baud
        )
        if heard and now_ns >= self._off_until_ns:
            self.unit.receive(heard, now_ns)

    def _wait_s(self, now_ns: int) -> float:
        dues = [due_ns for due_ns, _ in self._later]
        if now_ns < self._off_until_ns:
            dues.append(self._off_until_ns)
        else:
            dues += [self.unit.next_due_ns(), self._script.next_due_ns()]
        if self._storm is not None:
            dues.append(self._storm.next_due_ns())
        if (under_way_ns := self._line.next_due_ns()) is not None:
            dues.append(under_way_ns)
        return min(max(0.0, (min(dues) - now_ns) / _NS), _LONGEST_WAIT_S)

    def _seen(self, happened: Happened) -> None:
        match happened.event:
            case Exposure() as exposure:
                self._say(
                    f"exposure seq={happened.seq} kV={exposure.kvp:g} mA={exposure.tube_current_ma:g}"
                    f" ms={exposure.exposure_time_ms:g} mAs={exposure.exposure_mas:g} end={exposure.end_code.name}"
                )
                self._detector.exposed(exposure)
            case StateChange(old=old, new=new):
                self._say(f"state seq={happened.seq} {old.name}->{new.name}")
            case Fault(code=code, active=active):
                self._say(f"unit-fault seq={happened.seq} code={code.name} active={active}")

    def _say(self, line: str) -> None:
        self._tell(line)
        if self._control is not None:
            self._control.tell(line)


def _source(seed: int, of: str) -> random.Random:
    """Randomness of its own for each part, so that how much one part needs does not change the others."""
    return random.Random(f"{seed} {of}")  # noqa: S311 - a scenario must be repeatable


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
