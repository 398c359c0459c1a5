"""Messages: every type there and back, what is refused, and that nothing can actuate the unit."""

from __future__ import annotations

from dataclasses import fields, replace
from enum import IntEnum
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.fields import Choice, Flag, Kind, Scaled, Text, Texts, Whole, slots_of
from firmware_bridge.messages import (
    EVENTS,
    TO_HOST,
    TO_UNIT,
    TYPE_OF,
    EndCode,
    EventAck,
    Exposure,
    ExposureSource,
    Heartbeat,
    HelloAck,
    Log,
    Message,
    MessageError,
    MessageType,
    ReplayReq,
    TimeReq,
    UnitState,
    UnknownMessage,
    decode,
    encode,
)

ALL = TO_HOST | TO_UNIT
EXPOSURE = Exposure(3_500_000, 3_540_000, 55.0, 100.0, 40.0, 4.0, EndCode.NORMAL, ExposureSource.GENERATOR)


def values_of(kind: Kind) -> st.SearchStrategy[Any]:
    match kind:
        case Whole(low, high):
            return st.integers(low, high)
        case Scaled(per_unit, high):
            return st.integers(0, high * per_unit).map(lambda steps: steps / per_unit)
        case Flag():
            return st.booleans()
        case Text(low, high):
            return st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=low, max_size=high)
        case Texts(count, each):
            return st.lists(values_of(each), max_size=count).map(tuple)
        case Choice(names):
            return st.sampled_from(list(names))
    raise AssertionError(kind)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    message = ALL[draw(st.sampled_from(sorted(ALL)))]
    values = {}
    for slot in slots_of(message):
        value = values_of(slot.kind)
        values[slot.name] = draw(st.none() | value if slot.optional else value)
    return message(**values)  # type: ignore[no-any-return]


@given(messages())
def test_every_message_comes_back_as_it_went(message: Message) -> None:
    assert decode(TYPE_OF[type(message)], encode(message)) == message


@pytest.mark.requirement("the appliance can't actuate the X-ray unit")
def test_nothing_that_the_host_can_say_actuates_the_unit() -> None:
    complete = {0x02: HelloAck, 0x04: TimeReq, 0x20: EventAck, 0x21: ReplayReq}
    assert complete == TO_UNIT
    said = {field.name for message in TO_UNIT.values() for field in fields(message)}
    assert said == {"proto", "session", "t1", "upto", "bitmap", "first"}  # who, when, which: no value for the unit


def test_every_type_has_one_direction_and_one_number() -> None:
    assert not TO_HOST.keys() & TO_UNIT.keys()
    assert set(TO_HOST) | set(TO_UNIT) == set(MessageType)
    assert set(TO_HOST) >= EVENTS
    assert len(TYPE_OF) == len(MessageType)


@pytest.mark.parametrize("message", ALL.values(), ids=lambda message: message.__name__)
def test_every_field_refuses_what_lies_outside_its_range(message: type) -> None:
    good = {slot.key: _low(slot.kind) for slot in slots_of(message)}
    number = TYPE_OF[message]
    assert isinstance(decode(number, cbor2.dumps(good)), message)
    for slot in slots_of(message):
        for wrong in _outside(slot.kind):
            with pytest.raises(MessageError, match=slot.name):
                decode(number, cbor2.dumps(good | {slot.key: wrong}))
        if not slot.optional:
            with pytest.raises(MessageError, match=f"{slot.name} is missing"):
                decode(number, cbor2.dumps({key: item for key, item in good.items() if key != slot.key}))


def test_keys_of_newer_firmware_are_ignored() -> None:
    more = cbor2.loads(encode(EXPOSURE)) | {99: [1, {2: "x"}], 100: -1.5}
    assert decode(MessageType.EXPOSURE, cbor2.dumps(more)) == EXPOSURE


def test_names_of_newer_firmware_read_as_unknown() -> None:
    newer = cbor2.loads(encode(EXPOSURE)) | {7: 200}
    assert decode(MessageType.EXPOSURE, cbor2.dumps(newer)) == replace(EXPOSURE, end_code=EndCode.UNKNOWN)
    assert all(0 in {int(one) for one in names} for names in _enumerations())


