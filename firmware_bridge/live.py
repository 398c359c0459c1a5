"""What the unit shows now, gathered from its heartbeats and events: for people to look at, never to decide by.

What always holds: a replayed event moves neither the state nor the faults; the unit's past is not its present.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from firmware_bridge.link import ActiveFault, LastExposure, Programmed, ReceivedEvent
from firmware_bridge.messages import Exposure, Fault, FaultCode, Heartbeat, StateChange, UnitState

HEAT_LIMIT_PERCENT: Final = 90
"""From here on the anode counts as hot, as Spellman's PMX has it (manual 118165-001, page 105)."""
_MADE_BY_THE_HOST: Final = (FaultCode.IMPLAUSIBLE_EVENT, FaultCode.UNREADABLE_EVENT)
_FAULTS_SHOWN: Final = 16


@dataclass(slots=True)
class Live:
    """One unit in its present boot; `last_exposure` may be of an earlier one."""

    state: UnitState | None = None
    interlock_closed: bool | None = None
    heartbeat_ns: int | None = None
    heat_percent: int | None = None
    heat_ok: bool | None = None
    battery_percent: int | None = None
    battery_charging: bool | None = None
    last_exposure: LastExposure | None = None
    programmed: Programmed | None = None
    _faults: dict[tuple[FaultCode, str], ActiveFault] = field(default_factory=dict)

    def heard(self, beat: Heartbeat, now_ns: int) -> None:
        """Takes a heartbeat in."""
        self.state, self.interlock_closed, self.heartbeat_ns = beat.state, beat.interlock_closed, now_ns
        self.heat_percent = beat.anode_heat_percent
        self.heat_ok = None if beat.anode_heat_percent is None else beat.anode_heat_percent < HEAT_LIMIT_PERCENT
        self.battery_percent, self.battery_charging = beat.battery_percent, beat.battery_charging

    def happened(self, event: ReceivedEvent) -> None:
        """Takes an event in."""
        match event.message:
            case Exposure() as exposure:
                if self.last_exposure is None or event.host_monotonic_ns >= self.last_exposure.host_monotonic_ns:
                    self.last_exposure = LastExposure(exposure, event.host_monotonic_ns)
            case StateChange(new=new) if not event.replayed:
                self.state = new
            case Fault() as fault if not event.replayed and fault.code not in _MADE_BY_THE_HOST:
                self._fault(fault)

    def _fault(self, fault: Fault) -> None:
        """A fault is over by its code and text, or by its code alone when the text is another one."""
        key = (fault.code, fault.text)
        if fault.active:
            self._faults[key] = ActiveFault(fault.code, fault.level, fault.text)
            while len(self._faults) > _FAULTS_SHOWN:
                del self._faults[next(iter(self._faults))]
        elif self._faults.pop(key, None) is None:
            self._faults = {known: one for known, one in self._faults.items() if known[0] is not fault.code}

    def facts(self) -> dict[str, Any]:
        """The fields of a `LinkStatus` that tell of the unit."""
        return {
            "unit_state": self.state,
            "interlock_closed": self.interlock_closed,
            "last_heartbeat_ns": self.heartbeat_ns,
            "anode_heat_percent": self.heat_percent,
            "anode_heat_ok": self.heat_ok,
            "battery_percent": self.battery_percent,
            "battery_charging": self.battery_charging,
            "active_faults": tuple(self._faults.values()),
            "last_exposure": self.last_exposure,
            "programmed": self.programmed,
        }
