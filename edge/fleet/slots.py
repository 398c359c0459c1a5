"""What runs, what is on trial, what is known to be bad: one slot for the application, one for the model.

The state machine is `TABLE`, literally. Rules only, standard library only.

What always holds: `good` is a release that proved itself on this box, or `FACTORY`, which came with its image. A bad
release never comes back on trial. Starts are counted before they happen, in the boot they happen in, so that pulled
power is not taken for a crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

FACTORY: Final = "factory"
"""The release that came with the box's image: always there, never on trial."""
MOST_STARTS: Final = 3
"""A trial that was started so often in one boot and proved nothing crashes."""
MOST_BOOTS: Final = 5
"""A trial that saw so many boots and proved nothing keeps the box from running."""


class Kind(StrEnum):
    """What can be updated, each apart."""

    APPLICATION = "application"
    MODEL = "model"


class Phase(StrEnum):
    """Whether a slot is settled."""

    STEADY = "steady"
    TRIAL = "trial"


class Event(StrEnum):
    """What can happen to a slot."""

    ACTIVATE = "activate"
    REJECT = "reject"
    START = "start"
    PASS = "pass"  # noqa: S105 - an event's name
    FAIL = "fail"
    WITHDRAW = "withdraw"
    RESET = "reset"


class Then(StrEnum):
    """What is done about it."""

    BEGIN = "begin the trial"
    COUNT = "count the start"
    COMMIT = "the trial is the good one now"
    RETURN = "back to the good one; the trial is bad"
    MARK = "the release is bad"
    LEAVE = "back to the good one; nobody's fault"
    FACTORY = "the factory's is the good one"


TABLE: Final[dict[tuple[Phase, Event], tuple[Then, Phase]]] = {
    (Phase.STEADY, Event.ACTIVATE): (Then.BEGIN, Phase.TRIAL),
    (Phase.STEADY, Event.REJECT): (Then.MARK, Phase.STEADY),
    (Phase.STEADY, Event.RESET): (Then.FACTORY, Phase.STEADY),
    (Phase.TRIAL, Event.START): (Then.COUNT, Phase.TRIAL),
    (Phase.TRIAL, Event.PASS): (Then.COMMIT, Phase.STEADY),
    (Phase.TRIAL, Event.FAIL): (Then.RETURN, Phase.STEADY),
    (Phase.TRIAL, Event.WITHDRAW): (Then.LEAVE, Phase.STEADY),
}
"""Every other pair is a mistake of the caller."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A release on trial. `boots`: the boots that saw it; `starts`: how often it started in the last of them."""

    release: str
    boots: tuple[str, ...] = ()
    starts: int = 0


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing that can be updated. `last` was good before `good`: kept on the disk for a quick return."""

    good: str = FACTORY
    last: str | None = None
    trial: Trial | None = None
    bad: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def phase(self) -> Phase:
        """Settled or on trial."""
        return Phase.TRIAL if self.trial else Phase.STEADY

    @property
    def running(self) -> str:
        """The release to run now."""
        return self.trial.release if self.trial else self.good

    @property
    def kept(self) -> frozenset[str]:
        """The releases whose files must stay."""
        names = {self.good, self.last, self.running} - {None, FACTORY}
        return frozenset(name for name in names if name is not None)


class WrongEventError(Exception):
    """The table has no row for this event in this phase, or the release is known to be bad."""


def turn(slot: Slot, event: Event, *, release: str = "", why: str = "", boot: str = "") -> Slot:  # noqa: PLR0911 - one for each row
    """The slot after an event.

    Args:
        slot: as it was.
        event: what happened.
        release: for ACTIVATE and REJECT.
        why: a code of `edge.errors`, for REJECT and FAIL; for START, why it had to start again.
        boot: the boot of a START.

    Raises:
        WrongEventError: if the table doesn't know the pair, or a bad release would be tried again.
    """
    if (slot.phase, event) not in TABLE:
        raise WrongEventError(f"{event} while {slot.phase}")
    then, _ = TABLE[slot.phase, event]
    trial = slot.trial
    match then:
        case Then.BEGIN:
            if release in slot.bad:
                raise WrongEventError(f"{release} is bad: {slot.bad[release]}")
            return replace(slot, trial=Trial(release))
        case Then.MARK:
            return replace(slot, bad=_with(slot.bad, release, why))
        case Then.COUNT:
            assert trial is not None
            return _counted(slot, trial, boot, why or "trial-crashed")
        case Then.COMMIT:
            assert trial is not None
            return replace(slot, good=trial.release, last=slot.good, trial=None)
        case Then.RETURN:
            assert trial is not None
            return replace(slot, trial=None, bad=_with(slot.bad, trial.release, why))
        case Then.LEAVE:
            return replace(slot, trial=None)
        case Then.FACTORY:
            return replace(slot, good=FACTORY, last=slot.good)


def _counted(slot: Slot, trial: Trial, boot: str, why: str) -> Slot:
    same = bool(trial.boots) and trial.boots[-1] == boot
    counted = Trial(trial.release, trial.boots if same else (*trial.boots, boot), trial.starts + 1 if same else 1)
    if counted.starts > MOST_STARTS:
        return turn(slot, Event.FAIL, why=why)
    if len(counted.boots) > MOST_BOOTS:
        return turn(slot, Event.FAIL, why="trial-boots")
    return replace(slot, trial=counted)


def _with(bad: Mapping[str, str], release: str, why: str) -> Mapping[str, str]:
    return MappingProxyType({**bad, release: why})
