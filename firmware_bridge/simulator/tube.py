"""What the tube has taken: heat of the anode, and how long it emitted lately.

Rules without I/O; all times are the simulation's nanoseconds. What always holds: heat only falls between exposures, and
never below nothing; `ready` comes back by itself.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from firmware_bridge.simulator.models import Model, Technique

_NS: Final = 1_000_000_000
_ROUNDING_NS: Final = 1_000


class Tube:
    """The anode and the duty limits of one unit; `speed` makes it cool and rest faster."""

    def __init__(self, model: Model, speed: float, now_ns: int) -> None:
        self._model = model
        self._speed = speed
        self._heat_j = 0.0
        self._at_ns = now_ns
        self._exposures: deque[tuple[int, float]] = deque()
        self.hot = False

    def heat(self, now_ns: int) -> float:
        """How full of heat the anode is, 0 to 1 and above."""
        cooled_j = self._model.cooling_w * self._speed * (now_ns - self._at_ns) / _NS
        return max(0.0, self._heat_j - cooled_j) / self._model.heat_capacity_j

    def warm_to(self, heat: float, now_ns: int) -> None:
        """As if it had been used before."""
        self._heat_j, self._at_ns = heat * self._model.heat_capacity_j, now_ns
        self.hot = heat >= self._model.hot_at

    def emitted(self, joules: float, lasted_s: float, now_ns: int) -> None:
        """One pulse ended now."""
        self.warm_to(self.heat(now_ns) + joules / self._model.heat_capacity_j, now_ns)
        self._exposures.append((now_ns, lasted_s))

    def takes(self, technique: Technique) -> bool:
        """Whether a cold anode could hold the heat of that exposure."""
        return technique.joules <= self._model.heat_capacity_j

    def advance(self, now_ns: int) -> None:
        """Lets it cool."""
        if self.hot and self.heat(now_ns) <= self._model.cool_at:
            self.hot = False

    def cool_ns(self) -> int:
        """When it is no longer hot, if it is."""
        surplus_j = self._heat_j - self._model.cool_at * self._model.heat_capacity_j
        return self._at_ns + round(surplus_j / (self._model.cooling_w * self._speed) * _NS) + _ROUNDING_NS

    def rested_ns(self, now_ns: int) -> int:
        """When the duty limits allow the next exposure; in the past when they do now."""
        window_ns = round(self._model.duty_window_s / self._speed * _NS)
        while self._exposures and self._exposures[0][0] + window_ns <= now_ns:
            self._exposures.popleft()
        if not self._exposures:
            return 0
        rested_ns = self._exposures[-1][0] + round(self._model.rest_s / self._speed * _NS)
        xray_s = sum(lasted_s for _, lasted_s in self._exposures)
        for ended_ns, lasted_s in self._exposures:
            if xray_s <= self._model.duty_xray_s:
                break
            xray_s -= lasted_s
            rested_ns = max(rested_ns, ended_ns + window_ns)
        return rested_ns
