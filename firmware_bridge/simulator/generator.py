"""Simulated Spellman generators, PMX and XRV, at their end of the line: they answer, and say nothing unasked.

Each model is one table: the command, and what it answers in a given condition. The frames are those of
`firmware_bridge.spellman.frame`; the tables are written from the same manuals as `spellman.pmx` and `spellman.xrv` but
apart from them, and the tests compare the two and the published vectors.

What always holds: a read is answered as the model's table there says; a set is answered with `$`, told to `commanded`,
and changes nothing - a watcher never sends one, so that one that arrives is a finding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntFlag
from typing import Any, Final

from firmware_bridge.messages import Event, FaultCode, UnitState
from firmware_bridge.simulator.condition import Condition
from firmware_bridge.simulator.models import PMX, XRV, Model
from firmware_bridge.spellman import pmx, xrv
from firmware_bridge.spellman.frame import ETX, STX, Decoder, Packet, checksum
from firmware_bridge.spellman.profile import MAX_COUNT, Profile, RefusalForm

_ANSWERS_AFTER_NS: Final = 2_000_000
"""One to two milliseconds, five at worst (PMX manual, section 4)."""
_ASKED_LATELY_NS: Final = 2_000_000_000
_TICK_HZ: Final = 1_000_000
_BAD_CHECKSUM, _OUT_OF_BOUNDS = 1, 3
_PREPARED: Final = (UnitState.PREP, UnitState.READY, UnitState.EXPOSING)

Values = tuple[object, ...]
Table = Mapping[int, Callable[[Condition], Values]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """What sets one model apart: its profile, its answers, and whether it says that a checksum was wrong."""

    model: Model
    profile: Profile
    answers: Table
    says_bad_checksum: bool


def framed(body: str) -> bytes:
    """A frame around `body`, which ends with a comma."""
    return bytes([STX, *body.encode("ascii"), checksum(body.encode("ascii")), ETX])


class Generator:
    """One boot of a simulated generator. `commanded` is told of every set that arrives."""

    def __init__(self, dialect: Dialect, boot_ns: int, commanded: Callable[[Packet], None]) -> None:
        self._dialect = dialect
        self._booted_ns = boot_ns
        self._commanded = commanded
        self._decoder = Decoder()
        self._begun = bytearray()
        self._ready: deque[tuple[int, bytes]] = deque()
        self._asked_ns: int | None = None
        self._now_ns = boot_ns
        self._events = 0

    @property
    def connected(self) -> bool:
        """Whether a host asked something lately."""
        return self._asked_ns is not None and self._now_ns - self._asked_ns < _ASKED_LATELY_NS

    @property
    def unconfirmed(self) -> int:
        """Nothing is ever confirmed on this line."""
        return 0

    @property
    def newest(self) -> int:
        """How many events this boot had; nobody is told."""
        return self._events

    def tick(self, now_ns: int) -> int:
        """Microseconds since boot; nobody is told."""
        return (now_ns - self._booted_ns) * _TICK_HZ // 1_000_000_000

    def record(self, event: Event) -> int:
        """Counts an event."""
        del event
        self._events += 1
        return self._events

    def receive(self, data: bytes, condition: Condition, now_ns: int) -> list[bytes]:
        """Requests; their answers come with `advance`, a little later. Deaf while it starts."""
        if condition.state is UnitState.INITIALISING:
            return []
        for byte in data:
            self._begun = bytearray() if byte == STX else self._begun
            self._begun.append(byte)
            if byte == ETX:
                answer = self._answer(bytes(self._begun), condition, now_ns)
                self._begun = bytearray()
                if answer is not None:
                    self._ready.append((now_ns + _ANSWERS_AFTER_NS, framed(answer)))
        del self._begun[: max(0, len(self._begun) - 1024)]
        return []

    def advance(self, condition: Condition, now_ns: int) -> list[bytes]:
        """The answers that are due."""
        del condition
        self._now_ns = now_ns
        due = []
        while self._ready and self._ready[0][0] <= now_ns:
            due.append(self._ready.popleft()[1])
        return due

    def next_due_ns(self) -> int:
        """When the next answer leaves."""
        return self._ready[0][0] if self._ready else 2**62

    def _answer(self, frame: bytes, condition: Condition, now_ns: int) -> str | None:
        bad = self._decoder.counters.bad_checksum
        packets = self._decoder.feed(frame)
        if not packets:
            named = frame[1:3].decode("latin-1")
            told = self._dialect.says_bad_checksum and self._decoder.counters.bad_checksum > bad
            return self._refusal(named, _BAD_CHECKSUM) if told and named.isdigit() and named.isascii() else None
        (packet,) = packets
        self._asked_ns = now_ns
        name = f"{packet.opcode:02}"
        command = self._dialect.profile.by_opcode.get(packet.opcode)
        if command is None:
            return None
        if not command.is_read:
            self._commanded(packet)
            return f"{name},$,"
        if packet.arguments:
            return self._refusal(name, _OUT_OF_BOUNDS)
        return ",".join([name, *map(str, self._dialect.answers[packet.opcode](condition)), ""])

    def _refusal(self, name: str, code: int) -> str:
        marked = self._dialect.profile.refusal_form is RefusalForm.MARKED
        return f"{name},!,{code}," if marked else f"{name},{code},"


def _counts(value: float, full_scale: float) -> int:
    return min(max(round(value / full_scale * MAX_COUNT), 0), MAX_COUNT)


def _bits(flags: type[IntFlag], told: Mapping[Any, bool]) -> Values:
    """One 0 or 1 for each flag in order; what `told` leaves out is 0."""
    return tuple(int(told.get(flag, False)) for flag in flags)


def pmx_dialect(last_kv_per_count: float = pmx.LAST_KV_PER_COUNT_BY_FULL_SCALE) -> Dialect:
    """The PMX. The manual leaves open what one count of command 60 is; a site's unit is one of them."""
    status = pmx.Status

    def flags(now: Condition) -> Values:
        told = {
            status.XRAY_ON: now.xray_on,
            status.INTERLOCK_CLOSED: now.interlock_closed,
            status.FAULT: bool(now.faults - {FaultCode.BATTERY_LOW}),
            status.PREP_ACTIVE: now.state in _PREPARED,
            status.TUBE_SELECT_1: True,
            status.READY: now.state in (UnitState.READY, UnitState.EXPOSING),
        }
        return _bits(status, told)

    return Dialect(
        PMX,
        pmx.PMX,
        {
            15: lambda now: (_counts(now.technique.ma, 200),),
            22: flags,
            51: lambda now: (
                round(now.technique.ms),
                _counts(now.technique.kv, 50),
                _counts(now.technique.ma, 200),
                1,
            ),
            53: lambda _: (1,),
            60: lambda now: (_counts(now.exposed_kv, last_kv_per_count * MAX_COUNT),),
            65: lambda now: (0 if now.xray_on else round(now.exposed_ms),),
            78: lambda now: (1, int(now.heat_percent < 90)),
            84: lambda _: (0,) * 13,
        },
        says_bad_checksum=True,
    )


