"""What a box says about itself. Closed lists: nothing free is ever sent, so no patient data can be.

What always holds: a message is made of the fields below; every word in it is a code of `edge.errors`, the name of a
release, rollout, process, machine or boot, and must look like one (`_WORD`); everything else is a number or a truth
value. Sentences and details stay on the box.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

from edge.errors import REASONS

SCHEMA: Final = 1
_WORD: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:+-]{0,63}$")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and when. `boot` and `seq` make a message unique; the wall clock may be wrong."""

    boot: str
    seq: int
    utc: str
    clock_trusted: bool


@dataclass(frozen=True, slots=True)
class KindStatus:
    """One kind of release on one box. `code`: why it came no further. `bad`: releases that failed here, and why."""

    good: str
    trial: str
    wanted: str
    rollout: str
    code: str
    bad: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """How a box stands with its updates: retained by the broker, replaced by the next."""

    origin: Origin
    hardware: str
    cohorts: tuple[str, ...]
    serial: int
    code: str
    """Why the repository could not be used, if it couldn't."""
    kinds: Mapping[str, KindStatus]


@dataclass(frozen=True, slots=True)
class Health:
    """How a box is doing: numbers only, and the names of parts that are down."""

    origin: Origin
    free_mb: int
    waiting_images: int
    analysed: int
    with_findings: int
    not_analysed: int
    down: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Presence:
    """Birth (online) and will (not) of one connection, on one topic: they can't overtake each other."""

    boot: str
    online: bool


Message = UpdateStatus | Health | Presence


def encode(message: Message) -> bytes:
    """The message as JSON. A word that doesn't look like one is sent as `?`."""
    return json.dumps({"schema": SCHEMA, **_plain(message)}, separators=(",", ":"), sort_keys=True).encode()


def code(text: str | None) -> str:
    """The text if it is one of our codes, empty for nothing, else `?`."""
    if not text:
        return ""
    return text if text in REASONS else "?"


def word(text: str | None) -> str:
    """The text if it looks like a name or a code, empty for nothing, else `?`."""
    if not text:
        return ""
    return text if _WORD.match(text) else "?"


def _plain(value: object) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {word(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool | int):
        return value
    return word(str(value))
