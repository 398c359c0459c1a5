"""The simulated unit without a line: its states, its record, its ring of events, its end of the link."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from firmware_bridge.frame import Decoder, Frame, FrameFlag
from firmware_bridge.frame import encode as encode_frame
from firmware_bridge.messages import (
    TYPE_OF,
    EndCode,
    Event,
    EventAck,
    Exposure,
    ExposureSource,
    Fault,
    FaultCode,
    Heartbeat,
    Hello,
    HelloAck,
    Level,
    Log,
    Message,
    MessageType,
    ReplayReq,
    ResetCause,
    StateChange,
    TimeReq,
    TimeRsp,
    UnitState,
    decode,
    encode,
)
from firmware_bridge.simulator.endpoint import Endpoint, Identity
from firmware_bridge.simulator.ring import EventRing
from firmware_bridge.simulator.unit import Happened, Technique, Unit, new_boot_id

MS = 1_000_000
START = 1_000_000 * MS
HAND = Technique(kv=50.0, ma=100.0, ms=40.0)


def states(happened: list[Happened]) -> list[tuple[int, UnitState]]:
    """Ticks in ms, and the state entered."""
    return [(one.event.tick // 1000, one.event.new) for one in happened if isinstance(one.event, StateChange)]


def run(unit: Unit, from_ms: int, to_ms: int, step_ms: int = 5) -> list[tuple[Frame, Message]]:
    said = b""
    for now_ms in range(from_ms, to_ms, step_ms):
        said += b"".join(unit.advance(START + now_ms * MS))
    return [(frame, decode(frame.type, frame.payload)) for frame in Decoder().feed(said)]


def host(message: Message, boot_id: int) -> bytes:
    return encode_frame(Frame(TYPE_OF[type(message)], 0, boot_id & 0xFFFF, 1, encode(message)))


def test_an_exposure_takes_the_time_that_portables_take() -> None:
    happened: list[Happened] = []
    unit = Unit(START, seen=happened.append)
    run(unit, 0, 600)
    assert unit.press(HAND, START + 600 * MS)
    assert not unit.press(HAND, START + 610 * MS)  # already pressed
    run(unit, 600, 4000)
    assert states(happened) == [
        (500, UnitState.STANDBY),
        (600, UnitState.PREP),
        (1800, UnitState.READY),
        (2100, UnitState.EXPOSING),
        (2140, UnitState.WAIT_RELEASE),
        (2540, UnitState.STANDBY),
    ]
    (exposure,) = (one.event for one in happened if isinstance(one.event, Exposure))
    assert exposure == replace(exposure, tick_on=2_100_000, tick_off=2_140_000, kvp=50.0, exposure_mas=4.0)
    assert [one.seq for one in happened] == list(range(1, 8))


def test_speed_shortens_the_waits_but_not_the_exposure() -> None:
    happened: list[Happened] = []
    unit = Unit(START, speed=10, seen=happened.append)
    run(unit, 0, 60, step_ms=1)
    unit.press(HAND, START + 60 * MS)
    run(unit, 60, 400, step_ms=1)
    entered = {state: ms for ms, state in states(happened)[1:]}
    assert entered[UnitState.READY] - entered[UnitState.PREP] == 120
    assert entered[UnitState.WAIT_RELEASE] - entered[UnitState.EXPOSING] == 40


def test_moments_are_exact_however_seldom_time_is_given() -> None:
    happened: list[Happened] = []
    unit = Unit(START, seen=happened.append)
    unit.advance(START + 600 * MS)
    unit.press(HAND, START + 600 * MS)
    unit.advance(START + 60_000 * MS)
    assert states(happened)[-1] == (2540, UnitState.STANDBY)


def test_a_reset_while_exposing_records_what_was_emitted() -> None:
    happened: list[Happened] = []
    unit = Unit(START, seen=happened.append)
    run(unit, 0, 600)
    unit.press(HAND, START + 600 * MS)
    run(unit, 600, 2105)
    before = unit.boot_id
    unit.reset(ResetCause.BROWN_OUT, START + 2110 * MS)
    assert unit.boot_id != before
    (cut,) = (one for one in happened if isinstance(one.event, Exposure))
    assert isinstance(cut.event, Exposure)
    assert (cut.boot_id, cut.event.end_code, cut.event.exposure_time_ms) == (before, EndCode.POWER_LOST, 10.0)
    assert unit.state is UnitState.INITIALISING


def test_a_fault_is_an_event() -> None:
    happened: list[Happened] = []
    unit = Unit(START, seen=happened.append)
    unit.fault(FaultCode.ARC, Level.ERROR, "arc", START + MS)
    assert happened[0].event == Fault(1000, FaultCode.ARC, Level.ERROR, active=True, text="arc")


def test_a_crystal_that_is_fast_counts_more() -> None:
    endpoint = Endpoint(Identity(drift_ppm=40), EventRing(), 1, ResetCause.POWER_ON, START)
    assert endpoint.tick(START + 1_000_000 * MS) == 1_000_040_000


def test_boot_ids_don_t_repeat_and_have_a_session() -> None:
    drawn = [new_boot_id() for _ in range(1000)]
    assert len(set(drawn)) == 1000
    assert all(0 < boot_id < 2**53 and boot_id & 0xFFFF for boot_id in drawn)


# -- the end of the link -----------------------------------------------------------------------------------------


def test_hello_comes_each_second_until_it_is_acknowledged() -> None:
    unit = Unit(START)
    hellos = [message for _, message in run(unit, 0, 2500) if isinstance(message, Hello)]
    assert len(hellos) == 3
    unit.receive(host(HelloAck(1, unit.boot_id & 0xFFFF), unit.boot_id), START + 2500 * MS)
    said = run(unit, 2500, 6000)
    assert not any(isinstance(message, Hello) for _, message in said)
    beats = [message.tick for _, message in said if isinstance(message, Heartbeat)]
    assert [later - earlier for earlier, later in itertools.pairwise(beats)] == [1_000_000] * 3


def test_no_event_leaves_before_the_hello_is_acknowledged() -> None:
    unit = Unit(START)
    assert not any(frame.type == MessageType.STATE for frame, _ in run(unit, 0, 3000))
    unit.receive(host(HelloAck(1, unit.boot_id & 0xFFFF), unit.boot_id), START + 3000 * MS)
    (frame, message), *_ = ((f, m) for f, m in run(unit, 3000, 3010) if isinstance(m, StateChange))
    assert (frame.seq, frame.flags, message.new) == (1, FrameFlag.ACK_WANTED, UnitState.STANDBY)


@pytest.mark.parametrize("message", [TimeReq(1), HelloAck(1, 7), EventAck(9, 0), ReplayReq(1)])
def test_a_frame_of_another_session_is_answered_with_hello_and_does_nothing(message: Message) -> None:
    unit = Unit(START)
    run(unit, 0, 600)
    unit.receive(host(message, boot_id=0), START + 600 * MS)
    assert isinstance(run(unit, 600, 605)[0][1], Hello)
    assert not unit.connected
    assert unit.unconfirmed == 1


def test_the_time_is_answered_in_ticks() -> None:
    unit = Unit(START)
    unit.receive(host(TimeReq(77), unit.boot_id), START + 5 * MS)
    assert TimeRsp(77, 5000, 5000) in [message for _, message in run(unit, 5, 10)]


def test_noise_and_unit_messages_from_the_host_are_counted_in_the_heartbeat() -> None:
    unit = Unit(START)
    unit.receive(b"\x05noise\x00" + host(Log(1, Level.INFO, "not for you"), unit.boot_id), START)
    beat = next(message for _, message in run(unit, 0, 1100) if isinstance(message, Heartbeat))
    assert beat.rx_bad == 2


# -- the ring ----------------------------------------------------------------------------------------------------


def state(number: int) -> Event:
    return StateChange(number, UnitState.STANDBY, UnitState.PREP)


def ring_of(count: int, capacity: int = 256) -> EventRing:
    ring = EventRing(capacity)
    for number in range(count):
        ring.append(state(number), boot_id=1)
    return ring


def test_an_event_is_sent_again_after_ever_longer_waits_up_to_two_seconds() -> None:
    ring, sent_ms = ring_of(1), []
    for now_ms in range(1, 10_000):
        sent_ms += [(now_ms, out.replay) for out in ring.due(now_ms * MS, boot_id=1)]
    waits = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(sent_ms)]
    assert waits == [100, 200, 400, 800, 1600, 2000, 2000, 2000]
    assert [replay for _, replay in sent_ms] == [False] + [True] * 8


def test_at_most_eight_events_are_under_way() -> None:
    ring = ring_of(20)
    assert [out.seq for out in ring.due(MS, boot_id=1)] == list(range(1, 9))
    ring.acknowledge(EventAck(upto=2, bitmap=0b10))  # 1, 2 and 4
    assert [out.seq for out in ring.due(MS, boot_id=1)] == [9, 10, 11]
    assert (ring.oldest, ring.newest, len(ring)) == (3, 20, 17)


def test_a_replay_makes_what_is_held_from_there_on_due_at_once() -> None:
    ring = ring_of(3)
    ring.due(MS, boot_id=1)
    ring.replay(2)
    assert [(out.seq, out.replay) for out in ring.due(MS, boot_id=1)] == [(2, True), (3, True)]


def test_an_event_of_an_earlier_boot_says_so() -> None:
    ring = ring_of(1)
    (out,) = ring.due(MS, boot_id=2)
    assert (out.event.boot_id, out.replay) == (1, True)


def test_a_full_ring_lets_changes_of_state_go_first_and_counts_them() -> None:
    ring = EventRing(capacity=3)
    record = Exposure(1, 2, 50.0, 100.0, 40.0, 4.0, EndCode.NORMAL, ExposureSource.GENERATOR)
    for event in (record, state(1), record, record, record):
        ring.append(event, boot_id=1)
    assert ring.lost == 2
    assert [out.seq for out in ring.due(MS, boot_id=1)] == [3, 4, 5]
    assert ring.oldest == 3


def test_nothing_held_is_told_as_one_past_the_newest() -> None:
    assert (EventRing().oldest, EventRing().newest) == (1, 0)
    ring = ring_of(3)
    ring.acknowledge(EventAck(3, 0))
    assert (ring.oldest, ring.newest, ring.next_due_ns()) == (4, 3, None)