def xrv_dialect(full_kv: int = 160, full_ma: int = 30) -> Dialect:
    """The XRV. Its exposures are high voltage that was on for a while: one cannot tell by asking that it was."""
    status, fault = xrv.Status, xrv.Faults

    def flags(now: Condition) -> Values:
        told = {
            status.HV_ON: now.xray_on,
            status.INTERLOCK_1_CLOSED: now.interlock_closed,
            status.INTERLOCK_2_CLOSED: now.interlock_closed,
            status.EMISSION_REGULATED: now.xray_on,
            status.FAULT: bool(now.faults),
            status.FILAMENT_ON: now.state in _PREPARED,
            status.LARGE_FILAMENT: True,
            status.XRAYS_IMMINENT: now.state in (UnitState.PREP, UnitState.READY),
            status.LARGE_FILAMENT_CONFIRMED: True,
            status.READY: now.able,
            status.INTERNAL_INTERLOCK_CLOSED: True,
        }
        return _bits(status, told)

    def faults(now: Condition) -> Values:
        told = {
            fault.ARC_ANODE: FaultCode.ARC in now.faults,
            fault.OVER_TEMPERATURE_ANODE: FaultCode.OVERTEMPERATURE in now.faults,
            fault.OVER_POWER: FaultCode.TUBE_OVERLOAD in now.faults,
            fault.WATCHDOG: FaultCode.TIMER in now.faults,
        }
        return _bits(fault, told)

    def monitor_kv(now: Condition) -> int:
        return _counts(now.exposed_kv if now.xray_on else 0, full_kv * xrv.MONITOR_OVER_RANGE)

    def monitor_ma(now: Condition) -> int:
        return _counts(now.technique.ma if now.xray_on else 0, full_ma * xrv.MONITOR_OVER_RANGE)

    return Dialect(
        XRV,
        xrv.XRV,
        {
            14: lambda now: (_counts(now.technique.kv, full_kv),),
            15: lambda now: (_counts(now.technique.ma, full_ma),),
            19: lambda now: (monitor_kv(now), monitor_ma(now), 2000, 0, 0, 0, 0, monitor_ma(now)),
            21: lambda now: (f"{now.xray_hours:.6f}",),
            22: flags,
            23: lambda _: ("SWM9999-999", 56234),
            27: lambda _: (0, 110, 1000, 1000, 0, 4, 0, 200, 0, full_kv, full_ma, 0),
            28: lambda _: (full_kv, full_ma, 0),
            43: lambda _: ("SWM00199-001", 3261),
            60: lambda now: (monitor_kv(now),),
            68: faults,
            69: lambda now: (
                round(25 / xrv.CELSIUS_PER_COUNT),
                0,
                monitor_kv(now),
                0,
                2600,
                2800,
                2600,
                2800,
                3510,
                2601,
            ),
        },
        says_bad_checksum=False,
    )


DIALECTS: Final[dict[str, Callable[[], Dialect]]] = {PMX.name: pmx_dialect, XRV.name: xrv_dialect}
