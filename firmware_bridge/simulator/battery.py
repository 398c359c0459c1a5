"""A portable's battery: drained by standing about and by exposures, unless the charger is plugged in.

What always holds: the charge stays between 0 and 100 %, and says *low* and *empty* with a gap between going and coming
back, so that a warning does not flicker.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

_NS: Final = 1_000_000_000
CAPACITY_J: Final = 720_000.0
"""200 Wh."""
_IDLE_W: Final = 40.0
_CHARGER_W: Final = 200.0
_EFFICIENCY: Final = 0.5
"""Of what the generator takes, so much becomes tube power."""
_LOW, _EMPTY, _BACK = 20.0, 5.0, 3.0
"""Percent: warned of, too little for an exposure, and so much more is needed to unsay it."""


class Charge(IntEnum):
    """What the unit makes of its charge."""

    OFF = 0
    """The unit has switched itself off."""
    EMPTY = 1
    """Too little for an exposure."""
    LOW = 2
    GOOD = 3


class Battery:
    """The battery of one unit; a unit begins full and plugged in."""

    def __init__(self, speed: float, now_ns: int) -> None:
        self._speed = speed
        self._charge_j = CAPACITY_J
        self._at_ns = now_ns
        self._said = Charge.GOOD
        self.charging = True

    def percent(self, now_ns: int) -> float:
        """The charge."""
        power_w = (_CHARGER_W if self.charging else 0.0) - _IDLE_W
        charge_j = self._charge_j + power_w * self._speed * (now_ns - self._at_ns) / _NS
        return min(max(charge_j, 0.0), CAPACITY_J) / CAPACITY_J * 100

    def set(self, percent: float, now_ns: int, *, charging: bool) -> None:
        """Another battery, or another moment of this one's life."""
        self._charge_j, self._at_ns, self.charging = percent / 100 * CAPACITY_J, now_ns, charging

    def spend(self, tube_joules: float, now_ns: int) -> None:
        """An exposure."""
        left_j = self.percent(now_ns) / 100 * CAPACITY_J - tube_joules / _EFFICIENCY
        self._charge_j, self._at_ns = max(left_j, 0.0), now_ns

    def charge(self, now_ns: int) -> Charge:
        """What the unit makes of it."""
        percent = self.percent(now_ns)
        for charge, limit in ((Charge.OFF, 0.0), (Charge.EMPTY, _EMPTY), (Charge.LOW, _LOW)):
            if percent <= limit + (_BACK if self._said <= charge else 0.0):
                self._said = charge
                return charge
        self._said = Charge.GOOD
        return Charge.GOOD
