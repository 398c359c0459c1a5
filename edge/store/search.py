"""Finding images among a hundred thousand: by words, by day, by outcome, by patient. Newest first, a page at a time.

A word is found by its beginning, accents and letter case aside: `muller 47` finds `Müller^Eva`, identifier `4711`.
A scanned barcode is nothing but such a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edge.store.images import State, from_row

if TYPE_CHECKING:
    import sqlite3

    from edge.store.images import Image

Kind = Literal["findings", "no_findings", "not_analysed", "pending"]

_WORD = re.compile(r"\w+")


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
    conditions, values = ["images.id < ?"], [query.before_id if query.before_id is not None else 2**62]
    source = "images"
    match = phrase(query.words)
    if match:
        source = "image_words JOIN images ON images.id = image_words.rowid"
        conditions += ["image_words MATCH ?", "image_words.rowid < ?"]
        values += [match, values[0]]  # type: ignore[list-item]
    elif query.words.strip():
        return []
    order = "image_words.rowid" if match else "images.id"
    for condition, value in _filters(query):
        conditions.append(condition)
        values += value
    statement = (
        f"SELECT images.* FROM {source} WHERE {' AND '.join(conditions)} "  # noqa: S608 - made of constants only
        f"ORDER BY {order} DESC LIMIT ?"
    )
    return [_found(row) for row in connection.execute(statement, (*values, query.limit))]


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


def _filters(query: Query) -> list[tuple[str, list[Any]]]:
    found: list[tuple[str, list[Any]]] = []
    if query.outcome == "pending":
        found.append(("images.state IN ('received', 'admitted')", []))
    elif query.outcome:
        found.append(("images.outcome = ? AND images.state IN ('analysed', 'reported')", [query.outcome]))
    if query.since:
        found.append(("images.received_utc >= ?", [query.since]))
    if query.until:
        found.append(("images.received_utc < ?", [query.until]))
    return found
