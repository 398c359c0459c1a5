"""What every unit must do, whatever its kind: be there, be itself, stay well when the host comes and goes."""

from __future__ import annotations

import pytest

from firmware_bridge.link import LinkReason, LinkState
from firmware_bridge.messages import EndCode, UnitState
from tests.hil.subject import OPERATOR_S, Subject, exposures, until


def test_the_unit_is_there_and_says_how_it_is(subject: Subject) -> None:
    with subject.host() as disk:
        until(disk, lambda: disk.now.unit_state is UnitState.STANDBY, 30)
        assert disk.now.reason is LinkReason.NONE
        assert disk.now.interlock_closed is True
        assert disk.now.profile == subject.profile


def test_a_quiet_line_is_clean(subject: Subject) -> None:
    with subject.host() as disk:
        good = disk.now.counters.frames_good
        until(disk, lambda: disk.now.counters.frames_good >= good + 5, 20)
        seen = disk.now.counters
        assert (seen.bad_cobs, seen.bad_crc, seen.bad_header, seen.overlong, seen.bad_message) == (0, 0, 0, 0, 0)
        assert (seen.unknown_message, seen.refusals, seen.implausible) == (0, 0, 0)


def test_answers_come_quickly(subject: Subject) -> None:
    with subject.host() as disk:
        until(disk, lambda: disk.now.round_trip_ns is not None, 10)
        assert disk.now.round_trip_ns is not None
        assert disk.now.round_trip_ns < 100_000_000


def test_a_host_that_comes_and_goes_disturbs_nothing(subject: Subject) -> None:
    boots = set()
    for _ in range(5):
        with subject.host() as disk:
            until(disk, lambda disk=disk: disk.now.unit_state is UnitState.STANDBY, 10)  # type: ignore[misc]
            boots.add(disk.now.boot_id if subject.profile == "own" else None)
    assert len(boots) == 1  # opening the port does not reset the unit


@pytest.mark.exposes
@pytest.mark.requirement("each exposure of the unit is recorded with its technique")
def test_an_exposure_is_recorded_once_with_its_technique(subject: Subject) -> None:
    with subject.host() as disk:
        until(disk, lambda: disk.now.programmed is not None or subject.profile == "own", 10)
        technique = subject.expose()
        (exposure,) = exposures(disk, 1, seconds=OPERATOR_S)
        until(disk, lambda: disk.now.unit_state is UnitState.STANDBY, 20)
        assert len(disk.exposures) == 1
        assert 20 <= exposure.kvp <= 160
        if technique is not None:
            assert exposure.kvp == pytest.approx(technique.kv, abs=0.2)
            assert exposure.tube_current_ma == pytest.approx(technique.ma, rel=0.01)
            sensed = 150 if subject.profile == "spellman-xrv" else 1  # only polls say when high voltage was on
            assert exposure.exposure_time_ms == pytest.approx(technique.ms, abs=sensed)
        assert exposure.end_code in (EndCode.NORMAL, EndCode.UNKNOWN, EndCode.AEC)
        assert disk.exposures[0].mapped


@pytest.mark.exposes
@pytest.mark.requirement("an exposure is confirmed to the unit only when it is on disk")
def test_what_the_host_could_not_keep_comes_again(subject: Subject) -> None:
    with subject.host() as disk:
        until(disk, lambda: disk.now.programmed is not None or subject.profile == "own", 10)
        disk.refuse = True
        subject.expose()
        until(disk, lambda: disk.now.reason is LinkReason.NOT_DURABLE, OPERATOR_S)
        assert disk.exposures == []
        disk.refuse = False
        assert len(exposures(disk, 1, seconds=30)) == 1
        until(disk, lambda: disk.now.reason is LinkReason.NONE, 20)
        assert len(disk.exposures) == 1


@pytest.mark.sim_only
@pytest.mark.requirement("nothing sent to the unit can make it expose")
def test_a_host_at_work_sets_nothing_and_moves_nothing(subject: Subject) -> None:
    with subject.host() as disk:
        heard = disk.now.counters.frames_good
        until(disk, lambda: disk.now.counters.frames_good >= heard + 20, 40)
    status = subject.do("status")
    assert (status["state"], status["sets_received"]) == ("STANDBY", 0)
    assert disk.techniques == []


@pytest.mark.sim_only
@pytest.mark.parametrize("gone", ["unplug", "reenumerate", "seize", "silence", "wrong-baud", "brownout", "reset"])
def test_a_link_that_drops_is_seen_named_and_recovered(subject: Subject, gone: str) -> None:
    with subject.host() as disk:
        before = len(disk.statuses)
        how = (
            {"s": 3.5} if gone in ("silence", "wrong-baud") else {} if gone in ("reenumerate", "reset") else {"s": 0.5}
        )
        subject.do(gone, **how)
        if gone in ("unplug", "reenumerate", "seize", "silence", "wrong-baud"):
            until(disk, lambda: any(s.link is not LinkState.UP for s in disk.statuses[before:]), 20)
            named = {status.reason for status in disk.statuses[before:] if status.link is not LinkState.UP}
            until(disk, lambda: disk.now.link is LinkState.UP, 30)
            assert named <= _NAMES[gone] | {LinkReason.NO_HELLO}
            assert named & _NAMES[gone]
        since = disk.now.counters.frames_good
        until(disk, lambda: disk.now.link is LinkState.UP and disk.now.counters.frames_good > since + 2, 30)
        subject.expose()
        assert len(exposures(disk, 1, seconds=60)) == 1
        assert disk.now.counters.events_lost == 0


_NAMES = {
    "unplug": {LinkReason.PORT_LOST, LinkReason.PORT_ABSENT},
    "reenumerate": {LinkReason.PORT_LOST},
    "seize": {LinkReason.PORT_LOST, LinkReason.PORT_BUSY},
    "silence": {LinkReason.SILENT},
    "wrong-baud": {LinkReason.SILENT, LinkReason.WRONG_BAUD},
}
