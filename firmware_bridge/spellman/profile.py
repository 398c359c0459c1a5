"""What one model of generator says: its table of commands, and how a reply is read against it.

The same number means different things on different models, so each model has a table of its own and nothing is shared
but this form. What always holds: `interpret` never raises, and each value it gives is inside the range of its table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntFlag
from types import MappingProxyType
from typing import Final

from firmware_bridge.spellman.frame import Packet

Value = int | float | str

MAX_COUNT: Final = 4095
"""Twelve bits: the converters of the whole family."""

_DIGITS: Final = re.compile(r"[0-9]{1,10}")
_DECIMAL: Final = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,10})?")
_TEXT: Final = re.compile(r"[0-9A-Z.-]{1,32}")


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number from `low` to `high`; times `scale` it is in `unit`. No scale: unknown, or configuration."""

    name: str
    high: int = MAX_COUNT
    low: int = 0
    unit: str = ""
    scale: float | None = None

    def read(self, written: str) -> int | None:
        """The number, or None. Leading zeros are allowed: `42` is `0042`."""
        if not _DIGITS.fullmatch(written):
            return None
        value = int(written)
        return value if self.low <= value <= self.high else None


@dataclass(frozen=True, slots=True)
class Decimal:
    """A number that may have a fraction, from 0 to `high`."""

    name: str
    high: float
    unit: str = ""

    def read(self, written: str) -> float | None:
        """The number, or None."""
        if not _DECIMAL.fullmatch(written):
            return None
        value = float(written)
        return value if value <= self.high else None


@dataclass(frozen=True, slots=True)
class Text:
    """A part number or the like: up to 32 capitals, digits, points and hyphens."""

    name: str

    def read(self, written: str) -> str | None:
        """The text, or None."""
        return written if _TEXT.fullmatch(written) else None


Argument = Number | Decimal | Text


@dataclass(frozen=True, slots=True)
class Command:
    """One line of a table. A read is answered with exactly `arguments`; of a set we know the name, to refuse it."""

    opcode: int
    name: str
    arguments: tuple[Argument, ...] = ()
    is_read: bool = True


class RefusalForm(Enum):
    """How a model writes that it refuses."""

    BARE = "22,1,"
    """A number alone: a reply of one number may then be either."""
    MARKED = "22,!,1,"


@dataclass(frozen=True)
class Profile:
    """One model: `baud` as delivered, its table, and the highest number by which it is taken to refuse."""

    name: str
    baud: int
    refusal_form: RefusalForm
    highest_refusal: int
    commands: tuple[Command, ...]
    by_opcode: Mapping[int, Command] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = MappingProxyType({command.opcode: command for command in self.commands})
        object.__setattr__(self, "by_opcode", table)


@dataclass(frozen=True, slots=True)
class Reading:
    """The reply to a read. `maybe_refusal`: it could as well be a refusal with this number, so read it again."""

    command: Command
    values: tuple[Value, ...]
    maybe_refusal: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """Somebody's set was carried out: `$`."""

    opcode: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The generator says no."""

    opcode: int
    code: int


class Why(Enum):
    """Why a good frame says nothing to us."""

    UNKNOWN_COMMAND = "the table has no such command"
    NOT_A_REPLY = "a reply to somebody's set that is neither done nor refused"
    ARGUMENT_COUNT = "a wrong number of arguments"
    ARGUMENT = "an argument that is not of its kind or out of its range"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A good frame that the table doesn't explain; it is counted and otherwise ignored."""

    packet: Packet
    why: Why


Reply = Reading | Accepted | Refused | Unreadable


def flags(kind: type[IntFlag]) -> tuple[Number, ...]:
    """The arguments of a command that answers with one 0 or 1 for each flag, in the order of the enumeration."""
    return tuple(Number(flag.name or "", high=1) for flag in kind)


def interpret(profile: Profile, packet: Packet) -> Reply:
    """What the generator says with `packet`, which came from the generator's side."""
    command = profile.by_opcode.get(packet.opcode)
    if command is None:
        return Unreadable(packet, Why.UNKNOWN_COMMAND)
    refusal = _refusal(profile, packet)
    if not command.is_read:
        if packet.arguments == ("$",):
            return Accepted(packet.opcode)
        return Unreadable(packet, Why.NOT_A_REPLY) if refusal is None else Refused(packet.opcode, refusal)
    if len(packet.arguments) != len(command.arguments):
        return Unreadable(packet, Why.ARGUMENT_COUNT) if refusal is None else Refused(packet.opcode, refusal)
    values: list[Value] = []
    for argument, written in zip(command.arguments, packet.arguments, strict=True):
        value = argument.read(written)
        if value is None:
            # A number that the command can't answer with may still be one that refuses.
            return Unreadable(packet, Why.ARGUMENT) if refusal is None else Refused(packet.opcode, refusal)
        values.append(value)
    return Reading(command, tuple(values), refusal)


def _refusal(profile: Profile, packet: Packet) -> int | None:
    match profile.refusal_form, packet.arguments:
        case (RefusalForm.BARE, (written,)) | (RefusalForm.MARKED, ("!", written)):
            return Number("code", low=1, high=profile.highest_refusal).read(written)
        case _:
            return None
