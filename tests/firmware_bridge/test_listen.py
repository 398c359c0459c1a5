"""The listener: hears all that a session hears, keeps it, and has no way to say anything."""

from __future__ import annotations

import ast
import itertools
import os
import threading
import tty
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge import listen
from firmware_bridge.bridge import Bridge, Plan
from firmware_bridge.driver import Action, ClosePort, Persist, Send
from firmware_bridge.frame import Frame
from firmware_bridge.frame import encode as encode_frame
from firmware_bridge.link import EventKey, LinkReason, LinkState, Mode, ReceivedEvent
from firmware_bridge.listen import UNNAMED, Listener
from firmware_bridge.messages import (
    TYPE_OF,
    EndCode,
    Exposure,
    ExposureSource,
    Heartbeat,
    Hello,
    Message,
    ResetCause,
    StateChange,
    UnitState,
    encode,
)
from firmware_bridge.port import ListeningPort
from firmware_bridge.states import LISTENING, SENDS, TABLE, Do, Input, State
from tests.firmware_bridge.rig import Disk

MS = 1_000_000
START = 50_000 * MS
BOOT = 0x1234A5B6C7
HELLO = Hello(1, 1, "XU-1", BOOT, "2.3.1", 1_000_000, 512, (), 1, 0, ResetCause.POWER_ON)
EXPOSURE = Exposure(3_500_000, 3_540_000, 55.0, 100.0, 40.0, 4.0, EndCode.NORMAL, ExposureSource.GENERATOR)
passive = pytest.mark.requirement("the appliance can't actuate the X-ray unit")


def wire(message: Message, seq: int = 1, boot: int = BOOT, flags: int = 0) -> bytes:
    return encode_frame(Frame(TYPE_OF[type(message)], flags, boot & 0xFFFF, seq, encode(message)))


def beat(tick_ms: int, newest: int = 0) -> Heartbeat:
    return Heartbeat(tick_ms * 1000, UnitState.STANDBY, True, 1, newest, 0, 0, 42, 77, False)


def heard(actions: list[Action]) -> list[ReceivedEvent]:
    return [action.event for action in actions if isinstance(action, Persist)]


def listener(**options: str) -> Listener:
    ears = Listener(**options)
    assert ears.port_opened(START) == []
    return ears


@passive
def test_the_table_says_what_a_listener_may_not_do() -> None:
    assert set(LISTENING) == set(itertools.product(State, Input)) == set(TABLE)
    done = {do for do, _ in LISTENING.values()}
    assert not done & SENDS
    assert {Do.GREET, Do.WELCOME, Do.LISTEN, Do.FOREIGN} == SENDS
    assert done | SENDS == set(Do)
    assert set(Listener()._acts) == done


