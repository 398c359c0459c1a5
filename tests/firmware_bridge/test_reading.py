"""Frames to messages: what can't be read, what can't be true, and what there is to count."""

from __future__ import annotations

from dataclasses import replace

import cbor2
import pytest

from firmware_bridge.frame import Frame, FrameFlag
from firmware_bridge.frame import encode as encode_frame
from firmware_bridge.link import EventKey, ReceivedEvent
from firmware_bridge.live import Live
from firmware_bridge.messages import (
    TYPE_OF,
    EndCode,
    Event,
    Exposure,
    ExposureSource,
    Fault,
    FaultCode,
    Heartbeat,
    Level,
    MessageType,
    StateChange,
    UnitState,
    encode,
)
from firmware_bridge.reading import Line, Nonsense, believed, nonsense

HZ = 1_000_000
YEAR_NS = 365 * 86_400 * 10**9
NOW = 10**12
GOOD = Exposure(3_500_000, 3_540_000, 55.0, 100.0, 40.0, 4.0, EndCode.NORMAL, ExposureSource.GENERATOR)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (replace(GOOD, tick_off=3_499_999), Nonsense.ENDS_BEFORE_IT_BEGINS),
        (replace(GOOD, tick_off=3_500_000 + 601 * HZ), Nonsense.LASTS_TOO_LONG),
        (replace(GOOD, exposure_mas=40.0), Nonsense.CHARGE_CONTRADICTS),
        (replace(GOOD, exposure_mas=0.004), Nonsense.CHARGE_CONTRADICTS),
    ],
)
def test_an_event_that_contradicts_itself_is_kept_as_a_fault_with_its_code(wrong: Exposure, code: Nonsense) -> None:
    assert nonsense(wrong, HZ) is code
    told = believed(wrong, NOW, NOW, HZ)
    assert isinstance(told, Fault)
    assert (told.code, told.text, told.tick) == (FaultCode.IMPLAUSIBLE_EVENT, code.value, wrong.tick_on)


@pytest.mark.parametrize(
    "right",
    [
        GOOD,
        replace(GOOD, tick_off=GOOD.tick_on),
        replace(GOOD, exposure_mas=0.0, tube_current_ma=0.0),  # not known
        replace(GOOD, exposure_mas=2.0),  # a falling load
        replace(GOOD, tube_current_ma=1.0, exposure_time_ms=1.0, exposure_mas=0.2),  # rounding of small numbers
        StateChange(5, UnitState.READY, UnitState.READY),
    ],
)
def test_what_may_be_true_is_believed(right: Event) -> None:
    assert believed(right, NOW, NOW, HZ) is right


def test_an_exposure_can_not_be_in_the_future() -> None:
    assert believed(GOOD, NOW + 9 * 10**9, NOW, HZ) is GOOD
    told = believed(GOOD, NOW + 11 * 10**9, NOW, HZ)
    assert isinstance(told, Fault)
    assert told.text == "in-the-future"


def test_an_event_has_a_place_in_the_calendar() -> None:
    change = StateChange(0, UnitState.READY, UnitState.EXPOSING)
    assert believed(change, NOW - 3 * YEAR_NS, NOW, HZ) is change
    for moment_ns in (NOW - 11 * YEAR_NS, NOW - 2**63 * 10**9):  # by ticks of 2**62 at one a second
        told = believed(change, moment_ns, NOW, HZ)
        assert isinstance(told, Fault)
        assert (told.code, told.text) == (FaultCode.IMPLAUSIBLE_EVENT, "long-ago")


def test_an_event_that_can_t_be_read_is_a_fault_and_a_log_line_is_nothing() -> None:
    line = Line()
    told = line.read(Frame(MessageType.EXPOSURE, FrameFlag.ACK_WANTED, 7, 1, cbor2.dumps({1: -5})))
    assert isinstance(told, Fault)
    assert told.code is FaultCode.UNREADABLE_EVENT
    assert line.read(Frame(MessageType.LOG, 0, 7, 1, b"\xff")) is None
    assert line.read(Frame(0x55, 0, 7, 2, b"\xa0")) is None
    assert (line.counts["bad_message"], line.counts["unknown_message"]) == (2, 1)


