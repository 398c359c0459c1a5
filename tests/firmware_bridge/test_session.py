"""The host's session: its whole table, and each rule of the link from the host's side."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.frame import Decoder, Frame
from firmware_bridge.frame import encode as encode_frame
from firmware_bridge.link import EventKey, LinkReason, LinkState, ReceivedEvent
from firmware_bridge.messages import (
    TO_UNIT,
    TYPE_OF,
    EndCode,
    EventAck,
    Exposure,
    ExposureSource,
    Fault,
    FaultCode,
    Heartbeat,
    Hello,
    HelloAck,
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
from firmware_bridge.session import Action, ClosePort, Persist, Send, Session
from firmware_bridge.states import TABLE, Do, Input, State

MS = 1_000_000
START = 50_000 * MS
BOOT = 0x1234A5B6C7
HELLO = Hello(1, 1, "XU-1", BOOT, "2.3.1", 1_000_000, 512, (), 1, 0, ResetCause.POWER_ON)
EXPOSURE = Exposure(3_500_000, 3_540_000, 55.0, 100.0, 40.0, 4.0, EndCode.NORMAL, ExposureSource.GENERATOR)


def wire(message: Message, seq: int = 1, boot: int = BOOT, flags: int = 0) -> bytes:
    return encode_frame(Frame(TYPE_OF[type(message)], flags, boot & 0xFFFF, seq, encode(message)))


def sent(actions: list[Action]) -> list[Any]:
    data = b"".join(action.data for action in actions if isinstance(action, Send))
    return [decode(frame.type, frame.payload, known=TO_UNIT) for frame in Decoder().feed(data)]


def handed_out(actions: list[Action]) -> list[ReceivedEvent]:
    return [action.event for action in actions if isinstance(action, Persist)]


def meet(session: Session, hello: Hello, now_ns: int) -> None:
    """The unit says who it is and what time it has: four seconds since its boot."""
    session.feed(wire(hello, boot=hello.boot_id), now_ns)
    session.feed(wire(TimeRsp(now_ns, 4_000_000, 4_000_000), boot=hello.boot_id), now_ns)


def session_in(state: State) -> Session:
    session = Session()
    if state is not State.CLOSED:
        session.port_opened(START)
    if state in (State.UP, State.DEGRADED):
        meet(session, HELLO, START)
    if state is State.DEGRADED:
        session.tick(START + 2_600 * MS)
    assert session.state is state
    return session


BEAT = Heartbeat(1, UnitState.STANDBY, True, 1, 0, 0, 0)
NOW = START + 2_700 * MS
GIVE: dict[Input, Callable[[Session], list[Action]]] = {
    Input.OPENED: lambda session: session.port_opened(NOW),
    Input.LOST: lambda session: session.port_lost(LinkReason.PORT_LOST, NOW),
    Input.HELLO: lambda session: session.feed(wire(HELLO), NOW),
    Input.REFUSED: lambda session: session.feed(wire(replace(HELLO, proto_min=2, proto_max=3)), NOW),
    Input.FRAME: lambda session: session.feed(wire(BEAT), NOW),
    Input.FOREIGN: lambda session: session.feed(wire(BEAT, boot=7), NOW),
    Input.LATE: lambda session: session.tick(START + 2_600 * MS),
    Input.SILENT: lambda session: session.tick(START + 5_100 * MS),
}


SAYS: dict[Do, list[type]] = {
    Do.NOTHING: [],
    Do.GREET: [TimeReq],
    Do.WELCOME: [TimeReq, HelloAck],
    Do.REFUSE: [],
    Do.LISTEN: [],
    Do.FOREIGN: [TimeReq],
    Do.FALL_SILENT: [],
    Do.GIVE_UP: [],
}


def test_the_table_is_complete() -> None:
    assert set(TABLE) == set(itertools.product(State, Input))


@pytest.mark.parametrize(("state", "input_"), list(itertools.product(State, Input)))
def test_every_line_of_the_table(state: State, input_: Input) -> None:
    session = session_in(state)
    do, after = TABLE[state, input_]
    actions = GIVE[input_](session)
    assert session.state is after
    said = [type(message) for message in sent(actions)]
    greeting_again = state is State.GREETING and input_ is Input.LATE
    talking = input_ is Input.LATE and state in (State.UP, State.DEGRADED)  # the time is asked for all the while
    assert said == ([TimeReq] if greeting_again or (talking and said) else SAYS[do])
    assert (ClosePort(LinkReason.SILENT) in actions) == (do is Do.GIVE_UP)


def test_no_state_is_a_trap() -> None:
    for state in State:
        seen, todo = {state}, [state]
        while todo:
            here = todo.pop()
            for (begin, _), (_, after) in TABLE.items():
                if begin is here and after not in seen:
                    seen.add(after)
                    todo.append(after)
        assert State.UP in seen


def test_the_host_asks_for_the_hello_without_a_session_until_it_comes() -> None:
    session = Session()
    asked = [action for action in session.port_opened(START) if isinstance(action, Send)]
    (frame,) = Decoder().feed(asked[0].data)
    assert (frame.type, frame.session) == (MessageType.TIME_REQ, 0)
    assert session.tick(START + 400 * MS) == []
    assert sent(session.tick(START + 500 * MS)) == [TimeReq(START + 500 * MS)]


def test_the_time_is_asked_for_before_the_hello_is_acknowledged() -> None:
    session = Session()
    session.port_opened(START)
    assert sent(session.feed(wire(HELLO), START)) == [TimeReq(START), HelloAck(1, BOOT & 0xFFFF)]
    status = session.status()
    assert (status.link, status.device_id, status.boot_id, status.firmware) == (LinkState.UP, "XU-1", BOOT, "2.3.1")


@pytest.mark.requirement("an exposure is confirmed to the unit only when it is on disk")
def test_an_event_is_acknowledged_after_it_is_durable_and_not_before() -> None:
    session = session_in(State.UP)
    actions = session.feed(wire(EXPOSURE, seq=1, flags=1), START)
    (event,) = handed_out(actions)
    assert event.key == EventKey("XU-1", BOOT, 1)
    assert event.message == EXPOSURE
    assert sent(actions) == []
    assert session.feed(wire(EXPOSURE, seq=1, flags=3), START) == []  # sent again: still in hand
    assert sent(session.events_persisted([event.key])) == [EventAck(1, 0)]
    assert session.events_persisted([event.key]) == []
    assert sent(session.feed(wire(EXPOSURE, seq=1, flags=3), START)) == [EventAck(1, 0)]  # the first one was lost
    assert session.status().counters.events_new == 1
    assert session.status().counters.events_repeated == 2


def test_events_that_became_durable_together_are_acknowledged_together() -> None:
    session = session_in(State.UP)
    gulp = b"".join(wire(EXPOSURE, seq=seq, flags=1) for seq in range(1, 9))
    keys = [event.key for event in handed_out(session.feed(gulp, START))]
    assert [key.seq for key in keys] == list(range(1, 9))
    assert sent(session.events_persisted(keys[:6])) == [EventAck(6, 0)]
    session.events_refused(keys[6:])
    assert [event.key for event in handed_out(session.feed(gulp, START + MS))] == keys[6:]


def test_what_comes_again_in_one_read_is_acknowledged_once() -> None:
    session = session_in(State.UP)
    gulp = b"".join(wire(EXPOSURE, seq=seq, flags=1) for seq in range(1, 5))
    session.events_persisted([event.key for event in handed_out(session.feed(gulp, START))])
    assert sent(session.feed(gulp, START + MS)) == [EventAck(4, 0)]
    assert session.feed(wire(BEAT), START + 2 * MS) == []  # and that is settled
    assert session.status().counters.events_repeated == 4


def test_bytes_are_read_as_they_come_only_while_the_moment_of_arrival_counts() -> None:
    session = session_in(State.GREETING)
    assert session.expects(START)  # nobody is met yet
    session.feed(wire(HELLO), START)
    assert session.expects(START + MS)  # its time is on the way
    session.feed(wire(TimeRsp(START, 4_000_000, 4_000_000)), START + 2 * MS)
    assert not session.expects(START + 3 * MS)
    (question,) = sent(session.tick(START + 980 * MS))
    assert isinstance(question, TimeReq)
    assert session.expects(START + 981 * MS)
    assert not session.expects(START + 1_100 * MS)  # an answer that late would say little


def test_a_refused_event_is_handed_out_again_and_the_status_says_why() -> None:
    session = session_in(State.UP)
    (event,) = handed_out(session.feed(wire(EXPOSURE), START))
    session.events_refused([event.key])
    assert session.status().reason is LinkReason.NOT_DURABLE
    assert handed_out(session.feed(wire(EXPOSURE, flags=3), START)) == [replace(event, replayed=True)]
    session.events_persisted([event.key])
    assert session.status().reason is LinkReason.NONE


def test_a_gap_is_asked_for_but_not_with_every_frame() -> None:
    session = session_in(State.UP)
    assert sent(session.feed(wire(EXPOSURE, seq=3), START)) == [ReplayReq(1)]
    assert sent(session.feed(wire(EXPOSURE, seq=4), START + MS)) == []
    assert sent(session.feed(wire(EXPOSURE, seq=5), START + 300 * MS)) == [ReplayReq(1)]
    assert handed_out(session.feed(wire(EXPOSURE, seq=1), START + 301 * MS))[0].key.seq == 1


def test_a_heartbeat_tells_of_an_event_that_never_came() -> None:
    session = session_in(State.UP)
    beat = Heartbeat(9, UnitState.READY, True, 1, 2, 0, 0)
    assert sent(session.feed(wire(beat), START + MS)) == [ReplayReq(1)]
    status = session.status()
    assert (status.unit_state, status.interlock_closed) == (UnitState.READY, True)
    assert status.last_heartbeat_ns == START + MS


def test_events_that_the_unit_could_not_keep_are_counted_as_lost() -> None:
    session = session_in(State.UP)
    session.feed(wire(Heartbeat(9, UnitState.READY, True, 4, 6, 0, 0)), START)
    assert session.status().counters.events_lost == 3
    (event,) = handed_out(session.feed(wire(EXPOSURE, seq=4), START))
    assert sent(session.events_persisted([event.key])) == [EventAck(4, 0)]


@pytest.mark.parametrize("first", [0, 1])
def test_a_unit_that_counts_from_nought_is_confirmed_too(first: int) -> None:
    session = Session()
    session.port_opened(START)
    meet(session, replace(HELLO, evt_oldest=0, evt_newest=0), START)
    actions = session.feed(wire(EXPOSURE, seq=first, flags=1), START)
    (event,) = handed_out(actions)
    assert ReplayReq(0) not in sent(actions)
    assert sent(session.events_persisted([event.key])) == [EventAck(first, 0)]


def test_a_heartbeat_that_contradicts_itself_confirms_nothing() -> None:
    session = session_in(State.UP)
    session.feed(wire(Heartbeat(9, UnitState.READY, True, 1000, 0, 0, 0)), START)
    assert handed_out(session.feed(wire(EXPOSURE, seq=1), START))[0].key.seq == 1
    counters = session.status().counters
    assert (counters.events_lost, counters.implausible) == (0, 1)


def test_events_of_another_session_are_left_alone_until_the_unit_says_who_it_is() -> None:
    session = session_in(State.UP)
    actions = session.feed(wire(EXPOSURE, seq=1, boot=BOOT + 1), START + 200 * MS)
    assert handed_out(actions) == []
    assert session.state is State.GREETING
    again = replace(HELLO, boot_id=BOOT + 1, evt_newest=1, reset_cause=ResetCause.BROWN_OUT)
    meet(session, again, START + 201 * MS)
    (event,) = handed_out(session.feed(wire(EXPOSURE, seq=1, boot=BOOT + 1), START + 202 * MS))
    assert event.key == EventKey("XU-1", BOOT + 1, 1)
    assert session.status().counters.sessions == 2


def test_persisting_an_event_of_a_boot_that_is_over_acknowledges_nothing_of_the_new_one() -> None:
    session = session_in(State.UP)
    (old,) = handed_out(session.feed(wire(EXPOSURE, seq=1), START))
    meet(session, replace(HELLO, boot_id=BOOT + 1, evt_newest=1), START)
    (new,) = handed_out(session.feed(wire(EXPOSURE, seq=1, boot=BOOT + 1), START))
    assert session.events_persisted([old.key]) == []
    assert sent(session.events_persisted([new.key])) == [EventAck(1, 0)]


def test_the_same_boot_after_a_pulled_cable_goes_on_where_it_was() -> None:
    session = session_in(State.UP)
    (event,) = handed_out(session.feed(wire(EXPOSURE, seq=1), START))
    session.port_lost(LinkReason.PORT_LOST, START)
    assert session.events_persisted([event.key]) == []  # nobody to tell
    session.port_opened(START + MS)
    session.feed(wire(replace(HELLO, evt_newest=1)), START + MS)
    actions = session.feed(wire(EXPOSURE, seq=1, flags=3), START + MS)
    assert handed_out(actions) == []
    assert sent(actions) == [EventAck(1, 0)]


def test_a_moment_is_mapped_by_the_time_that_the_unit_told() -> None:
    (event,) = handed_out(session_in(State.UP).feed(wire(replace(EXPOSURE, tick_on=3_500_000)), START + 3 * MS))
    assert event.mapped is True
    assert event.host_monotonic_ns == START - 500 * MS
    assert event.device_tick == 3_500_000


def test_an_event_waits_a_second_for_the_unit_s_time_and_no_longer() -> None:
    session = session_in(State.GREETING)
    session.feed(wire(HELLO), START)  # its TIME_RSP is lost
    assert session.feed(wire(EXPOSURE), START + MS) == []
    (event,) = handed_out(session.feed(wire(EXPOSURE, flags=3), START + 1_001 * MS))
    assert (event.mapped, event.host_monotonic_ns) == (False, START + 1_001 * MS)


def test_an_answer_to_a_question_that_was_not_asked_is_ignored() -> None:
    session = session_in(State.GREETING)
    session.feed(wire(HELLO), START)
    session.feed(wire(TimeRsp(START - 1, 4_000_000, 4_000_000)), START + 2 * MS)
    assert session.status().round_trip_ns is None


def test_an_event_kept_over_a_reset_bears_its_own_boot_and_its_own_time() -> None:
    session = session_in(State.UP)
    hello = replace(HELLO, boot_id=BOOT + 1, evt_oldest=7, evt_newest=7, reset_cause=ResetCause.BROWN_OUT)
    meet(session, hello, START + 900 * MS)
    kept = replace(EXPOSURE, tick_on=4_100_000, tick_off=4_140_000, boot_id=BOOT)
    (event,) = handed_out(session.feed(wire(kept, seq=7, boot=BOOT + 1, flags=3), START + 901 * MS))
    assert event.key == EventKey("XU-1", BOOT, 7)
    assert (event.mapped, event.host_monotonic_ns, event.replayed) == (True, START + 100 * MS, True)
    assert sent(session.events_persisted([event.key])) == [EventAck(7, 0)]


@pytest.mark.parametrize(
    ("type_", "payload"),
    [
        (MessageType.EXPOSURE, cbor2.dumps(cbor2.loads(encode(EXPOSURE)) | {3: 99_999})),  # 9999.9 kV
        (MessageType.EXPOSURE, b"\xff"),
        (0x13, b"\xa0"),  # an event of newer firmware
    ],
)
def test_an_event_that_can_t_be_read_is_kept_as_a_fault_and_blocks_nothing(type_: int, payload: bytes) -> None:
    session = session_in(State.UP)
    (event,) = handed_out(session.feed(encode_frame(Frame(type_, 1, BOOT & 0xFFFF, 1, payload)), START))
    assert isinstance(event.message, Fault)
    assert event.message.code is FaultCode.UNREADABLE_EVENT
    assert (event.payload, event.mapped, event.host_monotonic_ns) == (payload, False, START)
    assert sent(session.events_persisted([event.key])) == [EventAck(1, 0)]


def test_an_unknown_message_that_wants_no_acknowledgement_is_counted_and_ignored() -> None:
    session = session_in(State.UP)
    assert session.feed(encode_frame(Frame(0x55, 0, BOOT & 0xFFFF, 1, b"\xa0")), START) == []
    assert session.feed(wire(TimeReq(1)), START) == []  # the line echoes
    assert session.status().counters.unknown_message == 2


@pytest.mark.parametrize(
    ("hello", "boot"),
    [
        (HELLO, BOOT + 1),  # the header names another session
        (replace(HELLO, boot_id=1 << 16), 1 << 16),  # session 0 is nobody's
        (replace(HELLO, evt_oldest=5, evt_newest=3), BOOT),
    ],
)
def test_a_hello_that_contradicts_itself_is_ignored(hello: Hello, boot: int) -> None:
    session = session_in(State.GREETING)
    assert session.feed(wire(hello, boot=boot), START) == []
    assert session.state is State.GREETING
    assert session.status().counters.implausible == 1


def test_a_unit_of_another_protocol_is_named_as_such() -> None:
    session = session_in(State.GREETING)
    session.feed(wire(replace(HELLO, proto_min=2, proto_max=4)), START)
    session.feed(wire(BEAT), START)
    assert session.status().reason is LinkReason.INCOMPATIBLE


def test_the_live_state_follows_events_at_once_but_not_replays() -> None:
    session = session_in(State.UP)
    session.feed(wire(StateChange(1, UnitState.STANDBY, UnitState.PREP), seq=1), START)
    assert session.status().unit_state is UnitState.PREP
    session.feed(wire(StateChange(1, UnitState.PREP, UnitState.READY), seq=2, flags=3), START)
    assert session.status().unit_state is UnitState.PREP


def test_silence_degrades_the_link_then_gives_the_port_up() -> None:
    session = session_in(State.UP)
    seen: list[tuple[int, LinkState]] = []
    for now_ms in range(0, 6000, 50):
        session.tick(START + now_ms * MS)
        if not seen or seen[-1][1] is not session.status().link:
            seen.append((now_ms, session.status().link))
    assert seen == [(0, LinkState.UP), (2450, LinkState.DEGRADED), (5050, LinkState.DOWN)]
    assert session.status().reason is LinkReason.SILENT


def test_the_time_is_asked_often_at_first_then_each_second() -> None:
    session = session_in(State.UP)
    asked = []
    for now_ms in range(0, 4000, 10):
        now = START + now_ms * MS
        session.feed(wire(BEAT), now)
        asked += [now_ms for message in sent(session.tick(now)) if isinstance(message, TimeReq)]
    assert asked[:7] == [60, 120, 180, 240, 300, 360, 420]
    assert [b - a for a, b in itertools.pairwise(asked[8:])] == [980] * len(asked[9:])


ODD_NUMBERS = st.sampled_from([0, 1, 2, 7, 2**16, 2**32 - 1, 2**53 - 1, 2**63 - 1])
ODD_PAYLOADS = st.dictionaries(
    st.integers(0, 16), ODD_NUMBERS | st.booleans() | st.just("x") | st.just(["x"]), max_size=12
)
ODD_FRAMES = st.builds(
    Frame,
    type=st.sampled_from([*MessageType, 0x13, 0xFF]),
    flags=st.integers(0, 255),
    session=st.sampled_from([BOOT & 0xFFFF, 0, 7]),
    seq=ODD_NUMBERS.filter(lambda number: number < 2**32),
    payload=ODD_PAYLOADS.map(cbor2.dumps) | st.binary(max_size=40),
)


@given(st.lists(st.tuples(ODD_FRAMES, st.booleans(), st.integers(0, 3000)), max_size=30))
def test_no_unit_however_odd_makes_the_session_raise_or_acknowledge_unkept_events(
    story: list[tuple[Frame, bool, int]],
) -> None:
    session, now, kept = session_in(State.UP), START, set[int]()
    for frame, keeps, later_ms in story:
        now += later_ms * MS
        actions = session.feed(encode_frame(frame), now) + session.tick(now)
        for event in handed_out(actions):
            if keeps:
                kept.add(event.key.seq)
                actions += session.events_persisted([event.key])
            else:
                session.events_refused([event.key])
        for message in sent(actions):
            if isinstance(message, EventAck) and frame.type in (MessageType.STATE, MessageType.EXPOSURE, 0x13):
                assert frame.seq in kept
        session.status()


def test_an_event_that_contradicts_itself_is_kept_as_a_fault_acknowledged_and_counted() -> None:
    session = session_in(State.UP)
    (event,) = handed_out(session.feed(wire(replace(EXPOSURE, tick_off=3_400_000), seq=1), START))
    assert isinstance(event.message, Fault)
    assert (event.message.code, event.message.text) == (FaultCode.IMPLAUSIBLE_EVENT, "ends-before-it-begins")
    assert event.payload == encode(replace(EXPOSURE, tick_off=3_400_000))
    assert sent(session.events_persisted([event.key])) == [EventAck(1, 0)]
    status = session.status()
    assert status.counters.implausible == 1
    assert status.last_exposure is None
    assert status.active_faults == ()


def test_ticks_that_run_backwards_in_one_boot_are_counted() -> None:
    session = session_in(State.UP)
    session.feed(wire(replace(BEAT, tick=9_000_000), seq=8), START)
    session.feed(wire(replace(BEAT, tick=4_000_000), seq=9), START)
    assert session.status().counters.implausible == 1


@pytest.mark.requirement("exposures of another unit are kept apart")
def test_another_unit_on_the_port_is_named_and_heard_under_its_own_name() -> None:
    session = Session(expected_id="XU-1")
    session.port_opened(START)
    meet(session, HELLO, START)
    assert session.status().reason is LinkReason.NONE
    meet(session, replace(HELLO, device_id="XU-2", boot_id=BOOT + 1), START)
    status = session.status()
    assert (status.link, status.reason) == (LinkState.UP, LinkReason.OTHER_UNIT)
    assert (status.device_id, status.expected_device_id) == ("XU-2", "XU-1")
    (event,) = handed_out(session.feed(wire(EXPOSURE, seq=1, boot=BOOT + 1), START))
    assert event.key == EventKey("XU-2", BOOT + 1, 1)
    assert sent(session.events_persisted([event.key])) == [EventAck(1, 0)]


def test_the_status_tells_heat_battery_and_the_last_exposure_over_a_reset() -> None:
    session = session_in(State.UP)
    session.feed(wire(replace(BEAT, anode_heat_percent=91, battery_percent=15, battery_charging=True)), START)
    session.feed(wire(EXPOSURE, seq=1), START)
    meet(session, replace(HELLO, boot_id=BOOT + 1), START)
    status = session.status()
    assert status.last_exposure is not None
    assert status.last_exposure.message == EXPOSURE
    assert status.anode_heat_percent is None  # the new boot has not said it yet
    session.feed(
        wire(replace(BEAT, anode_heat_percent=91, battery_percent=15, battery_charging=True), 2, BOOT + 1), START
    )
    status = session.status()
    assert (status.anode_heat_percent, status.anode_heat_ok, status.battery_percent) == (91, False, 15)


def test_bytes_that_never_make_a_frame_are_a_matter_of_the_line_s_speed() -> None:
    session = session_in(State.GREETING)
    session.feed(bytes(range(1, 100)), START)
    assert session.status().reason is LinkReason.WRONG_BAUD
    session.feed(b"\0" + wire(HELLO), START)
    assert session.status().reason is LinkReason.NONE
