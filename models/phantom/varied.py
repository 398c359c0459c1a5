"""What the ends of the digits look like in a varied hand: resorbed, tapered, bent, worn. No pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np


@dataclass(frozen=True, slots=True)
class Distal:
    """What one digit's end looks like in a varied hand. Angles against the film, degrees."""

    lost: float = 0.0
    taper: float = 0.65
    tuft: float = 1.0
    middle_deg: float = 0.0
    bend_deg: float = 0.0
    narrowing: float = 1.0

    @property
    def last_deg(self) -> float:
        """Of the distal phalanx against the film."""
        return min(75.0, self.middle_deg + self.bend_deg)

    def gap(self, joint: str, gap_mm: float) -> float:
        """The gap along the film: a bent joint's bones overlap."""
        if joint.startswith(("DIP", "IP")):
            return self.narrowing * gap_mm - 4.0 * math.sin(math.radians(self.bend_deg))
        if joint.startswith("PIP"):
            return gap_mm - 5.0 * math.sin(math.radians(self.middle_deg))
        return gap_mm


PLAIN: Final = Distal()


def sample_distal(rng: np.random.Generator) -> dict[int, Distal]:
    """The ends of five digits: every second hand has resorbed tufts, every fourth bent fingers."""
    resorbing, bending = rng.random() < 0.5, rng.random() < 0.25
    worn = rng.random() < 0.4
    tuft = float(np.clip(rng.normal(1.06, 0.12), 0.75, 1.35))
    out = {}
    for digit in range(1, 6):
        lost = float(rng.uniform(0.03, 1.0)) if resorbing and rng.random() < 0.75 else 0.0
        bent = bending and rng.random() < 0.5
        out[digit] = Distal(
            lost=min(lost, 0.95),
            taper=float(rng.uniform(0.15, 0.8)),
            tuft=float(np.clip(tuft * rng.normal(1.0, 0.06), 0.7, 1.35)),
            middle_deg=float(rng.uniform(10, 50)) if bent and digit > 1 and rng.random() < 0.5 else 0.0,
            bend_deg=float(rng.uniform(5, 60)) if bent else abs(float(rng.normal(0, 3))),
            narrowing=float(rng.uniform(0.0, 0.8)) if worn and rng.random() < 0.5 else 1.0,
        )
    return out
