"""What one model of unit takes and gives: times, limits, and the techniques that suit its hand table.

Numbers and their sources: the portable's heat is that of a Siemens Mobilett Plus (service manual, page 51: ready goes
off at 80 % of what the anode can hold and comes back at 67 %; it cools by 13 J each quarter of a second); the PMX is
that of its manual 118165-001 (pages 34 and 70). The capacity, the XRV's heat and the times of a person's hand are
typical values, of no manual.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Technique:
    """What the technician set: the exposure, and before it, with automatic exposure control, a short pulse of `pre_ms`.

    The pre-pulse has the same voltage and current; `gap_ms` lies between its end and the exposure.
    """

    kv: float
    ma: float
    ms: float
    pre_ms: float = 0.0
    gap_ms: float = 20.0

    @property
    def mas(self) -> float:
        """Tube charge of the exposure in mAs, the pre-pulse aside."""
        return round(self.ma * self.ms / 1000, 3)

    @property
    def joules(self) -> float:
        """What both pulses leave in the anode: kV times mAs."""
        return self.kv * self.ma * (self.ms + self.pre_ms) / 1000


@dataclass(frozen=True, slots=True)
class Model:
    """One model. Seconds are at speed 1."""

    name: str
    setting_s: float = 0.0
    """From setting a technique to pressing the switch, at any speed: who polls has to read it twice in between."""
    prep_s: float = 1.2
    ready_s: float = 0.3
    release_s: float = 0.4
    longest_hold_s: float = 30.0
    """Prep and exposure together; then the unit gives up by itself."""
    heat_capacity_j: float = 80_000.0
    hot_at: float = 0.80
    cool_at: float = 0.67
    cooling_w: float = 52.0
    duty_xray_s: float = 5.0
    """X-ray time within `duty_window_s`."""
    duty_window_s: float = 120.0
    rest_s: float = 0.0
    """From the end of an exposure to the beginning of the next."""
    highest_kv: float = 150.0
    highest_ma: float = 1000.0
    longest_ms: float = 10_000.0
    hand_kv: tuple[int, int] = (450, 600)
    """In tenths of a kilovolt."""
    hand_ma: tuple[float, ...] = (50.0, 100.0, 160.0)
    hand_ms: tuple[float, ...] = (20.0, 32.0, 40.0, 63.0)

    def takes(self, technique: Technique) -> bool:
        """Whether this model can be set to that technique."""
        return technique.kv <= self.highest_kv and technique.ma <= self.highest_ma and technique.ms <= self.longest_ms

    def hand(self, rng: random.Random) -> Technique:
        """A technique usual for hands on this model."""
        return Technique(rng.randrange(*self.hand_kv, 5) / 10, rng.choice(self.hand_ma), rng.choice(self.hand_ms))


PORTABLE: Final = Model("own")
PMX: Final = Model(
    "spellman-pmx",
    setting_s=2.0,
    prep_s=2.0,
    rest_s=20.0,
    highest_kv=50.0,
    highest_ma=200.0,
    longest_ms=12_000.0,
    hand_kv=(300, 500),
)
XRV: Final = Model(
    "spellman-xrv",
    setting_s=2.0,
    duty_xray_s=120.0,  # made to stay on
    heat_capacity_j=1_000_000.0,
    cooling_w=4_000.0,
    highest_kv=160.0,
    highest_ma=30.0,
    longest_ms=60_000.0,
    hand_ma=(5.0, 10.0, 20.0),
    hand_ms=(500.0, 1000.0, 2000.0),
)
MODELS: Final = {model.name: model for model in (PORTABLE, PMX, XRV)}