def test_a_resync_is_counted_once_for_each_disturbance() -> None:
    line, good = Line(), encode_frame(Frame(MessageType.LOG, 0, 7, 1, b"\xa0"))
    for part in (good, b"\xff\xff\x00\xff\xff\x00", good, good, b"noise\x00", good):
        line.feed(part)
    assert line.line_counts()["resyncs"] == 2


def test_frames_that_were_numbered_and_never_came_are_counted() -> None:
    line = Line()

    def beat(seq: int, session: int = 7) -> None:
        line.read(
            Frame(MessageType.HEARTBEAT, 0, session, seq, encode(Heartbeat(1, UnitState.READY, True, 1, 0, 0, 0)))
        )

    for seq in (4, 5, 5, 8, 7, 9):
        beat(seq)
    assert line.counts["frames_missed"] == 2
    beat(1, session=8)  # another boot counts anew
    beat(2, session=8)
    assert line.counts["frames_missed"] == 2
    line.read(
        Frame(TYPE_OF[Exposure], FrameFlag.ACK_WANTED, 8, 900, encode(GOOD))
    )  # events have a numbering of their own
    beat(3, session=8)
    assert line.counts["frames_missed"] == 2


def test_a_line_that_never_makes_a_frame_is_garbled_until_one_comes() -> None:
    line, good = Line(), encode_frame(Frame(MessageType.LOG, 0, 7, 1, b"\xa0"), flush=True)
    garbled = []
    for part in (b"\xa5" * 63, b"\xa5\x00", good, b"\xa5"):
        line.feed(part)
        line.reset()
        garbled.append(line.garbled)
    assert garbled == [False, True, False, False]


def event(message: Event, *, replayed: bool = False, at_ns: int = NOW) -> ReceivedEvent:
    return ReceivedEvent(EventKey("XU-1", 7, 1), message, 1, at_ns, mapped=True, replayed=replayed)


def test_faults_are_active_until_the_unit_says_that_they_are_over() -> None:
    live = Live()
    live.happened(event(Fault(1, FaultCode.ARC, Level.ERROR, active=True, text="arc")))
    live.happened(event(Fault(1, FaultCode.INTERLOCK, Level.INFO, active=True, text="door")))
    live.happened(event(Fault(1, FaultCode.IMPLAUSIBLE_EVENT, Level.ERROR, active=True, text="ours")))
    live.happened(event(Fault(1, FaultCode.TIMER, Level.ERROR, active=True, text="past"), replayed=True))
    assert [fault.text for fault in live.facts()["active_faults"]] == ["arc", "door"]
    live.happened(event(Fault(2, FaultCode.ARC, Level.ERROR, active=False, text="over")))  # in other words
    assert [fault.text for fault in live.facts()["active_faults"]] == ["door"]


def test_many_faults_are_bounded() -> None:
    live = Live()
    for number in range(100):
        live.happened(event(Fault(1, FaultCode.UNKNOWN, Level.ERROR, active=True, text=str(number))))
    assert [fault.text for fault in live.facts()["active_faults"]][-1] == "99"
    assert len(live.facts()["active_faults"]) == 16


def test_the_last_exposure_is_the_one_that_began_last_not_the_one_that_came_last() -> None:
    live = Live()
    live.happened(event(GOOD))
    live.happened(event(replace(GOOD, kvp=70.0), replayed=True, at_ns=NOW - 5))
    assert live.facts()["last_exposure"].message.kvp == 55.0


@pytest.mark.parametrize(("percent", "ok"), [(None, None), (0, True), (89, True), (90, False), (140, False)])
def test_an_anode_is_hot_from_ninety_percent_on(percent: int | None, ok: bool | None) -> None:  # noqa: FBT001 - a column of the table above
    live = Live()
    live.heard(Heartbeat(1, UnitState.STANDBY, True, 1, 0, 0, 0, percent, 55, True), NOW)
    facts = live.facts()
    assert (facts["anode_heat_percent"], facts["anode_heat_ok"]) == (percent, ok)
    assert (facts["battery_percent"], facts["battery_charging"]) == (55, True)
