"""What two models have in common when one watches them: what is noted, when it is believed, and which faults are on.

Between two polls anything can have happened, and a checksum of six bits lets some damage pass. So:

- a number is believed when it was read twice with the same result;
- a change of state that a generator goes through anyway (`EXPECTED`) is believed at once, every other one when it was
  read twice;
- a moment is known as well as the polls around it: it is stated with its accuracy.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from firmware_bridge.live import Live
from firmware_bridge.messages import Event, Fault, FaultCode, Level, StateChange, UnitState
from firmware_bridge.spellman.asking import Answer

MS: Final = 1_000_000
LEAST_ACCURACY_NS: Final = 5 * MS
"""No poll knows a moment better than the generator takes to answer."""
WORST_ACCURACY_NS: Final = 10_000 * MS
"""Beyond this the moment is not called known: the link was away."""

_BEAM: Final = UnitState.EXPOSING
EXPECTED: Final = frozenset({
    (UnitState.STANDBY, UnitState.PREP),
    (UnitState.PREP, UnitState.READY),
    (UnitState.PREP, UnitState.STANDBY),
    (UnitState.READY, UnitState.STANDBY),
    (UnitState.READY, UnitState.PREP),
    (UnitState.PREP, _BEAM),
    (UnitState.READY, _BEAM),
    (_BEAM, UnitState.READY),
    (_BEAM, UnitState.PREP),
    (_BEAM, UnitState.STANDBY),
})  # fmt: skip

_T = TypeVar("_T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that happened. Its ticks are nanoseconds of CLOCK_BOOTTIME; `timed` unless the link was away."""

    message: Event
    at_ns: int
    timed: bool = True
    raw: str = ""
    """The counts behind it, as the generator wrote them: they outlive a wrong scale."""


@dataclass(frozen=True, slots=True)
class Want:
    """A command to ask for again when this long has passed."""

    opcode: int
    every_ns: int


class Watch(Protocol):
    """One model, watched."""

    live: Live
    firmware: str | None

    @property
    def implausible(self) -> int:
        """How many readings were not believed."""
        ...

    def wanted(self) -> Sequence[Want]:
        """What to ask for now, and how often."""
        ...

    def take(self, answer: Answer) -> list[Noted]:
        """Takes an answer in: what happened, as far as it can be told now."""
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """A moment that lies between two others."""

    earliest_ns: int
    latest_ns: int

    @property
    def best_ns(self) -> int:
        """The best guess: the middle, or the end when the beginning is as good as unknown."""
        return (self.earliest_ns + self.latest_ns) // 2 if self.known else self.latest_ns

    @property
    def accuracy_ns(self) -> int:
        """By how much the guess may be wrong."""
        return max(LEAST_ACCURACY_NS, (self.latest_ns - self.earliest_ns + 1) // 2)

    @property
    def known(self) -> bool:
        """Whether that is a time at all."""
        return self.accuracy_ns <= WORST_ACCURACY_NS

    def within(self, other: Window) -> Window:
        """What both allow; this one where they contradict each other."""
        earliest_ns, latest_ns = max(self.earliest_ns, other.earliest_ns), min(self.latest_ns, other.latest_ns)
        return Window(earliest_ns, latest_ns) if earliest_ns <= latest_ns else self

    @property
    def accuracy_ms(self) -> float:
        """As the message wants it."""
        return min(self.accuracy_ns, WORST_ACCURACY_NS) / MS


class Agreed(Generic[_T]):
    """A value that is believed when it was read twice running."""

    def __init__(self) -> None:
        self._last: _T | None = None
        self.value: _T | None = None

    def read(self, value: _T) -> bool:
        """Takes a reading in; whether the believed value is another than before."""
        agree = value == self._last
        self._last = value
        if not agree or value == self.value:
            return False
        self.value = value
        return True


class StateWatch:
    """The unit's state: the change to tell of, if there is one."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._doubted: UnitState | None = None

    def read(self, state: UnitState, at_ns: int) -> list[Noted]:
        """Takes a state in that was read."""
        old = self._live.state or UnitState.UNKNOWN
        if state is old:
            self._doubted = None
            return []
        if (old, state) not in EXPECTED and state is not self._doubted:
            self._doubted = state
            return []
        self._doubted = None
        self._live.state = state
        return [Noted(StateChange(at_ns, old, state), at_ns)]


FaultName = tuple[FaultCode, Level, str]
"""What is wrong, how much it matters, and in words (printable ASCII, at most 120)."""


class FaultWatch:
    """The faults that one command tells of, each told when it begins and when it is over."""

    def __init__(self) -> None:
        self._read: Agreed[frozenset[FaultName]] = Agreed()
        self._on: frozenset[FaultName] = frozenset()

    def read(self, found: Mapping[FaultName, bool], at_ns: int) -> list[Noted]:
        """Takes in which faults are on."""
        if not self._read.read(frozenset(name for name, on in found.items() if on)):
            return []
        before, self._on = self._on, self._read.value or frozenset()
        changed = [(name, True) for name in sorted(self._on - before)] + [
            (name, False) for name in sorted(before - self._on)
        ]
        return [
            Noted(Fault(at_ns, code, level, active=active, text=text), at_ns) for (code, level, text), active in changed
        ]
