"""The wall clock jumps by days, forwards and back, at every look, while the line works: nothing notices but the stamps.

Intervals are the monotonic clock's business: order, matching, time limits, tries and sessions hold.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from edge.clock import Stamp
from edge.people.register import LONGEST_SESSION_S, Register
from edge.people.roles import Role
from edge.store import Store, events, exposures, images
from tests.faults.conftest import make_world
from tests.faults.examine import examine
from tests.faults.line import Answers, HandClock, live
from tests.outbox.conftest import StoppedClock

_DAYS: Final = 5


class JumpingClock(HandClock):
    """Each look at it shows a day up to five days before or after the right one."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._luck = random.Random(seed)

    def now(self) -> Stamp:
        self.wall_s = self._luck.uniform(-_DAYS, _DAYS) * 86_400
        return super().now()


@pytest.mark.requirement("a clock that steps changes nothing but stamps")
def test_the_line_under_a_clock_that_jumps(quick_path: Path, answers: Answers) -> None:
    world = make_world(quick_path / "line")
    with world.listening():
        life = live(quick_path / "line", world, answers, clock=JumpingClock(1))
    assert life.code == 0, life.complaint
    found = examine(quick_path / "line", world, answers)
    # The image's own clock says something else than ours now: then nothing may be matched, and nothing wrongly.
    unsaid = ("the hand is unmatched", "the hand is ambiguous")  # both leave it to a person
    assert [wrong for wrong in found if not wrong.startswith(unsaid)] == []
    store = Store.open(quick_path / "line" / "data")
    with store.read() as connection:
        stamps = [event.utc for event in events.after(connection, 0, 10_000)]
        moments = [image.received_ns for image in images.latest(connection)]
        kept = exposures.latest(connection)
    store.close()
    assert stamps != sorted(stamps)  # it did jump
    assert moments == sorted(moments, reverse=True)  # newest first, by the clock that does not
    assert len({exposure.at_ns for exposure in kept}) == 2


class StepClock(StoppedClock):
    """Stands still, and its wall clock is set by hand, as an admin does."""

    def __init__(self) -> None:
        super().__init__()
        self.wall_s = 0.0

    def now(self) -> Stamp:
        now = super().now()
        return replace(now, utc=now.utc + timedelta(seconds=self.wall_s))


@pytest.mark.parametrize("days", [-400.0, -3.0, 3.0, 400.0])
def test_nobody_is_signed_out_or_stays_in_because_the_clock_was_set(tmp_path: Path, days: float) -> None:
    clock = StepClock()
    store = Store.open(tmp_path / "store", clock)
    register = Register(store)
    number = register.add("anna", Role.ADMIN, pin="482913", actor="test")
    session = register.follow(register.link(number, within_s=60.0, once=True), kiosk=True)
    assert session is not None
    clock.wall_s = days * 86_400
    assert register.person(session, touch=True) is not None
    clock.ahead_s = LONGEST_SESSION_S + 1
    assert register.person(session, touch=True) is None
    store.close()
