"""Proves the audit trail: reads the whole chain and names each event that was changed, removed, moved or put in.

What it can't see is a chain that was made anew from some event on by somebody who may write the database, or one whose
end was cut off. Against that a head is kept elsewhere: `Head` names the newest event by number and hash, and a chain
that doesn't hold an earlier head any more is not the one that it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Self

from edge.store.events import GENESIS, linked

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

What = Literal["changed", "missing", "moved", "rewritten", "cut-off"]
_SEARCHED: Final = 200
"""So many events are looked through on both sides for the place that one was moved from."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at an event. `missing`: the events from `id` to `last` are not there."""

    what: What
    id: int
    last: int

    def __str__(self) -> str:
        """In words."""
        which = f"event {self.id}" if self.id == self.last else f"events {self.id} to {self.last}"
        return {
            "changed": f"{which} was changed, or put in: it doesn't follow from the one before",
            "missing": f"{which} missing",
            "moved": f"{which} was moved: it belongs to another place",
            "rewritten": f"{which} is not the one that was noted: the trail was written anew",
            "cut-off": f"{which} missing: the end of the trail is cut off",
        }[self.what]


@dataclass(frozen=True, slots=True)
class Head:
    """The newest event of a trail: `ID:HASH`."""

    id: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """From its text.

        Raises:
            ValueError: if it is none.
        """
        number, _, digest = text.strip().partition(":")
        if len(digest) != len(GENESIS) or not set(digest) <= set("0123456789abcdef"):
            raise ValueError("not a head: it looks like 12:0f3c...")
        return cls(int(number), digest)

    def __str__(self) -> str:
        """As it is noted."""
        return f"{self.id}:{self.hash}"


def head(connection: sqlite3.Connection) -> Head:
    """The newest event; number 0 while there is none."""
    row = connection.execute("SELECT id, hash FROM events ORDER BY id DESC LIMIT 1").fetchone()
    return Head(row["id"], row["hash"]) if row else Head(0, GENESIS)


def faults(connection: sqlite3.Connection, noted: Head | None = None) -> Iterator[Fault]:
    """What is wrong with the trail, from its beginning on; nothing when it is whole. `noted`: a head of earlier."""
    before, last_id = GENESIS, 0
    moved: set[str] = set()
    for row in connection.execute("SELECT * FROM events ORDER BY id"):
        number = int(row["id"])
        if number > last_id + 1:
            yield Fault("missing", last_id + 1, number - 1)
        elif row["hash"] != linked(before, row):
            if not _belongs_elsewhere(connection, row):
                yield Fault("changed", number, number)
            elif not any(row["hash"] == linked(other, row) for other in moved):  # else it follows one that was moved
                moved.add(row["hash"])
                yield Fault("moved", number, number)
        before, last_id = row["hash"], number
    if noted is None or noted.id == 0:
        return
    found = connection.execute("SELECT hash FROM events WHERE id = ?", (noted.id,)).fetchone()
    if found is None and noted.id > last_id:
        yield Fault("cut-off", last_id + 1, noted.id)
    elif found is None or found["hash"] != noted.hash:
        yield Fault("rewritten", noted.id, noted.id)


def _belongs_elsewhere(connection: sqlite3.Connection, row: sqlite3.Row) -> bool:
    near = connection.execute(
        "SELECT hash FROM events WHERE id BETWEEN ? AND ?", (row["id"] - _SEARCHED, row["id"] + _SEARCHED)
    )
    return any(row["hash"] == linked(other["hash"], row) for other in near)
