"""Whether a program shows that it lives. Rules only: the keeper looks, this module judges. Standard library only.

A *pulse* is something that changes while a process makes progress. Changes are timed on the watcher's own monotonic
clock: no clock of the watched is believed. A gap in the watching itself (a suspended machine) is nobody's fault.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_OWN_GAP_S: Final = 5.0
_FRESH_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long is too long, in seconds."""

    start_s: float = 90.0
    """Until every pulse was felt once: models are proven against their golden images meanwhile."""
    pulse_s: float = 30.0
    """Between two changes of one pulse."""
    probation_s: float = 600.0
    """Of unbroken life until a trial has proven itself: a process that was replaced begins it anew."""
    stop_s: float = 60.0
    """From being told to stop until it must have."""
    command_s: float = 300.0
    """For one test program of a release."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What was seen of one process: its number, and something that changes."""

    pid: int
    mark: object


class Verdict(StrEnum):
    """How a program is doing."""

    COMING = "coming up"
    ALIVE = "alive"
    PROVEN = "proven"
    HUNG = "hung"
    CRASHING = "crashing"


class Probation:
    """Watches one start of one program.

    Args:
        limits: how long is too long.
        names: the pulses that must be felt.
        now_s: the monotonic time of the start.
        before: the pulses as an earlier life left them.
        most_deaths: how often a process behind a pulse may be replaced.
    """

    def __init__(
        self, limits: Limits, names: Iterable[str], now_s: float, before: Mapping[str, Pulse], most_deaths: int = 3
    ) -> None:
        self._limits = limits
        self._seen: dict[str, Pulse | None] = {name: before.get(name) for name in names}
        self._felt: dict[str, float] = {}
        self._deaths = dict.fromkeys(self._seen, 0)
        self._most_deaths = most_deaths
        self._started_s = now_s
        self._complete_s: float | None = None
        self._looked_s = now_s

    def look(self, now_s: float, pulses: Mapping[str, Pulse], excused: Collection[str] = ()) -> Verdict:
        """Judges by what is seen now. `excused`: pulses that may fail now, for a known reason."""
        self._forgive_gap(now_s)
        self._felt |= dict.fromkeys(set(excused) & self._seen.keys(), now_s)
        pulses = {name: pulse for name, pulse in pulses.items() if name not in excused}
        for name, last in self._seen.items():
            pulse = pulses.get(name)
            if pulse is None or pulse == last:
                continue
            if name in self._felt and last is not None and pulse.pid != last.pid:
                self._deaths[name] += 1
                self._complete_s = None
            self._seen[name] = pulse
            self._felt[name] = now_s
        if any(deaths > self._most_deaths for deaths in self._deaths.values()):
            return Verdict.CRASHING
        if any(now_s - felt_s > self._limits.pulse_s for felt_s in self._felt.values()):
            return Verdict.HUNG
        if len(self._felt) < len(self._seen):
            return Verdict.HUNG if now_s - self._started_s > self._limits.start_s else Verdict.COMING
        if self._complete_s is None:
            self._complete_s = now_s
        fresh = all(now_s - felt_s < _FRESH_S for felt_s in self._felt.values())
        return Verdict.PROVEN if fresh and now_s - self._complete_s >= self._limits.probation_s else Verdict.ALIVE

    def _forgive_gap(self, now_s: float) -> None:
        gap_s = now_s - self._looked_s
        if gap_s > _OWN_GAP_S:
            self._started_s += gap_s
            self._felt = {name: felt_s + gap_s for name, felt_s in self._felt.items()}
            if self._complete_s is not None:
                self._complete_s += gap_s
        self._looked_s = now_s
