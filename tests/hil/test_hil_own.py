"""Units that speak our own link: what docs/serial-link.md promises to the host."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from firmware_bridge.frame import Decoder, Frame, encode
from firmware_bridge.messages import (
    TO_UNIT,
    TYPE_OF,
    EventAck,
    Heartbeat,
    Hello,
    HelloAck,
    Message,
    ReplayReq,
    StateChange,
    TimeReq,
    TimeRsp,
    UnitState,
    UnknownMessage,
    decode,
)
from firmware_bridge.messages import encode as encode_message
from firmware_bridge.port import Port
from firmware_bridge.trace import traced
from tests.hil.subject import OPERATOR_S, Subject, exposures, until

pytestmark = pytest.mark.profiles("own")


class Wire:
    """The bare line: sends one frame, hears the unit's."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self.session = 0
        self.decoder = Decoder()

    def send(self, message: Message, session: int | None = None) -> None:
        named = self.session if session is None else session
        self.port.write(encode(Frame(TYPE_OF[type(message)], 0, named, 1, encode_message(message)), flush=True))

    def hear(self, kind: type, seconds: float = 5.0) -> tuple[Frame, Any]:
        deadline_s = time.monotonic() + seconds
        while time.monotonic() < deadline_s:
            for frame in self.decoder.feed(self.port.read()):
                try:
                    message = decode(frame.type, frame.payload)
                except UnknownMessage:
                    continue
                if isinstance(message, kind):
                    return frame, message
        raise AssertionError(f"no {kind.__name__} in {seconds} s; {self.decoder.counters}")

    def greet(self) -> Hello:
        """Asks who is there, and says that we have understood."""
        self.send(TimeReq(0), session=0)
        frame, hello = self.hear(Hello)
        self.session = frame.session
        self.send(HelloAck(1, self.session))
        assert isinstance(hello, Hello)
        return hello


@contextmanager
def wire(subject: Subject) -> Iterator[Wire]:
    port = traced(subject.plan.open_port, subject.trace)(subject.port)
    try:
        yield Wire(port)
    finally:
        port.close()


def test_a_frame_of_no_session_is_answered_with_hello(subject: Subject) -> None:
    with wire(subject) as line:
        hello = line.greet()
        assert hello.proto_min <= 1 <= hello.proto_max
        assert hello.boot_id & 0xFFFF == line.session != 0
        assert hello.evt_oldest <= hello.evt_newest + 1


def test_a_heartbeat_comes_each_second_with_rising_ticks(subject: Subject) -> None:
    with wire(subject) as line:
        hello = line.greet()
        line.hear(Heartbeat)  # the one that follows the greeting
        beats = [(line.hear(Heartbeat)[1].tick, time.monotonic()) for _ in range(4)]
    for (tick_a, at_a), (tick_b, at_b) in itertools.pairwise(beats):
        assert (tick_b - tick_a) / hello.tick_hz == pytest.approx(1.0, abs=0.2)
        assert at_b - at_a == pytest.approx(1.0, abs=0.8)


def test_the_time_is_answered_with_what_was_asked(subject: Subject) -> None:
    with wire(subject) as line:
        hello = line.greet()
        ticks = []
        for t1 in (1, 2**40, 2**62):
            line.send(TimeReq(t1))
            _, answer = line.hear(TimeRsp)
            assert answer.t1 == t1
            assert answer.rx_tick <= answer.tx_tick < answer.rx_tick + hello.tick_hz
            ticks.append(answer.rx_tick)
        assert ticks == sorted(ticks)


@pytest.mark.requirement("nothing sent to the unit can make it expose")
def test_no_message_that_exists_moves_the_unit(subject: Subject) -> None:
    with wire(subject) as line:
        line.greet()
        _, before = line.hear(Heartbeat)
        for message in (TimeReq(7), HelloAck(1, line.session), ReplayReq(2**31), EventAck(0, 0)):
            line.send(message)
            line.send(message, session=line.session ^ 1)
        for type_ in set(range(256)) - set(TO_UNIT):  # nor any that does not
            line.port.write(encode(Frame(type_, 0, line.session, 1, b"\xa0")))
        line.decoder = Decoder()
        line.hear(Heartbeat)
        _, after = line.hear(Heartbeat)
        assert after.state is before.state
        assert after.evt_newest == before.evt_newest


def test_noise_from_the_host_is_counted_and_harms_nothing(subject: Subject) -> None:
    with wire(subject) as line:
        line.greet()
        _, before = line.hear(Heartbeat)
        for size in (1, 17, 300, 1024):
            line.port.write(subject.rng.randbytes(size) + b"\0")
        time.sleep(0.2)
        line.hear(Heartbeat)
        _, after = line.hear(Heartbeat)
        assert after.rx_bad > before.rx_bad
        line.send(TimeReq(99))
        assert line.hear(TimeRsp)[1].t1 == 99


@pytest.mark.exposes
@pytest.mark.requirement("no exposure is lost, doubled or invented")
def test_an_exposure_while_no_host_is_there_is_told_when_one_comes(subject: Subject) -> None:
    with subject.host() as disk:
        until(disk, lambda: disk.now.unit_state is UnitState.STANDBY, 10)
    subject.expose()
    if subject.rig is not None:
        subject.rig.wait_for_line("WAIT_RELEASE->STANDBY")
    else:
        time.sleep(20)  # the person presses the switch now
    with subject.host(disk):
        exposures(disk, 1, seconds=OPERATOR_S)
        (event,) = disk.exposures
        assert event.replayed or event.mapped


@pytest.mark.exposes
def test_what_is_not_confirmed_is_sent_again_and_what_is_confirmed_is_not(subject: Subject) -> None:
    with wire(subject) as line:
        line.greet()
        subject.expose()
        first, _ = line.hear(StateChange, OPERATOR_S)
        again, _ = line.hear(StateChange, 5)
        while again.seq != first.seq:
            again, _ = line.hear(StateChange, 5)
        assert again.flags & 2  # a replay
        line.hear(Heartbeat)
        line.send(EventAck(first.seq, 0))
        line.send(ReplayReq(0))
        _, beat = line.hear(Heartbeat, 5)
        assert beat.evt_oldest == first.seq + 1


@pytest.mark.exposes
def test_the_states_of_an_exposure_come_in_order(subject: Subject) -> None:
    with subject.host() as disk:
        until(disk, lambda: disk.now.unit_state is UnitState.STANDBY, 10)
        subject.expose()
        exposures(disk, 1, seconds=OPERATOR_S)
        until(disk, lambda: disk.now.unit_state is UnitState.STANDBY, 20)
        seen = [event.message.new for event in disk.events.values() if isinstance(event.message, StateChange)]
    order = [UnitState.PREP, UnitState.READY, UnitState.EXPOSING, UnitState.WAIT_RELEASE, UnitState.STANDBY]
    assert [state for state in seen if state in order] == seen
    assert seen[-1] is UnitState.STANDBY
    assert UnitState.EXPOSING in seen


@pytest.mark.sim_only
def test_heat_and_battery_are_told(subject: Subject) -> None:
    with subject.host() as disk:
        subject.do("battery", percent=15, charging=False)
        subject.do("warm", percent=90)
        until(disk, lambda: disk.now.battery_percent == 15 and (disk.now.anode_heat_percent or 0) >= 89, 10)
        assert disk.now.battery_charging is False
        assert {fault.code.name for fault in disk.now.active_faults} == {"BATTERY_LOW", "OVERTEMPERATURE"}
