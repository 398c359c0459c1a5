"""What the simulated unit does: STANDBY, PREP, READY, EXPOSING, WAIT_RELEASE, and what it records of it.

Rules without I/O: the owner gives bytes and the time, and takes frames. `speed` shortens everything a person would
wait for; an exposure itself always lasts as long as its technique says, because its ticks must agree with its record.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from firmware_bridge.messages import (
    EndCode,
    Event,
    Exposure,
    ExposureSource,
    Fault,
    FaultCode,
    Level,
    ResetCause,
    StateChange,
    UnitState,
)
from firmware_bridge.simulator.endpoint import Endpoint, Identity
from firmware_bridge.simulator.ring import EventRing

_NS: Final = 1_000_000_000
_BOOT_S: Final = 0.5
_AFTER: Final[dict[UnitState, tuple[float, UnitState]]] = {
    UnitState.INITIALISING: (_BOOT_S, UnitState.STANDBY),
    UnitState.PREP: (1.2, UnitState.READY),
    UnitState.READY: (0.3, UnitState.EXPOSING),
    UnitState.WAIT_RELEASE: (0.4, UnitState.STANDBY),
}
"""How long each passing state lasts at speed 1 (seconds; typical of portables) and what follows."""


@dataclass(frozen=True, slots=True)
class Technique:
    """What the technician set."""

    kv: float
    ma: float
    ms: float

    @property
    def mas(self) -> float:
        """Tube charge in mAs."""
        return round(self.ma * self.ms / 1000, 3)


@dataclass(frozen=True, slots=True)
class Happened:
    """An event that the unit recorded."""

    seq: int
    boot_id: int
    event: Event


def new_boot_id() -> int:
    """Random from the operating system even in seeded runs: a boot id must never come twice from one unit."""
    while True:
        boot_id = 1 + secrets.randbelow(2**53 - 1)
        if boot_id & 0xFFFF:
            return boot_id


class Unit:
    """One simulated unit. `seen` is told everything that it records; `boot_ids` names its boots."""

    def __init__(
        self,
        now_ns: int,
        *,
        identity: Identity | None = None,
        speed: float = 1.0,
        ring: EventRing | None = None,
        seen: Callable[[Happened], None] = lambda _: None,
        boot_ids: Callable[[], int] = new_boot_id,
    ) -> None:
        self._identity = identity or Identity()
        self._speed = speed
        self._ring = EventRing() if ring is None else ring
        self._seen = seen
        self._boot_ids = boot_ids
        self._state = UnitState.INITIALISING
        self._technique: Technique | None = None
        self._on_ns = 0
        self._next_ns = 0
        self._answers: list[bytes] = []
        self._endpoint = self._boot(ResetCause.POWER_ON, now_ns)

    @property
    def state(self) -> UnitState:
        """What the unit is doing."""
        return self._state

    @property
    def boot_id(self) -> int:
        """The present boot."""
        return self._endpoint.boot_id

    @property
    def connected(self) -> bool:
        """Whether a host has acknowledged this boot."""
        return self._endpoint.connected

    @property
    def unconfirmed(self) -> int:
        """How many events the host has not confirmed."""
        return len(self._ring)

    @property
    def newest(self) -> int:
        """The number of the last event."""
        return self._ring.newest

    def press(self, technique: Technique, now_ns: int) -> bool:
        """The technician presses the hand switch and holds it; False when the unit is not in STANDBY."""
        if self._state is not UnitState.STANDBY:
            return False
        self._technique = technique
        self._enter(UnitState.PREP, now_ns)
        return True

    def fault(self, code: FaultCode, level: Level, text: str, now_ns: int, *, active: bool = True) -> None:
        """The unit notices a fault, or that it is gone."""
        self._record(Fault(self._endpoint.tick(now_ns), code, level, active=active, text=text))

    def reset(self, cause: ResetCause, now_ns: int) -> None:
        """The controller starts again. An exposure under way is cut short and recorded first."""
        if self._state is UnitState.EXPOSING:
            self._expose_end(now_ns, EndCode.POWER_LOST)
        self._technique = None
        self._answers.clear()
        self._state = UnitState.INITIALISING
        self._endpoint = self._boot(cause, now_ns)

    def receive(self, data: bytes, now_ns: int) -> None:
        """Bytes from the host."""
        self._answers += self._endpoint.receive(data, now_ns)

    def advance(self, now_ns: int) -> list[bytes]:
        """Lets time pass up to `now_ns`; the frames to send."""
        while self._next_ns and self._next_ns <= now_ns:
            at_ns = self._next_ns
            if self._state is UnitState.EXPOSING:
                self._expose_end(at_ns, EndCode.NORMAL)
                self._enter(UnitState.WAIT_RELEASE, at_ns)
            else:
                self._enter(_AFTER[self._state][1], at_ns)
        answers, self._answers = self._answers, []
        return answers + self._endpoint.advance(now_ns, self._state)

    def next_due_ns(self) -> int:
        """When `advance` has something to do next."""
        due_ns = self._endpoint.next_due_ns()
        return min(due_ns, self._next_ns) if self._next_ns else due_ns

    def _boot(self, cause: ResetCause, now_ns: int) -> Endpoint:
        self._next_ns = now_ns + round(_BOOT_S / self._speed * _NS)
        return Endpoint(self._identity, self._ring, self._boot_ids(), cause, now_ns)

    def _enter(self, state: UnitState, now_ns: int) -> None:
        old, self._state = self._state, state
        if state is UnitState.EXPOSING:
            assert self._technique is not None
            self._on_ns = now_ns
            self._next_ns = now_ns + round(self._technique.ms * 1e6)
        elif state in _AFTER:
            self._next_ns = now_ns + round(_AFTER[state][0] / self._speed * _NS)
        else:
            self._next_ns = 0
        self._record(StateChange(self._endpoint.tick(now_ns), old, state))

    def _expose_end(self, now_ns: int, end: EndCode) -> None:
        technique = self._technique
        assert technique is not None
        lasted_ms = min(technique.ms, (now_ns - self._on_ns) / 1e6)
        self._record(
            Exposure(
                tick_on=self._endpoint.tick(self._on_ns),
                tick_off=self._endpoint.tick(now_ns),
                kvp=technique.kv,
                tube_current_ma=technique.ma,
                exposure_time_ms=round(lasted_ms, 2),
                exposure_mas=round(technique.ma * lasted_ms / 1000, 3),
                end_code=end,
                source=ExposureSource.GENERATOR,
            )
        )

    def _record(self, event: Event) -> None:
        self._seen(Happened(self._endpoint.record(event), self.boot_id, event))
