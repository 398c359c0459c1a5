"""What a message's fields may hold, and their way to and from a CBOR map with integer keys (RFC 8949).

A message is a frozen dataclass whose fields are annotated with `Wire(key, kind)`; that table is the whole schema:
`pack` and `unpack` follow it, and `schema.cddl` prints it for firmware authors.

What always holds:

- `unpack` returns a value inside every declared range or raises `MessageError`; nothing is coerced or clipped.
- Keys that are not declared are ignored, so that newer firmware may say more.
- `pack` refuses what `unpack` would refuse: a message that is not valid can't be sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from enum import IntEnum
from io import BytesIO
from typing import Any, Final, NoReturn, Protocol, get_type_hints

import cbor2

from firmware_bridge.frame import MAX_PAYLOAD

_MAX_DEPTH: Final = 8


class MessageError(Exception):
    """These bytes are not a valid message, or this message can't be sent. Never leaves the session."""


class Kind(Protocol):
    """One field's values: how they look on the wire, and which of them exist."""

    def to_wire(self, value: Any) -> object:
        """The CBOR item for `value`, or MessageError."""
        ...

    def from_wire(self, item: object) -> Any:
        """The value of a CBOR item, or MessageError."""
        ...

    def cddl(self) -> str:
        """The CDDL type (RFC 8610) of the item."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `low` to `high`, inclusive."""

    low: int
    high: int

    def to_wire(self, value: Any) -> object:
        """The number itself."""
        return self.from_wire(value)

    def from_wire(self, item: object) -> int:
        """The number, if it is one and in range; booleans and floats are not."""
        if type(item) is not int:
            raise MessageError(f"{item!r} is not a whole number")
        if not self.low <= item <= self.high:
            raise MessageError(f"{item} is not in {self.low}..{self.high}")
        return item

    def cddl(self) -> str:
        """A range."""
        return f"{self.low}..{self.high}"


@dataclass(frozen=True, slots=True)
class Scaled:
    """A physical value, sent as a whole number of 1/`per_unit`, from 0 to `high` in the unit itself."""

    per_unit: int
    high: int

    def to_wire(self, value: Any) -> object:
        """The nearest whole number of steps."""
        if type(value) not in (int, float) or not 0 <= value <= self.high:
            raise MessageError(f"{value!r} is not in 0..{self.high}")
        return round(value * self.per_unit)

    def from_wire(self, item: object) -> float:
        """The value in its unit."""
        return Whole(0, self.high * self.per_unit).from_wire(item) / self.per_unit

    def cddl(self) -> str:
        """A range, in steps."""
        return f"0..{self.high * self.per_unit}"


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def to_wire(self, value: Any) -> object:
        """The boolean itself."""
        return self.from_wire(value)

    def from_wire(self, item: object) -> bool:
        """The boolean; 0 and 1 are not."""
        if type(item) is not bool:
            raise MessageError(f"{item!r} is not true or false")
        return item

    def cddl(self) -> str:
        """A boolean."""
        return "bool"


@dataclass(frozen=True, slots=True)
class Text:
    """Printable ASCII of `low` to `high` characters."""

    low: int
    high: int

    def to_wire(self, value: Any) -> object:
        """The text itself."""
        return self.from_wire(value)

    def from_wire(self, item: object) -> str:
        """The text, if every character is printable ASCII."""
        if type(item) is not str:
            raise MessageError(f"{item!r} is not text")
        if not self.low <= len(item) <= self.high or not item.isascii() or not item.isprintable():
            raise MessageError(f"{item!r} is not {self.low} to {self.high} printable ASCII characters")
        return item

    def cddl(self) -> str:
        """Text with a pattern."""
        return f'tstr .regexp "[ -~]{{{self.low},{self.high}}}"'


@dataclass(frozen=True, slots=True)
class Texts:
    """At most `count` short texts."""

    count: int
    each: Text

    def to_wire(self, value: Any) -> object:
        """A list of the texts."""
        return [self.each.to_wire(text) for text in self._counted(value)]

    def from_wire(self, item: object) -> tuple[str, ...]:
        """The texts as a tuple."""
        return tuple(self.each.from_wire(text) for text in self._counted(item))

    def cddl(self) -> str:
        """An array."""
        return f"[ 0*{self.count} {self.each.cddl()} ]"

    def _counted(self, items: object) -> list[object] | tuple[object, ...]:
        if not isinstance(items, list | tuple) or len(items) > self.count:
            raise MessageError(f"{items!r} is not a list of at most {self.count} texts")
        return items


