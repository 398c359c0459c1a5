"""What a unit is at one moment: all that its end of a link needs to know to speak for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from firmware_bridge.messages import Event, FaultCode, UnitState
from firmware_bridge.simulator.models import Technique

STANDARD: Final = Technique(kv=50.0, ma=100.0, ms=40.0)
"""What is set when nobody has set anything."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The unit now. `exposed_kv` and `exposed_ms` are of the last exposure, or of what the one under way has had."""

    state: UnitState
    interlock_closed: bool = True
    xray_on: bool = False
    able: bool = True
    """Nothing but a pressed switch is missing: not hot, rested, charged, interlock closed."""
    technique: Technique = STANDARD
    exposed_kv: float = 0.0
    exposed_ms: float = 0.0
    heat_percent: float = 0.0
    hot: bool = False
    battery_percent: float = 100.0
    charging: bool = True
    faults: frozenset[FaultCode] = frozenset()
    xray_hours: float = 0.0


class Speaker(Protocol):
    """One boot of the unit at its end of a link."""

    @property
    def connected(self) -> bool:
        """Whether a host is there."""
        ...

    @property
    def unconfirmed(self) -> int:
        """How many events a host still has to confirm."""
        ...

    @property
    def newest(self) -> int:
        """The number of the last event."""
        ...

    def tick(self, now_ns: int) -> int:
        """The unit's counter at a moment of the simulation's clock."""
        ...

    def record(self, event: Event) -> int:
        """Takes an event in; its number."""
        ...

    def receive(self, data: bytes, condition: Condition, now_ns: int) -> list[bytes]:
        """Bytes from the host; the frames that answer them."""
        ...

    def advance(self, condition: Condition, now_ns: int) -> list[bytes]:
        """The frames that are due."""
        ...

    def next_due_ns(self) -> int:
        """When `advance` has something to say next."""
        ...