@passive
def test_nothing_in_the_module_makes_a_frame_or_sends_one() -> None:
    tree = ast.parse(Path(listen.__file__).read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not names & {"Send", "encode", "encode_frame", "encode_request", "EventAck", "TimeReq", "ReplayReq"}


GIVE: dict[Input, Callable[[Listener], list[Action]]] = {
    Input.OPENED: lambda ears: ears.port_opened(START),
    Input.LOST: lambda ears: ears.port_lost(LinkReason.PORT_LOST, START),
    Input.HELLO: lambda ears: ears.feed(wire(HELLO), START),
    Input.REFUSED: lambda ears: ears.feed(wire(replace(HELLO, proto_min=2, proto_max=3)), START),
    Input.FRAME: lambda ears: ears.feed(wire(beat(1)), START),
    Input.FOREIGN: lambda ears: ears.feed(wire(beat(1), boot=7), START),
    Input.LATE: lambda ears: ears.tick(START + 2_600 * MS),
    Input.SILENT: lambda ears: ears.tick(START + 5_100 * MS),
}


def listener_in(state: State) -> Listener:
    ears = Listener()
    if state is not State.CLOSED:
        ears.port_opened(START)
    if state in {State.UP, State.DEGRADED}:
        ears.feed(wire(HELLO), START)
    if state is State.DEGRADED:
        ears.tick(START + 2_600 * MS)
    assert ears._state is state
    return ears


@pytest.mark.parametrize(("state", "input_"), list(itertools.product(State, Input)))
def test_every_line_of_the_table(state: State, input_: Input) -> None:
    ears = listener_in(state)
    do, after = LISTENING[state, input_]
    actions = GIVE[input_](ears)
    assert ears._state is after
    assert actions == ([ClosePort(LinkReason.SILENT)] if do is Do.GIVE_UP else [])


@passive
@given(
    st.lists(
        st.binary(max_size=60) | st.sampled_from([wire(HELLO), wire(beat(5)), wire(EXPOSURE), wire(EXPOSURE, 9, 7)])
    )
)
def test_no_bytes_make_it_say_anything(chunks: list[bytes]) -> None:
    ears, now_ns = listener(), START
    for chunk in chunks:
        now_ns += 400 * MS
        for action in [*ears.feed(chunk, now_ns), *ears.tick(now_ns)]:
            assert not isinstance(action, Send)
    ears.status()


def test_events_are_handed_out_once_with_the_moment_that_one_way_allows() -> None:
    ears = listener()
    ears.feed(wire(HELLO), START)
    line_ns = 4 * MS
    for second in range(5):
        ears.feed(wire(beat(3_000 + second * 1000)), START + second * 1000 * MS + line_ns)
    (event,) = heard(ears.feed(wire(EXPOSURE, seq=1), START + 5_000 * MS))
    assert event.key == EventKey("XU-1", BOOT, 1)
    assert event.mapped
    assert abs(event.host_monotonic_ns - (START + 500 * MS)) < 3 * MS  # tick 3.5 s; the boot was 3 s before START
    assert ears.events_persisted([event.key]) == []
    assert heard(ears.feed(wire(EXPOSURE, seq=1, flags=3), START + 5_200 * MS)) == []
    status = ears.status()
    assert (status.link, status.reason, status.mode) == (LinkState.UP, LinkReason.NONE, Mode.LISTEN)
    assert (status.device_id, status.firmware, status.battery_percent) == ("XU-1", "2.3.1", 77)
    assert status.counters.events_repeated == 1
    assert status.last_exposure is not None
    assert status.last_exposure.message == EXPOSURE


def test_a_listener_that_comes_late_keeps_events_under_a_name_for_the_time_being() -> None:
    ears = listener()
    (event,) = heard(ears.feed(wire(EXPOSURE, seq=31), START))
    assert event.key == EventKey(UNNAMED, BOOT & 0xFFFF, 31)
    assert not event.mapped
    assert ears.events_persisted([event.key]) == []
    assert (ears.status().link, ears.status().reason) == (LinkState.UP, LinkReason.NOT_NAMED)
    ears.feed(wire(HELLO), START)
    assert ears.status().reason is LinkReason.NONE
    assert heard(ears.feed(wire(EXPOSURE, seq=31, flags=3), START)) == []  # the same event, sent again
    (named,) = heard(ears.feed(wire(EXPOSURE, seq=32), START))
    assert named.key == EventKey("XU-1", BOOT, 32)


def test_the_expected_unit_gives_its_name_until_the_unit_itself_does() -> None:
    ears = listener(expected_id="XU-1")
    (event,) = heard(ears.feed(wire(EXPOSURE, seq=31), START))
    assert event.key.device_id == "XU-1"
    ears.events_persisted([event.key])
    ears.feed(wire(replace(HELLO, device_id="XU-9")), START)
    assert ears.status().reason is LinkReason.OTHER_UNIT
    assert ears.status().expected_device_id == "XU-1"


def test_what_a_reset_brings_again_is_not_told_twice() -> None:
    ears = listener()
    (first,) = heard(ears.feed(wire(EXPOSURE, seq=31), START))  # before any HELLO
    ears.events_persisted([first.key])
    ears.feed(wire(replace(HELLO, boot_id=BOOT + 1), boot=BOOT + 1), START)
    kept = replace(EXPOSURE, boot_id=BOOT)
    assert heard(ears.feed(wire(kept, seq=31, boot=BOOT + 1, flags=3), START)) == []
    (other,) = heard(ears.feed(wire(replace(kept, kvp=60.0), seq=32, boot=BOOT + 1, flags=3), START))
    assert other.key == EventKey("XU-1", BOOT, 32)
    assert other.replayed
    assert not other.mapped


def test_gaps_are_counted_since_nothing_can_be_asked_for() -> None:
    ears = listener()
    ears.feed(wire(HELLO), START)
    for seq in (1, 2, 5):
        ears.feed(wire(StateChange(seq, UnitState.STANDBY, UnitState.PREP), seq=seq), START)
    ears.feed(wire(beat(9, newest=9)), START)
    assert ears.status().counters.gaps == 2
    assert len(heard(ears.feed(wire(EXPOSURE, seq=4), START))) == 1  # late is not lost


@pytest.mark.requirement("an exposure that was heard is kept, or offered again until it can be")
def test_what_can_t_be_kept_now_is_offered_until_it_is() -> None:
    ears = listener()
    (event,) = heard(ears.feed(wire(EXPOSURE), START))
    ears.events_refused([event.key])
    assert ears.status().reason is LinkReason.NOT_DURABLE
    assert heard(ears.tick(START + 600 * MS)) == [event]
    assert heard(ears.tick(START + 700 * MS)) == []
    assert heard(ears.tick(START + 1_200 * MS)) == [event]
    ears.events_persisted([event.key])
    assert heard(ears.tick(START + 2_000 * MS)) == []


def test_a_line_of_another_speed_is_named_as_such() -> None:
    ears = listener()
    for _ in range(4):
        ears.feed(bytes(range(1, 40)) + b"\0", START)
    assert ears.status().reason is LinkReason.WRONG_BAUD
    ears.feed(wire(HELLO), START)
    assert ears.status().reason is LinkReason.NONE


@passive
def test_the_port_s_descriptor_can_not_write() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    port = ListeningPort(os.ttyname(slave))
    try:
        assert os.get_blocking(port.fileno()) is False
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(port.fileno(), b"x")
        with pytest.raises(PermissionError):
            port.write(b"x")
        flags = Path(f"/proc/self/fdinfo/{port.fileno()}").read_text(encoding="ascii")
        (line,) = (line for line in flags.splitlines() if line.startswith("flags:"))
        assert int(line.split()[1], 8) & os.O_ACCMODE == os.O_RDONLY
        os.write(master, b"\x00\x11\x13\xff\n")
        assert port.read() == b"\x00\x11\x13\xff\n"
    finally:
        port.close()
        os.close(slave)
        os.close(master)


@passive
def test_a_listening_bridge_records_and_not_one_byte_arrives_at_the_unit(disk: Disk, tmp_path: Path) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    (tmp_path / "unit").symlink_to(os.ttyname(slave))
    stop = threading.Event()
    bridge = Bridge(str(tmp_path / "unit"), disk, plan=Plan(Mode.LISTEN))
    thread = threading.Thread(target=bridge.run, args=(stop,))
    thread.start()
    try:
        disk.wait_for(lambda: disk.now.reason is LinkReason.NO_HELLO)
        for part in (wire(HELLO), b"\xff\x00noise\x00", wire(beat(3_000)), wire(EXPOSURE, 1, flags=1)):
            os.write(master, part)
        disk.wait_for_exposures(1)
        os.write(master, wire(EXPOSURE, 1, flags=1))  # nobody acknowledged it: the unit sends it again
        disk.wait_for(lambda: disk.now.counters.events_repeated == 1)
        os.set_blocking(master, False)
        with pytest.raises(BlockingIOError):
            os.read(master, 1)
    finally:
        stop.set()
        thread.join(5)
        os.close(slave)
        os.close(master)
    assert disk.techniques == [EXPOSURE]
    assert len(disk.calls) == 1
