"""The generator's side, for the tests: frames that the product only reads, and two units on a line in virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import strategies as st

from firmware_bridge.driver import Action, ClosePort, Persist, Send
from firmware_bridge.link import LinkReason, ReceivedEvent
from firmware_bridge.messages import Exposure, Fault, StateChange, UnitState
from firmware_bridge.spellman.driver import Poller
from firmware_bridge.spellman.frame import Decoder, Packet
from firmware_bridge.spellman.profile import Argument, Command, Decimal, Number, Profile


def framed(body: str) -> bytes:
    """`body`, which ends with a comma, with a checksum that is computed as the manual says it, step by step."""
    total = sum(body.encode("latin-1"))
    twos_complement = (0x10000 - total) & 0xFF
    return b"\x02" + body.encode("latin-1") + bytes([twos_complement & 0x7F | 0x40]) + b"\x03"


def packet(body: str) -> Packet:
    """What the decoder makes of `body`."""
    (found,) = Decoder().feed(framed(body))
    return found


def reply(command: Command, *arguments: object) -> str:
    """The body that answers `command` with `arguments`."""
    return ",".join([f"{command.opcode:02}", *(str(argument) for argument in arguments), ""])


def replies(profile: Profile) -> st.SearchStrategy[str]:
    """Good answers to the reads of `profile`."""
    return st.sampled_from([command for command in profile.commands if command.is_read]).flatmap(
        lambda command: st.tuples(*map(_written, command.arguments)).map(lambda values: reply(command, *values))
    )


def fits(argument: Argument, value: object) -> bool:
    """Whether `value` is what the table says, told without the code that reads it."""
    match argument:
        case Number():
            return type(value) is int and argument.low <= value <= argument.high
        case Decimal():
            return type(value) is float and 0 <= value <= argument.high
        case _:
            return type(value) is str and 0 < len(value) <= 32 and value == value.upper() and "," not in value


def about(value: float, within: float | None = None) -> Any:
    """`value`, give or take rounding, where a type wants a plain number."""
    return pytest.approx(value, abs=within)


def _written(argument: Argument) -> st.SearchStrategy[str]:
    match argument:
        case Number():
            return st.tuples(st.integers(argument.low, argument.high), st.integers(1, 5)).map(
                lambda n: f"{n[0]:0{n[1]}}"
            )
        case Decimal():
            return st.floats(0, argument.high).map(lambda value: f"{value:f}")
        case _:
            return st.just("SWM00199-001")


MS = 1_000_000


@dataclass(frozen=True)
class Shot:
    """One pulse of radiation: from when, for how long, and the mean voltage in counts."""

    on_ms: int
    lasts_ms: int
    counts: int


@dataclass(frozen=True)
class Cycle:
    """Prep from one moment to another, ready in between, and the pulses in it. Without pulses: given up."""

    prep_ms: int
    end_ms: int
    shots: tuple[Shot, ...] = ()


class PmxUnit:
    """A PMX as the manual tells it, at any moment of its day. Milliseconds since the day began; never polled twice."""

    def __init__(self, cycles: Sequence[Cycle], settings: tuple[int, int, int, int] = (40, 4095, 2048, 1)) -> None:
        self.cycles = cycles
        self.settings = settings
        self.fault = False
        self.heat_ok = True
        self.seen: list[bytes] = []

    def shots(self) -> list[Shot]:
        return [shot for cycle in self.cycles for shot in cycle.shots]

    def answer(self, request: bytes, at_ms: float) -> str | None:  # noqa: PLR0911 - one for each command
        self.seen.append(request)
        packets = Decoder().feed(request)
        if not packets:
            return "22,1,"  # a wrong checksum
        (opcode, arguments), now = packets[0], at_ms
        assert arguments == ()
        match opcode:
            case 22:
                on = any(shot.on_ms <= now < shot.on_ms + shot.lasts_ms for shot in self.shots())
                cycle = next((c for c in self.cycles if c.prep_ms <= now < c.end_ms), None)
                ready = cycle is not None and now >= cycle.prep_ms + 0.6 * (cycle.end_ms - cycle.prep_ms) / 2
                flags = [0] * 26
                flags[0], flags[1], flags[2], flags[3], flags[12] = on, 1, self.fault, cycle is not None, ready
                return "22," + "".join(f"{int(flag)}," for flag in flags)
            case 51:
                return "51," + "".join(f"{value}," for value in self.settings)
            case 60:
                return f"60,{self._held(now)[0]},"
            case 65:
                return f"65,{self._held(now)[1]},"
            case 78:
                return f"78,1,{int(self.heat_ok)},"
            case 84:
                return "84," + "0," * 13
        return None

    def _held(self, now: float) -> tuple[int, int]:
        """60 and 65: held from the end of a pulse until the next prep or pulse."""
        held = (0, 0)
        for cycle in self.cycles:
            if cycle.prep_ms <= now:
                held = (0, held[1])
            for shot in cycle.shots:
                if shot.on_ms <= now < shot.on_ms + shot.lasts_ms:
                    return (shot.counts, held[1])
                if shot.on_ms + shot.lasts_ms <= now:
                    held = (shot.counts, shot.lasts_ms)
        return held


class XrvUnit:
    """An XRV of 160 kV and 30 mA whose high voltage is on now and then, with a rise of 40 ms."""

    def __init__(self, shots: Sequence[Shot], ma_counts: int = 1365) -> None:
        self.on = shots
        self.ma_counts = ma_counts
        self.faults: set[int] = set()
        self.seen: list[bytes] = []

    def shots(self) -> list[Shot]:
        return list(self.on)

    def answer(self, request: bytes, at_ms: float) -> str | None:  # noqa: PLR0911 - one for each command
        self.seen.append(request)
        packets = Decoder().feed(request)
        if not packets:
            return None  # silence is this model's refusal
        shot = next((s for s in self.on if s.on_ms <= at_ms < s.on_ms + s.lasts_ms), None)
        rise = min(1.0, (at_ms - shot.on_ms) / 40) if shot else 0.0
        kv = round(shot.counts * rise) if shot else 0
        match packets[0].opcode:
            case 14:
                return "14,2048,"
            case 15:
                return "15,1638,"
            case 19:
                return f"19,{kv},{round(self.ma_counts * rise)},0,0,0,0,0,0,"
            case 22:
                flags = [0] * 17
                flags[0], flags[1], flags[2], flags[15], flags[16] = shot is not None, 1, 1, 1, 1
                flags[4] = bool(self.faults)
                return "22," + "".join(f"{int(flag)}," for flag in flags)
            case 23:
                return "23,SWM00199-001,7,"
            case 28:
                return "28,160,30,0,"
            case 60:
                return f"60,{kv},"
            case 68:
                return "68," + "".join(f"{int(at in self.faults)}," for at in range(27))
        return None


class Wire:
    """A poller and a generator on one line in virtual time: 8N1 at the profile's speed, answers after 1 to 5 ms.

    `damage` may change or swallow bytes on the way to either side.
    """

    def __init__(
        self,
        poller: Poller,
        unit: PmxUnit | XrvUnit,
        baud: int,
        *,
        rng: random.Random | None = None,
        damage: Callable[[bytes], bytes] = lambda data: data,
    ) -> None:
        self.poller, self.unit, self.baud, self.damage = poller, unit, baud, damage
        self.rng = rng or random.Random(7)
        self.start_ns = 1_000_000 * MS
        self.now_ns = self.start_ns
        self.events: list[ReceivedEvent] = []
        self.refuse = False
        self.closed: list[LinkReason] = []
        self.away = False
        self._arriving: list[tuple[int, bytes]] = []
        self._do(poller.port_opened(self.now_ns))

    def run(self, until_ms: int) -> None:
        while self.now_ns < self.start_ns + until_ms * MS:
            step_ns = self.now_ns + 20 * MS  # the bridge looks at least so often
            if self._arriving:
                step_ns = min(step_ns, self._arriving[0][0])
            self.now_ns = max(step_ns, self.now_ns)
            while self._arriving and self._arriving[0][0] <= self.now_ns:
                self._do(self.poller.feed(self._arriving.pop(0)[1], self.now_ns))
            self._do(self.poller.tick(self.now_ns))

    def unplug(self) -> None:
        self.away = True
        self._arriving.clear()
        self._do(self.poller.port_lost(LinkReason.PORT_LOST, self.now_ns))

    def plug(self) -> None:
        self.away = False
        self._do(self.poller.port_opened(self.now_ns))

    @property
    def exposures(self) -> list[ReceivedEvent]:
        return [event for event in self.events if isinstance(event.message, Exposure)]

    @property
    def states(self) -> list[UnitState]:
        return [event.message.new for event in self.events if isinstance(event.message, StateChange)]

    @property
    def faults(self) -> list[tuple[str, bool]]:
        return [(e.message.text, e.message.active) for e in self.events if isinstance(e.message, Fault)]

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(data) if not self.away:
                    self._send(data)
                case Persist(event):
                    if self.refuse:
                        self.poller.events_refused([event.key])
                    else:
                        self.events.append(event)
                        assert self.poller.events_persisted([event.key]) == []
                case ClosePort(reason):
                    self.closed.append(reason)
                    self._arriving.clear()
                    self._do(self.poller.port_lost(reason, self.now_ns))
                    self._do(self.poller.port_opened(self.now_ns))

    def _send(self, data: bytes) -> None:
        byte_ns = 10 * 1_000_000_000 // self.baud
        sampled_ns = self.now_ns + len(data) * byte_ns + round(self.rng.uniform(1, 5) * MS)
        body = self.unit.answer(self.damage(data), (sampled_ns - self.start_ns) / MS)
        if body is not None:
            reply = self.damage(framed(body))
            self._arriving.append((sampled_ns + len(reply) * byte_ns, reply))
