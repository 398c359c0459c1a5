"""Every message of the serial link, version 1, as a typed value.

The unit says what happened; the host says who it is, asks for the time and confirms what it has kept. The list of
messages to the unit is complete: none of them can prepare, expose, set a technique or clear a fault, and there is
no generic "write". `docs/serial-link.md` tells a firmware author the rest.

What always holds: a value of these types that came from `decode` is inside every range of its table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any, Final

from firmware_bridge.fields import (
    Choice,
    Flag,
    MessageError,
    Scaled,
    Text,
    Texts,
    Whole,
    Wire,
    pack,
    unpack,
)

__all__ = [
    "EVENTS",
    "PROTOCOL",
    "TO_HOST",
    "TO_UNIT",
    "TYPE_OF",
    "EndCode",
    "Event",
    "EventAck",
    "Exposure",
    "ExposureSource",
    "Fault",
    "FaultCode",
    "Heartbeat",
    "Hello",
    "HelloAck",
    "Level",
    "Log",
    "Message",
    "MessageError",
    "MessageType",
    "ReplayReq",
    "ResetCause",
    "StateChange",
    "TimeReq",
    "TimeRsp",
    "UnitState",
    "UnknownMessage",
    "decode",
    "encode",
]

PROTOCOL: Final = 1
"""The version of this link that this code speaks."""

_TICK = Whole(0, 2**63 - 1)
"""Ticks since the unit's boot. The firmware extends its counter: ticks never wrap."""
_BOOT = Whole(1, 2**53 - 1)
"""Names one boot of the unit, never used again by it; small enough for JSON and SQLite."""
_SEQ = Whole(0, 2**32 - 1)


class UnknownMessage(MessageError):  # noqa: N818 - a message, not an error of ours: newer firmware may send it
    """A type that this version doesn't know. Counted and ignored."""


class MessageType(IntEnum):
    """The second byte of a frame's header."""

    HELLO = 0x01
    HELLO_ACK = 0x02
    HEARTBEAT = 0x03
    TIME_REQ = 0x04
    TIME_RSP = 0x05
    STATE = 0x10
    EXPOSURE = 0x11
    FAULT = 0x12
    EVENT_ACK = 0x20
    REPLAY_REQ = 0x21
    LOG = 0x30


class UnitState(IntEnum):
    """What the unit is doing."""

    UNKNOWN = 0
    INITIALISING = 1
    STANDBY = 2
    PREP = 3
    READY = 4
    EXPOSING = 6
    WAIT_RELEASE = 7
    SHUTDOWN = 8
    ERROR = 9
    SERVICE = 10


class EndCode(IntEnum):
    """Why the exposure ended."""

    UNKNOWN = 0
    NORMAL = 1
    RELEASED_EARLY = 2
    AEC = 3
    FAULT = 4
    POWER_LOST = 5


class ExposureSource(IntEnum):
    """How the unit knows the technique."""

    UNKNOWN = 0
    GENERATOR = 1
    SET_POINT = 2
    SENSED = 3


class ResetCause(IntEnum):
    """Why the unit's controller started."""

    UNKNOWN = 0
    POWER_ON = 1
    BROWN_OUT = 2
    WATCHDOG = 3
    SOFTWARE = 4


class Level(IntEnum):
    """How much a fault or a log line matters."""

    UNKNOWN = 0
    INFO = 1
    WARNING = 2
    ERROR = 3


class FaultCode(IntEnum):
    """What is wrong."""

    UNKNOWN = 0
    INTERLOCK = 1
    ARC = 2
    OVERTEMPERATURE = 3
    TUBE_OVERLOAD = 4
    BATTERY_LOW = 5
    TIMER = 6
    IMPLAUSIBLE_EVENT = 254
    """Made by the host, never sent: an event is inside every range and contradicts itself."""
    UNREADABLE_EVENT = 255
    """Made by the host, never sent: an event arrived whole, but its content breaks this page's rules."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The unit names itself. Sent at boot, each second until acknowledged, and to any frame of another session."""

    proto_min: Annotated[int, Wire(1, Whole(0, 255))]
    proto_max: Annotated[int, Wire(2, Whole(0, 255))]
    device_id: Annotated[str, Wire(3, Text(1, 32))]
    boot_id: Annotated[int, Wire(4, _BOOT)]
    firmware: Annotated[str, Wire(5, Text(1, 32))]
    tick_hz: Annotated[int, Wire(6, Whole(1, 10**9))]
    max_frame: Annotated[int, Wire(7, Whole(64, 1024))]
    capabilities: Annotated[tuple[str, ...], Wire(8, Texts(8, Text(1, 16)))]
    evt_oldest: Annotated[int, Wire(9, _SEQ)]
    """The oldest event that the unit still holds; evt_newest + 1 when it holds none."""
    evt_newest: Annotated[int, Wire(10, _SEQ)]
    """The last event that happened; 0 when none ever did."""
    reset_cause: Annotated[ResetCause, Wire(11, Choice(ResetCause))]


@dataclass(frozen=True, slots=True)
class HelloAck:
    """The host has understood the HELLO of this session: events may flow."""

    proto: Annotated[int, Wire(1, Whole(0, 255))]
    session: Annotated[int, Wire(2, Whole(0, 65535))]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Once a second: alive, and what it is doing."""

    tick: Annotated[int, Wire(1, _TICK)]
    state: Annotated[UnitState, Wire(2, Choice(UnitState))]
    interlock_closed: Annotated[bool, Wire(3, Flag())]
    evt_oldest: Annotated[int, Wire(4, _SEQ)]
    evt_newest: Annotated[int, Wire(5, _SEQ)]
    rx_bad: Annotated[int, Wire(6, _SEQ)]
    tx_drop: Annotated[int, Wire(7, _SEQ)]
    anode_heat_percent: Annotated[int | None, Wire(8, Whole(0, 200))] = None
    """Of what the anode may hold; more than 100 when it holds more."""
    battery_percent: Annotated[int | None, Wire(9, Whole(0, 100))] = None
    battery_charging: Annotated[bool | None, Wire(10, Flag())] = None


@dataclass(frozen=True, slots=True)
class TimeReq:
    """What time is it on the unit? `t1` is the host's clock in nanoseconds, sent back unread."""

    t1: Annotated[int, Wire(1, _TICK)]


