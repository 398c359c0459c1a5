"""Finding images among a hundred thousand: by words, by day, by outcome, by patient. Newest first, a page at a time.

A word is found by its beginning, accents and letter case aside: `muller 47` finds `Müller^Eva`, identifier `4711`.
A scanned barcode is nothing but such a word.

What always holds: a query that names a day or asks for what is on its way reads the images of that day or in those
states, and no others; one that names words or an outcome goes through an index from the newest on until the page is
full.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from edge.store.images import State, from_row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from edge.store.images import Image

Kind = Literal["findings", "no_findings", "not_analysed", "pending"]

_WORD: Final = re.compile(r"\w+")
_MOST: Final = 2**62
"""Above every image's number."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. Empty means all; `since` and `until` are UTC stamps, `until` excluded."""

    words: str = ""
    outcome: Kind | None = None
    since: str = ""
    until: str = ""
    before_id: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Found:
    """One image and the outcome to show for it: `pending` while it is on its way, also the second time."""

    image: Image
    kind: Kind


def find(connection: sqlite3.Connection, query: Query) -> list[Found]:
    """The images that fit, newest first."""
    match = phrase(query.words)
    if query.words.strip() and not match:
        return []
    conditions: list[tuple[str, tuple[str | int, ...]]] = list(_filters(query))
    first, last = _reach(connection, query)
    if match:
        source = "image_words CROSS JOIN images ON images.id = image_words.rowid"
        order = "image_words.rowid"
        conditions.append(("image_words MATCH ?", (match,)))
    else:
        source, order = "images", "images.id"
    conditions.append((f"{order} BETWEEN ? AND ?", (first, last)))
    statement = (
        f"SELECT images.* FROM {source} WHERE {' AND '.join(text for text, _ in conditions)} "  # noqa: S608 - made of constants only
        f"ORDER BY {order} DESC LIMIT ?"
    )
    values = [value for _, own in conditions for value in own]
    return [_found(row) for row in connection.execute(statement, (*values, query.limit))]


def _reach(connection: sqlite3.Connection, query: Query) -> tuple[int, int]:
    """The first and the last image that can fit: what a day or the way of an image narrows, an index tells at once."""
    first, last = 0, (query.before_id if query.before_id is not None else _MOST) - 1
    ranges = []
    if query.since or query.until:
        ranges.append(
            connection.execute(
                "SELECT min(id), max(id) FROM images WHERE received_utc >= ? AND received_utc < ?",
                (query.since, query.until or "9"),
            )
        )
    if query.outcome == "pending":
        ranges.append(connection.execute("SELECT min(id), max(id) FROM images WHERE state IN ('received', 'admitted')"))
    for found in ranges:
        low, high = found.fetchone()
        first, last = max(first, _MOST if low is None else low), min(last, high or 0)
    return first, last


def _found(row: sqlite3.Row) -> Found:
    image = from_row(row)
    waits = row["outcome"] is None or image.state in {State.RECEIVED, State.ADMITTED}
    return Found(image, "pending" if waits else row["outcome"])


def phrase(words: str) -> str:
    """The words as the index wants them: each by its beginning, all of them. Empty when there is none."""
    return " ".join(f'"{word}"*' for word in _WORD.findall(words.replace("_", " ")))


def of_patient(connection: sqlite3.Connection, patient_id: str, before_id: int, limit: int = 20) -> list[Image]:
    """Earlier images with the same patient identifier, newest first."""
    rows = connection.execute(
        "SELECT * FROM images WHERE patient_id = ? AND id < ? ORDER BY id DESC LIMIT ?", (patient_id, before_id, limit)
    )
    return [from_row(row) for row in rows]


def _filters(query: Query) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """Conditions and their values. A plus keeps the planner from an index that is worse than the one it should take."""
    if query.outcome == "pending":
        yield "images.state IN ('received', 'admitted')", ()
    elif query.outcome:
        plus = "+" * bool(query.since or query.until)
        yield f"{plus}images.outcome = ? AND +images.state IN ('analysed', 'reported')", (query.outcome,)
    if query.since:
        yield "+images.received_utc >= ?", (query.since,)
    if query.until:
        yield "+images.received_utc < ?", (query.until,)
