"""Sound inputs for the serial line's targets, and changes that keep scripts scripts and CBOR nearly CBOR."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Final

from firmware_bridge import frame, messages
from firmware_bridge.messages import (
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
    Level,
    Log,
    Message,
    ReplayReq,
    ResetCause,
    StateChange,
    TimeReq,
    TimeRsp,
    UnitState,
)
from tests.fuzz import serial
from tests.fuzz.mutate import BLIND, Change

_BOOT: Final = serial.OWN_BOOT
_HELLO: Final = Hello(1, 1, "XU-1", _BOOT, "2.3.1", 1_000_000, 512, ("exposure",), 1, 0, ResetCause.POWER_ON)
_EXPOSURE: Final = Exposure(
    3_500_000, 3_540_000, 55.0, 100.0, 40.0, 4.0, EndCode.NORMAL, ExposureSource.GENERATOR, 0.5, 2
)
_TO_HOST: Final[tuple[Message, ...]] = (
    _HELLO,
    TimeRsp(serial.START_NS, 3_000_000, 3_000_000),
    StateChange(3_400_000, UnitState.READY, UnitState.EXPOSING),
    _EXPOSURE,
    Fault(3_600_000, FaultCode.ARC, Level.WARNING, active=True, text="arc in the tube"),
    Heartbeat(4_000_000, UnitState.STANDBY, True, 1, 3, 0, 0, 40, 80, False),
    Log(5_000_000, Level.INFO, "fan on"),
)
_TO_UNIT: Final[tuple[Message, ...]] = (
    HelloAck(1, _BOOT & 0xFFFF),
    TimeReq(serial.START_NS),
    EventAck(9, 2),
    ReplayReq(10),
)
_PMX: Final = (
    b"22,0,1,0,0,0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,",
    b"51,40,4054,2048,1,",
    b"60,3825,",
    b"65,40,",
    b"78,1,1,",
    b"84,0,0,0,0,0,0,0,0,0,0,0,0,0,",
    b"15,2048,",
    b"22,1,",
)
_XRV: Final = (
    b"22,1,0,0,1,0,0,1,1,0,1,1,0,0,0,0,1,0,",
    b"28,160,30,0,",
    b"19,1234,2977,3783,512,768,6,7,899,",
    b"60,4095,",
    b"68," + b"0," * 27,
    b"69,1,2,3,4,5,6,7,8,9,10,11,12,",
    b"23,SWM9999-999,",
    b"98,$,",
    b"22,!,1,",
)


_ANSWERED: Final = [b"="] * 16
"""Everything that is asked gets a sound answer."""


def step(what: int, body: bytes = b"") -> bytes:
    """One step of a script."""
    return bytes([what, len(body)]) + body


def _own(message: Message, seq: int, flags: int = 1) -> bytes:
    return step(serial.FRAMED, bytes([TYPE_OF[type(message)], flags, 0, seq]) + messages.encode(message))


def _wire(message: Message, seq: int, boot: int = _BOOT) -> bytes:
    return frame.encode(frame.Frame(TYPE_OF[type(message)], 1, boot & 0xFFFF, seq, messages.encode(message)))


def _day() -> bytes:
    met = _own(_HELLO, 1, 0) + _own(_TO_HOST[1], 2, 0)
    events = b"".join(_own(message, seq) for seq, message in enumerate(_TO_HOST[2:5], start=1))
    kept = step(serial.KEPT, b"..") + _own(_TO_HOST[5], 3, 0)
    other = replace(_HELLO, boot_id=_BOOT + 1, evt_oldest=2, evt_newest=9, reset_cause=ResetCause.BROWN_OUT)
    hello = b"\0" + _wire(other, 1, _BOOT + 1)
    reset = step(serial.RAW, hello[:-8]) + step(serial.RAW, hello) + step(serial.WAIT, b"." * 60)
    again = step(serial.REPLUG) + met + events + step(serial.REFUSED) + events + step(serial.WAIT, b"." * 200)
    return met + events + kept + events + reset + again


def _polled(*bodies: bytes) -> bytes:
    return b"".join(step(serial.FRAMED, body) + step(serial.WAIT, b"..") for body in bodies)


def _trace() -> bytes:
    said = [f"{at / 10:.6f} unit {_wire(message, 1).hex()}" for at, message in enumerate(_TO_HOST)]
    head = ["# calcedge-trace 1", "# unit own", "# baud 115200"]
    return "\n".join([*head, *said, "1.0 host 0232322c7003", "2.417733 note port closed", ""]).encode()


SEEDS: Final[dict[str, tuple[bytes, ...]]] = {
    "serial-frames": (
        b"\x07" + b"".join(_wire(message, seq) for seq, message in enumerate(_TO_HOST, start=1)),
        b"\x01" + b"".join(serial.spellman_frame(body) for body in _PMX + _XRV),
    ),
    "serial-messages": (
        *(bytes([TYPE_OF[type(message)]]) + messages.encode(message) for message in _TO_HOST + _TO_UNIT),
        *(b"\xff" + messages.encode(message) for message in _TO_HOST),
    ),
    "serial-session": (_day(), _day()[40:]),
    "serial-spellman": (
        _polled(*_PMX),
        _polled(*_XRV),
        _polled(*_ANSWERED, *[b"=\x000"] * 8),  # radiation ends
        _polled(*_ANSWERED, b"=\x0099999", b"=\x00$", b"=\x00", *[b"=\x034095"] * 4),
    ),
    "serial-trace": (_trace(),),
}


# -- changes -------------------------------------------------------------------------------------------------------

_HEADS: Final = (
    b"\xa0", b"\xbf", b"\xff", b"\x80", b"\x9f", b"\xf4", b"\xf5", b"\xf6", b"\xf7", b"\xf9\x7e\x00",
    b"\xfb\x7f\xf0" + b"\0" * 6,
    b"\x1b" + b"\xff" * 8, b"\x3b" + b"\xff" * 8, b"\x5b" + b"\xff" * 8, b"\x7a\xff\xff\xff\xff", b"\x9b" + b"\x7f" * 8,
    b"\xbb" + b"\xff" * 8, b"\xc0\x60", b"\xc1\x00", b"\xc2\x49" + b"\xff" * 9, b"\xc4\x82\x1b" + b"\x7f" * 8 + b"\x01",
    b"\xd8\x1c\x80", b"\xd8\x1d\x00", b"\xd8\x23\x61(", b"\xd9\xd9\xf7", b"\xd9\x01\x02\x80", b"\x81" * 40,
    b"\xa1\x01" * 12,
    b"\x61\xff", b"\x62\xc3\x28", b"\x7f\x61a\xff", b"\x01", b"\x0f", b"\x18\x19", b"\xf8\x00", b"\x1c",
)  # fmt: skip


def _head(data: bytearray, rng: random.Random) -> None:
    """The head of another CBOR item, put in or written over."""
    at, head = rng.randrange(len(data) + 1), rng.choice(_HEADS)
    data[at : at + rng.choice((0, 1, len(head)))] = head


def _inside(data: bytearray, rng: random.Random) -> None:
    """One step's body changes, and its length with it."""
    script = list(serial.steps(bytes(data)))
    if script:
        at = rng.randrange(len(script))
        what, body = script[at]
        changed = bytearray(body)
        rng.choice((*BLIND, _head, _digit))(changed, rng)
        script[at] = (what, bytes(changed[:255]))
        data[:] = b"".join(step(*one) for one in script)


