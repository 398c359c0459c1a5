"""What the simulated unit does: STANDBY, PREP, READY, EXPOSING, WAIT_RELEASE, and what it records of it.

Rules without I/O: the owner gives bytes and the time, and takes frames. `speed` shortens everything a person would
wait for; an exposure itself always lasts as long as its technique says, because its ticks must agree with its record.

With automatic exposure control an exposure is two pulses in one EXPOSING, a short one and the main one, and one record:
its ticks span both, its time and charge are their sums.

What always holds: an exposure that emitted is recorded once, however it ended; the tube never emits while the unit is
hot, out of duty, out of charge, or its interlock is open.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
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
from firmware_bridge.simulator.battery import Battery, Charge
from firmware_bridge.simulator.condition import STANDARD, Condition, Speaker
from firmware_bridge.simulator.endpoint import Endpoint, Identity
from firmware_bridge.simulator.hand import LetGo, Press, Refusal
from firmware_bridge.simulator.models import PORTABLE, Model, Technique
from firmware_bridge.simulator.ring import EventRing
from firmware_bridge.simulator.tube import Tube

__all__ = ["Happened", "LetGo", "Refusal", "Technique", "Unit", "new_boot_id"]

_NS: Final = 1_000_000_000
_BOOT_S: Final = 0.5
_NEVER_NS: Final = 2**62

Speaks = Callable[[int, ResetCause, int], Speaker]
"""Makes the end of the link for one boot: its id, its cause, now."""


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
    """One simulated unit. `seen` is told everything that it records; `boot_ids` names its boots; `speaks` its link."""

    def __init__(
        self,
        now_ns: int,
        *,
        model: Model = PORTABLE,
        identity: Identity | None = None,
        speed: float = 1.0,
        ring: EventRing | None = None,
        seen: Callable[[Happened], None] = lambda _: None,
        boot_ids: Callable[[], int] = new_boot_id,
        speaks: Speaks | None = None,
    ) -> None:
        own_ring, own_identity = EventRing() if ring is None else ring, identity or Identity()
        self._speaks: Speaks = speaks or (
            lambda boot_id, cause, now: Endpoint(own_identity, own_ring, boot_id, cause, now)
        )
        self._model = model
        self._speed = speed
        self._seen = seen
        self._boot_ids = boot_ids
        self._state = UnitState.INITIALISING
        self._press: Press | None = None
        self._technique = STANDARD
        self._xray_on_ns: int | None = None
        self._exposed_ms = self._exposed_kv = self._xray_s = 0.0
        self._next_ns = self._stuck_until_ns = 0
        self._faults: set[FaultCode] = set()
        self._charge_said, self._hot_said = Charge.GOOD, False
        self._tube = Tube(model, speed, now_ns)
        self._battery = Battery(speed, now_ns)
        self._answers: list[bytes] = []
        self.lie: dict[str, object] = {}
        """Fields of `Condition` that the unit tells untruly."""
        self._speaker = self._boot(ResetCause.POWER_ON, now_ns)

    # -- what it is --------------------------------------------------------------------------------------------

    @property
    def state(self) -> UnitState:
        """What the unit is doing."""
        return self._state

    @property
    def boot_id(self) -> int:
        """The present boot."""
        return self._boot_id

    @property
    def connected(self) -> bool:
        """Whether a host has acknowledged this boot."""
        return self._speaker.connected

    @property
    def unconfirmed(self) -> int:
        """How many events the host has not confirmed."""
        return self._speaker.unconfirmed

    @property
    def newest(self) -> int:
        """The number of the last event."""
        return self._speaker.newest

    def condition(self, now_ns: int) -> Condition:
        """The unit now, as it is; what it says may differ by `lie`."""
        emitting = self._xray_on_ns is not None
        return Condition(
            state=self._state,
            interlock_closed=FaultCode.INTERLOCK not in self._faults,
            xray_on=emitting,
            able=self.why_not(self._technique, now_ns) in (None, Refusal.BUSY),
            technique=self._technique,
            exposed_kv=self._technique.kv if emitting else self._exposed_kv,
            exposed_ms=self._exposed_ms,
            heat_percent=self._tube.heat(now_ns) * 100,
            hot=self._tube.hot,
            battery_percent=self._battery.percent(now_ns),
            charging=self._battery.charging,
            faults=frozenset(self._faults),
            xray_hours=self._xray_s / 3600,
        )

    def why_not(self, technique: Technique, now_ns: int) -> Refusal | None:
        """Why a switch pressed now would do nothing; None when it would expose."""
        self._tube.advance(now_ns)
        reasons = {
            Refusal.TECHNIQUE: not (self._model.takes(technique) and self._tube.takes(technique)),
            Refusal.INTERLOCK: FaultCode.INTERLOCK in self._faults,
            Refusal.BATTERY: self._battery.charge(now_ns) <= Charge.EMPTY,
            Refusal.BUSY: self._state is not UnitState.STANDBY or now_ns < self._stuck_until_ns,
            Refusal.HOT: self._tube.hot,
            Refusal.RESTING: self._tube.rested_ns(now_ns) > now_ns,
        }
        return next((reason for reason, holds in reasons.items() if holds), None)

    # -- what happens to it ------------------------------------------------------------------------------------

    def set_technique(self, technique: Technique, now_ns: int) -> int:
        """The technician sets a technique; when he is ready to press the switch. Speed doesn't hurry those who poll."""
        if self._state is UnitState.STANDBY:
            self._technique = technique
        return now_ns + round(self._model.setting_s * _NS)

    def press(self, technique: Technique, now_ns: int, *, let_go: LetGo = "after", hold_s: float = 0.0) -> bool:
        """The technician presses the hand switch and holds it; False when that does nothing (see `why_not`).

        `hold_s`: how much longer than needed he stays in READY before he presses it through.
        """
        if self.why_not(technique, now_ns) is not None:
            return False
        pre = [technique.pre_ms] if technique.pre_ms else []
        self._technique = technique
        self._press = Press(technique, let_go, hold_s, [*pre, technique.ms])
        self._exposed_kv = self._exposed_ms = 0.0
        self._enter(UnitState.PREP, now_ns)
        return True

    def fault(self, code: FaultCode, level: Level, text: str, now_ns: int, *, active: bool = True) -> None:
        """The unit notices a fault, or that it is gone."""
        (self._faults.add if active else self._faults.discard)(code)
        self._record(Fault(self._speaker.tick(now_ns), code, level, active=active, text=text))

    def reset(self, cause: ResetCause, now_ns: int) -> None:
        """The controller starts again. An exposure under way is cut short and recorded first."""
        if self._xray_on_ns is not None:
            self._pulse_end(now_ns)
        if self._state is UnitState.EXPOSING:
            self._exposed(now_ns, EndCode.POWER_LOST)
        self._press = None
        self._answers.clear()
        self._stuck_until_ns = 0
        self._state = UnitState.INITIALISING
        self._speaker = self._boot(cause, now_ns)

    def stick(self, seconds: float, now_ns: int) -> None:
        """The unit stays in the state it is in; radiation ends all the same, by the generator's own timer."""
        self._stuck_until_ns = now_ns + round(seconds * _NS)
        if self._next_ns and self._xray_on_ns is None:
            self._next_ns = max(self._next_ns, self._stuck_until_ns)

    def warm_to(self, heat: float, now_ns: int) -> None:
        """The anode is that full of heat, 0 to 1."""
        self._tube.warm_to(heat, now_ns)
        self._look_after(now_ns)

    def set_battery(self, percent: float, now_ns: int, *, charging: bool) -> None:
        """The battery is that full; the charger is plugged in or not."""
        self._battery.set(percent, now_ns, charging=charging)
        self._look_after(now_ns)

    def receive(self, data: bytes, now_ns: int) -> None:
        """Bytes from the host."""
        if self._state is not UnitState.SHUTDOWN:
            self._answers += self._speaker.receive(data, self._told(now_ns), now_ns)

    def advance(self, now_ns: int) -> list[bytes]:
        """Lets time pass up to `now_ns`; the frames to send."""
        while self._next_ns and self._next_ns <= now_ns:
            self._go_on(self._next_ns)
        self._look_after(now_ns)
        if self._state is UnitState.SHUTDOWN:
            return []
        answers, self._answers = self._answers, []
        return answers + self._speaker.advance(self._told(now_ns), now_ns)

    def next_due_ns(self) -> int:
        """When `advance` has something to do next."""
        if self._state is UnitState.SHUTDOWN:
            return _NEVER_NS
        if self._answers:
            return 0
        cool_ns = self._tube.cool_ns() if self._hot_said else _NEVER_NS
        return min(self._speaker.next_due_ns(), self._next_ns or _NEVER_NS, cool_ns)

    # -- inside ------------------------------------------------------------------------------------------------

    def _told(self, now_ns: int) -> Condition:
        truth = self.condition(now_ns)
        return replace(truth, **self.lie) if self.lie else truth  # type: ignore[arg-type]

    def _boot(self, cause: ResetCause, now_ns: int) -> Speaker:
        self._next_ns = now_ns + round(_BOOT_S / self._speed * _NS)
        self._boot_id = self._boot_ids()
        return self._speaks(self._boot_id, cause, now_ns)

    def _go_on(self, at_ns: int) -> None:
        """What was due at `at_ns` happens."""
        press = self._press
        match self._state:
            case UnitState.EXPOSING if self._xray_on_ns is None:
                self._pulse_begin(at_ns)
            case UnitState.EXPOSING:
                assert press is not None
                self._pulse_end(at_ns)
                if press.to_come_ms and press.let_go != "exposing":
                    self._next_ns = at_ns + round(press.technique.gap_ms * 1e6)
                else:
                    self._exposed(at_ns, press.end)
                    self._enter(UnitState.WAIT_RELEASE, at_ns)
            case UnitState.PREP if press is not None and press.let_go == "prep":
                self._enter(UnitState.STANDBY, at_ns)
            case UnitState.READY if press is not None and self._gives_up(press):
                self._enter(UnitState.STANDBY, at_ns)
            case state:
                self._enter(_AFTER[state], at_ns)

    def _gives_up(self, press: Press) -> bool:
        return press.let_go == "ready" or press.hold_s > self._model.longest_hold_s - self._model.prep_s

    def _lasts_s(self, state: UnitState) -> float:
        """How long a passing state lasts at speed 1."""
        model, press = self._model, self._press
        if state is UnitState.READY and press is not None:
            return min(model.ready_s + press.hold_s, model.longest_hold_s - model.prep_s)
        return {UnitState.PREP: model.prep_s, UnitState.WAIT_RELEASE: model.release_s}[state]

    def _enter(self, state: UnitState, now_ns: int) -> None:
        old, self._state = self._state, state
        self._record(StateChange(self._speaker.tick(now_ns), old, state))
        if state is UnitState.EXPOSING:
            self._pulse_begin(now_ns)
        elif state in _AFTER:
            self._next_ns = max(now_ns + round(self._lasts_s(state) / self._speed * _NS), self._stuck_until_ns)
        else:
            self._press, self._next_ns = None, 0

    def _pulse_begin(self, now_ns: int) -> None:
        press = self._press
        assert press is not None
        self._xray_on_ns = now_ns
        press.began_ns = press.began_ns or now_ns
        whole_ms = press.to_come_ms.pop(0)
        self._next_ns = now_ns + round((whole_ms / 2 if press.let_go == "exposing" else whole_ms) * 1e6)

    def _pulse_end(self, now_ns: int) -> None:
        began_ns, press, technique = self._xray_on_ns, self._press, self._technique
        assert began_ns is not None
        assert press is not None
        self._xray_on_ns = None
        lasted_ms = (now_ns - began_ns) / 1e6
        joules = technique.kv * technique.ma * lasted_ms / 1000
        press.emitted_ms.append(lasted_ms)
        self._exposed_kv, self._exposed_ms = technique.kv, sum(press.emitted_ms)
        self._xray_s += lasted_ms / 1000
        self._tube.emitted(joules, lasted_ms / 1000, now_ns)
        self._battery.spend(joules, now_ns)

    def _exposed(self, now_ns: int, end: EndCode) -> None:
        """Records an exposure whose last pulse is over."""
        press = self._press
        assert press is not None
        ms, pulses = sum(press.emitted_ms), len(press.emitted_ms)
        self._record(
            Exposure(
                tick_on=self._speaker.tick(press.began_ns),
                tick_off=self._speaker.tick(now_ns),
                kvp=press.technique.kv,
                tube_current_ma=press.technique.ma,
                exposure_time_ms=round(ms, 2),
                exposure_mas=round(press.technique.ma * ms / 1000, 3),
                end_code=end,
                source=ExposureSource.GENERATOR,
                pulses=pulses if pulses > 1 else None,
            )
        )

    def _look_after(self, now_ns: int) -> None:
        """Notices heat and charge; neither interrupts an exposure under way."""
        self._tube.advance(now_ns)
        hot = self._tube.hot
        if hot != self._hot_said:
            self._hot_said = hot
            text = "anode hot" if hot else "anode cool enough"
            self.fault(FaultCode.OVERTEMPERATURE, Level.WARNING, text, now_ns, active=hot)
        charge = self._battery.charge(now_ns)
        if charge is not self._charge_said and self._xray_on_ns is None:
            back_on = self._charge_said is Charge.OFF
            self._charge_said = charge
            self._charge_changed(charge, now_ns)
            if back_on:
                self.reset(ResetCause.POWER_ON, now_ns)

    def _charge_changed(self, charge: Charge, now_ns: int) -> None:
        level, text = _CHARGES[charge]
        self.fault(FaultCode.BATTERY_LOW, level, text, now_ns, active=charge is not Charge.GOOD)
        if charge is Charge.OFF:
            self._enter(UnitState.SHUTDOWN, now_ns)

    def _record(self, event: Event) -> None:
        self._seen(Happened(self._speaker.record(event), self._boot_id, event))


_AFTER: Final[dict[UnitState, UnitState]] = {
    UnitState.INITIALISING: UnitState.STANDBY,
    UnitState.PREP: UnitState.READY,
    UnitState.READY: UnitState.EXPOSING,
    UnitState.WAIT_RELEASE: UnitState.STANDBY,
}
_CHARGES: Final = {
    Charge.GOOD: (Level.INFO, "battery charged"),
    Charge.LOW: (Level.WARNING, "battery low"),
    Charge.EMPTY: (Level.ERROR, "battery too low for an exposure"),
    Charge.OFF: (Level.ERROR, "battery empty: switching off"),
}