@dataclass(frozen=True, slots=True)
class Choice:
    """A number with a name. Enumerations are open: a number that this version doesn't know reads as UNKNOWN (0)."""

    names: type[IntEnum]

    def to_wire(self, value: Any) -> object:
        """The number."""
        if type(value) is not self.names:
            raise MessageError(f"{value!r} is not a {self.names.__name__}")
        return int(value)

    def from_wire(self, item: object) -> IntEnum:
        """The name of the number."""
        number = Whole(0, 255).from_wire(item)
        return self.names(number) if number in self.names._value2member_map_ else self.names(0)

    def cddl(self) -> str:
        """The name of the enumeration's own rule."""
        return self.names.__name__


@dataclass(frozen=True, slots=True)
class Wire:
    """Annotates a field of a message with its key in the map and its kind. A field with a default may be absent."""

    key: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Slot:
    """One line of a message's table."""

    name: str
    key: int
    kind: Kind
    optional: bool


def slots_of(message: type) -> tuple[Slot, ...]:
    """The table of a message, in the order of its keys."""
    known = _TABLES.get(message)
    if known is None:
        hints = get_type_hints(message, include_extras=True)
        known = tuple(sorted((_slot(one, hints[one.name]) for one in fields(message)), key=lambda slot: slot.key))
        assert len({slot.key for slot in known}) == len(known), f"{message.__name__} uses a key twice"
        _TABLES[message] = known
    return known


_TABLES: Final[dict[type, tuple[Slot, ...]]] = {}


def _slot(one: Field[Any], hint: Any) -> Slot:
    (wire,) = (note for note in hint.__metadata__ if isinstance(note, Wire))
    return Slot(one.name, wire.key, wire.kind, optional=one.default is not MISSING)


def pack(message: Any) -> bytes:
    """The message as a CBOR map, keys rising, definite length.

    Raises:
        MessageError: if a value is outside its declared range.
    """
    items: dict[int, object] = {}
    for slot in slots_of(type(message)):
        value = getattr(message, slot.name)
        if value is None and slot.optional:
            continue
        try:
            items[slot.key] = slot.kind.to_wire(value)
        except MessageError as error:
            raise MessageError(f"{slot.name}: {error}") from None
    payload = cbor2.dumps(items)
    if len(payload) > MAX_PAYLOAD:
        raise MessageError(f"{type(message).__name__} takes {len(payload)} bytes; {MAX_PAYLOAD} is the limit")
    return payload


def unpack(message: type, payload: bytes) -> Any:
    """The message that a CBOR map says.

    Raises:
        MessageError: if it is no such map, lacks a key, or holds a value outside its declared range.
    """
    items = _decode_map(payload)
    values: dict[str, object] = {}
    for slot in slots_of(message):
        if slot.key not in items:
            if slot.optional:
                continue
            raise MessageError(f"{slot.name} is missing")
        try:
            values[slot.name] = slot.kind.from_wire(items[slot.key])
        except MessageError as error:
            raise MessageError(f"{slot.name}: {error}") from None
    return message(**values)


def _decode_map(payload: bytes) -> dict[Any, Any]:
    if len(payload) > MAX_PAYLOAD:
        raise MessageError(f"{len(payload)} bytes of payload; {MAX_PAYLOAD} is the limit")
    stream = BytesIO(payload)
    try:
        decoder = cbor2.CBORDecoder(
            stream,
            semantic_decoders=_NO_TAGS,
            tag_hook=_refuse_tag,
            max_depth=_MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
        items = decoder.decode()
    except (cbor2.CBORDecodeError, TypeError) as error:  # TypeError: a key that can't be hashed
        raise MessageError(f"not CBOR: {error}") from None
    if type(items) is not dict or set(map(type, items)) - {int}:  # True would pass for 1
        raise MessageError("not a CBOR map with whole numbers as keys")
    if stream.tell() != len(payload):
        raise MessageError("bytes behind the CBOR map")
    return items


def _refuse_tag(*_: object) -> NoReturn:
    raise cbor2.CBORDecodeError("tags are not part of this link")


_NO_TAGS: Final[Mapping[int, Any]] = dict.fromkeys(
    # Every tag that cbor2 would turn into an object of its own (dates, big numbers, patterns, references ...).
    (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799),
    _refuse_tag,
)
