"""The technician's hand on the switch: what it does, and why the unit may not follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from firmware_bridge.messages import EndCode
from firmware_bridge.simulator.models import Technique

LetGo = Literal["after", "prep", "ready", "exposing"]
"""When the technician lets go of the switch: after the exposure, or in one of the states before it is over."""


class Refusal(Enum):
    """Why a pressed switch does nothing."""

    BUSY = "busy"
    HOT = "hot"
    RESTING = "resting"
    BATTERY = "battery"
    INTERLOCK = "interlock"
    TECHNIQUE = "technique"

    @property
    def passes(self) -> bool:
        """Whether waiting helps."""
        return self in (Refusal.BUSY, Refusal.HOT, Refusal.RESTING)


@dataclass(slots=True)
class Press:
    """A pressed switch, what is left of its pulses, and what was emitted by it: milliseconds, and when it began."""

    technique: Technique
    let_go: LetGo
    hold_s: float
    to_come_ms: list[float]
    emitted_ms: list[float] = field(default_factory=list)
    began_ns: int = 0

    @property
    def end(self) -> EndCode:
        """How it ends when nothing comes between."""
        if self.let_go == "exposing":
            return EndCode.RELEASED_EARLY
        return EndCode.AEC if self.technique.pre_ms else EndCode.NORMAL