def test_a_type_that_is_not_known_says_so() -> None:
    with pytest.raises(UnknownMessage):
        decode(0x7F, b"\xa0")
    with pytest.raises(UnknownMessage):
        decode(MessageType.TIME_REQ, encode(TimeReq(1)), known=TO_HOST)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "80",  # an array
        "a1",  # ends early
        "bf010aff",  # indefinite length
        "a2010a010b",  # one key twice
        "a1010a00",  # bytes behind the map
        "a1f50a",  # true is not 1
        "a10a",
        "a1c2410a0a",  # a tag as key
        "a101c2410a",  # a tag as value: a big number
        "d9d9f7a1010a",  # self-described CBOR is a tag, too
        "a1a0a0",  # a map as key
        "a101f90a00",  # a float
        "a1013a0000000a",  # negative
        "a101" + "81" * 20 + "00",  # deep
    ],
)
def test_what_is_not_a_plain_map_is_refused(payload: str) -> None:
    with pytest.raises(MessageError):
        decode(MessageType.REPLAY_REQ, bytes.fromhex(payload))
    assert decode(MessageType.REPLAY_REQ, bytes.fromhex("a1010a")) == ReplayReq(10)


@given(st.sampled_from(sorted(ALL)), st.binary(max_size=330))
def test_no_payload_raises_anything_but_a_message_error(number: int, payload: bytes) -> None:
    try:
        message = decode(number, payload)
    except MessageError:
        return
    assert decode(number, encode(message)) == message


@given(messages(), st.data())
def test_a_changed_payload_is_another_valid_message_or_refused(message: Message, data: st.DataObject) -> None:
    payload = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        changed = decode(TYPE_OF[type(message)], bytes(payload))
    except MessageError:
        return
    encode(changed)


@pytest.mark.parametrize(
    "message",
    [
        replace(EXPOSURE, kvp=300.1),
        replace(EXPOSURE, kvp=float("nan")),
        replace(EXPOSURE, kvp=-0.1),
        replace(EXPOSURE, tick_on=-1),
        replace(EXPOSURE, boot_id=0),
        Heartbeat(0, 2, True, 1, 0, 0, 0),  # type: ignore[arg-type]
        Log(0, UnitState.READY, "x"),  # type: ignore[arg-type]
        EventAck(2**32, 0),
    ],
)
def test_what_would_be_refused_is_not_sent(message: Message) -> None:
    with pytest.raises(MessageError):
        encode(message)


def test_the_technique_is_exact_in_the_steps_of_the_link() -> None:
    fine = replace(EXPOSURE, kvp=52.3, tube_current_ma=71.25, exposure_time_ms=12.34, exposure_mas=0.879)
    back = decode(MessageType.EXPOSURE, encode(fine))
    assert (back.kvp, back.tube_current_ma, back.exposure_time_ms, back.exposure_mas) == (52.3, 71.25, 12.34, 0.879)


def _low(kind: Kind) -> object:
    match kind:
        case Whole(low, _):
            return low
        case Flag():
            return False
        case Text(low, _):
            return "x" * low
        case Texts():
            return []
    return 0


def _outside(kind: Kind) -> list[object]:
    match kind:
        case Whole(low, high):
            return [low - 1, high + 1, 1.0, True, "1", None]
        case Scaled(per_unit, high):
            return [-1, high * per_unit + 1, 1.0, True, "1"]
        case Flag():
            return [0, 1, None, "true"]
        case Text(low, high):
            return ["x" * (high + 1), "é" * low + "é", "a\n" * low + "\n", b"x", 1, *([""] if low else [])]
        case Texts(count, each):
            return [["x"] * (count + 1), "x", [""], [1], {1: "x"}, ["x" * (each.high + 1)]]
        case Choice():
            return [-1, 256, 1.0, True]
    raise AssertionError(kind)


def _enumerations() -> list[type[IntEnum]]:
    kinds = [slot.kind for message in ALL.values() for slot in slots_of(message)]
    return [kind.names for kind in kinds if isinstance(kind, Choice)]
