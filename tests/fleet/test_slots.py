"""The state machine's table, row by row, and what can never happen."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.fleet.slots import FACTORY, MOST_BOOTS, MOST_STARTS, TABLE, Event, Phase, Slot, Trial, WrongEventError, turn
from edge.fleet.statefile import State, StateFile, decode, encode

TRIAL = Slot("r1", trial=Trial("r2", ("b1",), 1))


def test_the_table() -> None:
    assert turn(Slot("r1"), Event.ACTIVATE, release="r2") == Slot("r1", trial=Trial("r2"))
    assert turn(Slot("r1"), Event.REJECT, release="r2", why="preflight-failed").bad == {"r2": "preflight-failed"}
    assert turn(TRIAL, Event.START, boot="b1").trial == Trial("r2", ("b1",), 2)
    assert turn(TRIAL, Event.START, boot="b2").trial == Trial("r2", ("b1", "b2"), 1)
    assert turn(TRIAL, Event.PASS) == Slot("r2", last="r1")
    assert turn(TRIAL, Event.FAIL, why="trial-hung") == Slot("r1", bad={"r2": "trial-hung"})
    assert turn(TRIAL, Event.WITHDRAW) == Slot("r1")
    assert turn(Slot("r1"), Event.RESET) == Slot(FACTORY, last="r1")


@pytest.mark.parametrize(("phase", "event"), [pair for pair in itertools.product(Phase, Event) if pair not in TABLE])
def test_every_other_pair_is_refused(phase: Phase, event: Event) -> None:
    with pytest.raises(WrongEventError):
        turn(TRIAL if phase is Phase.TRIAL else Slot("r1"), event, release="r3", boot="b1")


def test_a_bad_release_is_never_tried_again() -> None:
    slot = turn(TRIAL, Event.FAIL, why="trial-hung")
    with pytest.raises(WrongEventError, match="r2 is bad"):
        turn(slot, Event.ACTIVATE, release="r2")


def test_too_many_starts_in_one_boot_are_a_crash_and_boots_are_counted_apart() -> None:
    slot = Slot("r1", trial=Trial("r2"))
    for _ in range(MOST_STARTS):
        slot = turn(slot, Event.START, boot="b1", why="trial-hung")
        assert slot.trial
    assert turn(slot, Event.START, boot="b1", why="trial-hung").bad == {"r2": "trial-hung"}
    slot = Slot("r1", trial=Trial("r2"))
    for boot in range(MOST_BOOTS):
        slot = turn(slot, Event.START, boot=f"b{boot}")
        assert slot.trial
    assert turn(slot, Event.START, boot="one more").bad == {"r2": "trial-boots"}


@given(st.lists(st.tuples(st.sampled_from(Event), st.sampled_from(["r1", "r2", "r3"]), st.sampled_from(["b1", "b2"]))))
def test_whatever_happens_a_good_one_runs(happenings: list[tuple[Event, str, str]]) -> None:
    slot = Slot()
    proven = {FACTORY}
    for event, release, boot in happenings:
        before = slot
        try:
            slot = turn(slot, event, release=release, boot=boot, why="trial-hung")
        except WrongEventError:
            continue
        if event is Event.PASS and before.trial:
            proven.add(before.trial.release)
        assert slot.good in proven
        assert slot.trial is None or slot.trial.release not in slot.bad
        assert set(before.bad) <= set(slot.bad)


def test_a_state_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    from edge.fleet.slots import Kind

    state = State(serial=7, floor_time="2026-11-01T00:00:00Z").with_slot(Kind.MODEL, TRIAL)
    assert decode(encode(state)) == state
    file = StateFile(tmp_path)
    file.change(lambda _: state)
    assert file.read() == state


def test_an_unreadable_state_is_the_factory_s_and_is_kept_for_service(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    file.path.write_bytes(b'{"schema": 1')
    assert file.read() == State()
    file.change(lambda state: state)
    assert (tmp_path / "state.unreadable").read_bytes() == b'{"schema": 1'
    assert decode(file.path.read_bytes()) == State()