def _arrange(data: bytearray, rng: random.Random) -> None:
    """A step is left out, doubled, moved, done otherwise, or another comes in between."""
    script = list(serial.steps(bytes(data)))
    at = rng.randrange(len(script) + 1)
    match rng.randrange(5):
        case 0 if script:
            del script[at % len(script)]
        case 1 if script:
            script.insert(at, rng.choice(script))
        case 2 if script:
            script.insert(at % len(script), script.pop(rng.randrange(len(script))))
        case 3 if script:
            script[at % len(script)] = (rng.randrange(6), script[at % len(script)][1])
        case _:
            script.insert(at, (rng.randrange(6), rng.randbytes(rng.choice((0, 1, 4, 30, 200)))))
    data[:] = b"".join(step(*one) for one in script)


def _digit(data: bytearray, rng: random.Random) -> None:
    """A character of Spellman's alphabet somewhere."""
    at = rng.randrange(len(data) + 1)
    data[at : at + rng.choice((0, 1))] = rng.choice(
        (b"0", b"1", b"9", b",", b"$", b"!", b".", b"-", b"4095", b"99999999999")
    )


def _line(data: bytearray, rng: random.Random) -> None:
    """A line of a trace is left out, doubled, or another one."""
    lines = bytes(data).split(b"\n")
    at = rng.randrange(len(lines))
    lines[at : at + rng.choice((0, 1))] = rng.choice(
        (
            [],
            [rng.choice(lines)],
            [b"# baud x"],
            [b"nan unit 00"],
            [b"1e999 host 02"],
            [b"-1 note \x1b[2J"],
            [b"1 unit 0"],
        )
    )
    data[:] = b"\n".join(lines)


CHANGES: Final[dict[str, tuple[Change, ...]]] = {
    "serial-frames": (),
    "serial-messages": (_head, _head),
    "serial-session": (_inside, _inside, _arrange),
    "serial-spellman": (_inside, _inside, _arrange, _digit),
    "serial-trace": (_line,),
}