@dataclass(frozen=True, slots=True)
class TimeRsp:
    """The unit's ticks when the request had arrived and when this answer left."""

    t1: Annotated[int, Wire(1, _TICK)]
    rx_tick: Annotated[int, Wire(2, _TICK)]
    tx_tick: Annotated[int, Wire(3, _TICK)]


@dataclass(frozen=True, slots=True)
class StateChange:
    """The unit went from one state to another."""

    tick: Annotated[int, Wire(1, _TICK)]
    old: Annotated[UnitState, Wire(2, Choice(UnitState))]
    new: Annotated[UnitState, Wire(3, Choice(UnitState))]
    boot_id: Annotated[int | None, Wire(15, _BOOT)] = None
    """The boot in which it happened, when that is not the session's own."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Radiation was emitted, with this technique."""

    tick_on: Annotated[int, Wire(1, _TICK)]
    tick_off: Annotated[int, Wire(2, _TICK)]
    kvp: Annotated[float, Wire(3, Scaled(10, 300))]
    """Peak tube voltage, kV; 0.1 kV steps."""
    tube_current_ma: Annotated[float, Wire(4, Scaled(100, 2000))]
    exposure_time_ms: Annotated[float, Wire(5, Scaled(100, 60_000))]
    exposure_mas: Annotated[float, Wire(6, Scaled(1000, 2000))]
    end_code: Annotated[EndCode, Wire(7, Choice(EndCode))]
    source: Annotated[ExposureSource, Wire(8, Choice(ExposureSource))]
    accuracy_ms: Annotated[float | None, Wire(9, Scaled(100, 10_000))] = None
    """How well the unit knows tick_on and tick_off."""
    pulses: Annotated[int | None, Wire(10, Whole(1, 255))] = None
    """How many pulses this one exposure had: times and charges are their sums, the ticks span them all."""
    boot_id: Annotated[int | None, Wire(15, _BOOT)] = None

    @property
    def tick(self) -> int:
        """The moment that stands for the exposure: its beginning."""
        return self.tick_on


@dataclass(frozen=True, slots=True)
class Fault:
    """Something went wrong, or was put right again (`active` false)."""

    tick: Annotated[int, Wire(1, _TICK)]
    code: Annotated[FaultCode, Wire(2, Choice(FaultCode))]
    level: Annotated[Level, Wire(3, Choice(Level))]
    active: Annotated[bool, Wire(4, Flag())]
    text: Annotated[str, Wire(5, Text(0, 120))]
    boot_id: Annotated[int | None, Wire(15, _BOOT)] = None


@dataclass(frozen=True, slots=True)
class EventAck:
    """Durable at the host: every event up to `upto`, and `upto + 1 + i` for each set bit i of `bitmap`."""

    upto: Annotated[int, Wire(1, _SEQ)]
    bitmap: Annotated[int, Wire(2, _SEQ)]


@dataclass(frozen=True, slots=True)
class ReplayReq:
    """Please send the events from `first` on again, as far as you hold them."""

    first: Annotated[int, Wire(1, _SEQ)]


@dataclass(frozen=True, slots=True)
class Log:
    """A line for service. Best effort: the first thing a busy unit drops."""

    tick: Annotated[int, Wire(1, _TICK)]
    level: Annotated[Level, Wire(2, Choice(Level))]
    text: Annotated[str, Wire(3, Text(0, 200))]


Event = StateChange | Exposure | Fault
"""What is delivered at least once and acknowledged only when durable."""
Message = Hello | HelloAck | Heartbeat | TimeReq | TimeRsp | Event | EventAck | ReplayReq | Log

TO_HOST: Final[dict[int, type]] = {
    MessageType.HELLO: Hello,
    MessageType.HEARTBEAT: Heartbeat,
    MessageType.TIME_RSP: TimeRsp,
    MessageType.STATE: StateChange,
    MessageType.EXPOSURE: Exposure,
    MessageType.FAULT: Fault,
    MessageType.LOG: Log,
}
TO_UNIT: Final[dict[int, type]] = {
    MessageType.HELLO_ACK: HelloAck,
    MessageType.TIME_REQ: TimeReq,
    MessageType.EVENT_ACK: EventAck,
    MessageType.REPLAY_REQ: ReplayReq,
}
"""Complete. Nothing that the host can say changes what the unit does to a patient."""
TYPE_OF: Final[dict[type, MessageType]] = {
    message: MessageType(number) for number, message in (TO_HOST | TO_UNIT).items()
}
EVENTS: Final = frozenset({MessageType.STATE, MessageType.EXPOSURE, MessageType.FAULT})


def encode(message: Message) -> bytes:
    """The payload of a frame.

    Raises:
        MessageError: if a value is outside its declared range.
    """
    return pack(message)


def decode(type_: int, payload: bytes, *, known: Mapping[int, type] = TO_HOST | TO_UNIT) -> Any:
    """The message in a frame of that type: an instance of `Message`. `known` narrows it to one direction.

    Raises:
        UnknownMessage: if the type is not in `known`.
        MessageError: if the payload breaks a rule of its table.
    """
    message = known.get(type_)
    if message is None:
        raise UnknownMessage(f"type {type_:#04x} is not known here")
    return unpack(message, payload)
