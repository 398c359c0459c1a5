"""Passive by construction: whatever a unit says and in whatever mode, what leaves can't actuate it.

Walks every type of message, every mode, and what each driver sends when it is told anything at all.
"""

from __future__ import annotations

from dataclasses import fields
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge import messages
from firmware_bridge.driver import Driver, Send
from firmware_bridge.fields import Choice, Flag, Scaled, Texts, Whole, slots_of
from firmware_bridge.frame import Decoder, Frame
from firmware_bridge.frame import encode as encode_frame
from firmware_bridge.link import Mode
from firmware_bridge.messages import TO_HOST, TO_UNIT, TYPE_OF, Hello, MessageType, ResetCause, TimeRsp, decode, encode
from firmware_bridge.plan import MODES, Plan
from firmware_bridge.spellman.guard import REQUESTS

pytestmark = pytest.mark.requirement("the appliance can't actuate the X-ray unit")

BOOT = 0x1234A5B6C7
HELLO = Hello(1, 1, "XU-1", BOOT, "2.3.1", 1_000_000, 512, (), 1, 0, ResetCause.POWER_ON)
ALLOWED = {
    "HelloAck": {"proto", "session"},
    "TimeReq": {"t1"},
    "EventAck": {"upto", "bitmap"},
    "ReplayReq": {"first"},
}
"""Written down a second time, by hand: who, when, which, and nothing that a unit could be set to."""
MS = 1_000_000


@pytest.mark.parametrize("type_", range(256))
def test_every_type_there_could_be(type_: int) -> None:
    """A type that the host may send is one of the four, holds numbers of its own bookkeeping only, and no event."""
    if type_ not in TO_UNIT:
        assert type_ not in TYPE_OF.values() or type_ in TO_HOST
        return
    message = TO_UNIT[type_]
    assert message.__name__ in ALLOWED
    assert {field.name for field in fields(message)} == ALLOWED[message.__name__]
    for slot in slots_of(message):
        assert isinstance(slot.kind, Whole)  # no text, no list, no choice of states, nothing with a physical unit
        assert not isinstance(slot.kind, Scaled | Flag | Choice | Texts)
    assert message not in get_args(messages.Event)


def test_no_number_stands_for_two_directions_and_all_are_walked() -> None:
    assert {message.__name__ for message in TO_UNIT.values()} == set(ALLOWED)
    assert set(TO_UNIT) | set(TO_HOST) == set(MessageType)
    assert not set(TO_UNIT) & set(TO_HOST)
    assert sum(len(profiles) for profiles in MODES.values()) == 4  # a new way to take part has to be tested here


def said(driver: Driver, chunks: list[bytes], pauses_ms: list[int]) -> list[bytes]:
    """Everything that the driver sends when a unit says these things."""
    now_ns = 10**12
    actions = list(driver.port_opened(now_ns))
    for chunk, pause_ms in zip(chunks, pauses_ms, strict=True):
        now_ns += pause_ms * MS
        actions += [*driver.feed(chunk, now_ns), *driver.tick(now_ns)]
    return [action.data for action in actions if isinstance(action, Send)]


frames = st.tuples(st.integers(0, 255), st.integers(0, 3), st.integers(0, 70), st.binary(max_size=60)).map(
    lambda f: encode_frame(Frame(f[0], f[1], BOOT & 0xFFFF, f[2], f[3]))
)
greetings = st.sampled_from([
    encode_frame(Frame(TYPE_OF[type(message)], 0, BOOT & 0xFFFF, 1, encode(message)))
    for message in (HELLO, TimeRsp(10**12, 5_000_000, 5_000_000))
])  # fmt: skip
anything = st.lists(st.tuples(st.binary(max_size=60) | frames | greetings, st.integers(0, 3000)), max_size=25)


@settings(max_examples=200)
@given(anything)
def test_a_session_says_the_four_and_nothing_else(heard: list[tuple[bytes, int]]) -> None:
    sent = said(Plan().driver(), [chunk for chunk, _ in heard], [pause for _, pause in heard])
    decoder = Decoder()
    got = [frame for data in sent for frame in decoder.feed(data)]
    assert len(got) == len(sent)
    for frame in got:
        assert type(decode(frame.type, frame.payload)).__name__ in ALLOWED


@settings(max_examples=200)
@given(anything)
def test_a_listener_says_nothing(heard: list[tuple[bytes, int]]) -> None:
    assert said(Plan(Mode.LISTEN).driver(), [chunk for chunk, _ in heard], [pause for _, pause in heard]) == []


@pytest.mark.parametrize("profile", MODES[Mode.POLL])
@given(heard=anything)
def test_a_poller_says_the_listed_reads_and_nothing_else(profile: str, heard: list[tuple[bytes, int]]) -> None:
    sent = said(Plan(Mode.POLL, profile).driver(), [chunk for chunk, _ in heard], [pause for _, pause in heard])
    assert set(sent) <= {wire for (name, _), wire in REQUESTS.items() if name == profile}
