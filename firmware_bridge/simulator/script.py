"""Goes through a scenario's steps, each when the one before is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from firmware_bridge.messages import UnitState
from firmware_bridge.simulator.scenario import Expose, Scenario, Settle, Step, Wait
from firmware_bridge.simulator.unit import Unit

_NS: Final = 1_000_000_000
_NEVER_NS: Final = 2**62
_ORDER: Final = (
    UnitState.PREP,
    UnitState.READY,
    UnitState.EXPOSING,
    UnitState.WAIT_RELEASE,
    UnitState.STANDBY,
)
"""What a pressed switch leads through."""


class Script:
    """The technician and the misfortunes of one scenario.

    `do` makes every step happen that is not a wait; `say` is told when a pressed switch does nothing. A technician
    waits for what passes by itself (a hot tube), and goes on with the next step otherwise (an open interlock).
    """

    def __init__(
        self, scenario: Scenario, unit: Unit, do: Callable[[Step, int], None], say: Callable[[str], None]
    ) -> None:
        self._steps = scenario.steps()
        self._speed = scenario.speed
        self._unit = unit
        self._do = do
        self._say = say
        self._step: Step | None = None
        self._pressed = False
        self._refused = False
        self._until_ns = _NEVER_NS
        self.finished = False

    def advance(self, now_ns: int) -> None:
        """Begins every step whose time has come."""
        while not self.finished:
            if self._step is not None and not self._over(self._step, now_ns):
                return
            self._step = next(self._steps, None)
            if self._step is None:
                self.finished = True
            else:
                self._begin(self._step, now_ns)

    def next_due_ns(self) -> int:
        """When a wait is over; steps that wait for the unit or the host are due with those."""
        return self._until_ns

    def _begin(self, step: Step, now_ns: int) -> None:
        self._until_ns = _NEVER_NS
        match step:
            case Expose():
                self._pressed = self._refused = False
                self._until_ns = self._unit.set_technique(step.technique, now_ns)
            case Wait(s=s):
                self._until_ns = now_ns + round(s / self._speed * _NS)
            case Settle():
                pass
            case _:
                self._do(step, now_ns)

    def _over(self, step: Step, now_ns: int) -> bool:
        match step:
            case Expose(until=until):
                if not self._pressed:
                    return self._press(step, now_ns)
                state = self._unit.state
                return state not in _ORDER or _ORDER.index(state) >= _ORDER.index(UnitState[until.upper()])
            case Wait():
                return now_ns >= self._until_ns
            case Settle():
                idle = self._unit.state is UnitState.STANDBY
                return idle and self._unit.connected and self._unit.unconfirmed == 0
        return True

    def _press(self, step: Expose, now_ns: int) -> bool:
        """Presses the switch; whether the step is over by that, because it will never do anything."""
        if now_ns < self._until_ns != _NEVER_NS:
            return False  # still setting the technique
        self._until_ns = _NEVER_NS
        why = self._unit.why_not(step.technique, now_ns)
        if why is None:
            self._pressed = self._unit.press(step.technique, now_ns, let_go=step.let_go, hold_s=step.hold_s)
            return False
        if why.passes and (self._refused or why.value == "busy"):
            return False
        self._refused = True
        self._say(f"refused why={why.value}")
        return not why.passes
