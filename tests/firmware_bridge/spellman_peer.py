"""The generator's side of Spellman's frames, for the tests: it builds what the product only reads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from firmware_bridge.spellman.frame import Decoder, Packet
from firmware_bridge.spellman.profile import Argument, Command, Decimal, Number, Profile


def framed(body: str) -> bytes:
    """`body`, which ends with a comma, with a checksum that is computed as the manual says it, step by step."""
    total = sum(body.encode("latin-1"))
    twos_complement = (0x10000 - total) & 0xFF
    return b"\x02" + body.encode("latin-1") + bytes([twos_complement & 0x7F | 0x40]) + b"\x03"


def packet(body: str) -> Packet:
    """What the decoder makes of `body`."""
    (found,) = Decoder().feed(framed(body))
    return found


def reply(command: Command, *arguments: object) -> str:
    """The body that answers `command` with `arguments`."""
    return ",".join([f"{command.opcode:02}", *(str(argument) for argument in arguments), ""])


def replies(profile: Profile) -> st.SearchStrategy[str]:
    """Good answers to the reads of `profile`."""
    return st.sampled_from([command for command in profile.commands if command.is_read]).flatmap(
        lambda command: st.tuples(*map(_written, command.arguments)).map(lambda values: reply(command, *values))
    )


def fits(argument: Argument, value: object) -> bool:
    """Whether `value` is what the table says, told without the code that reads it."""
    match argument:
        case Number():
            return type(value) is int and argument.low <= value <= argument.high
        case Decimal():
            return type(value) is float and 0 <= value <= argument.high
        case _:
            return type(value) is str and 0 < len(value) <= 32 and value == value.upper() and "," not in value


def about(value: float, within: float | None = None) -> Any:
    """`value`, give or take rounding, where a type wants a plain number."""
    return pytest.approx(value, abs=within)


def _written(argument: Argument) -> st.SearchStrategy[str]:
    match argument:
        case Number():
            return st.tuples(st.integers(argument.low, argument.high), st.integers(1, 5)).map(
                lambda n: f"{n[0]:0{n[1]}}"
            )
        case Decimal():
            return st.floats(0, argument.high).map(lambda value: f"{value:f}")
        case _:
            return st.just("SWM00199-001")
