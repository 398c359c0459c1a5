"""The append-only event table: the audit trail, and what the live screen follows.

Each event's hash covers its own text and the hash of the one before, so that a removed or changed event is seen:
`edge.store.audit` tells which.
Details hold identifiers and codes, never patient data.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import sqlite3

    from edge.clock import Stamp

What = Literal[
    "image-received",
    "image-conflicting",
    "image-admitted",
    "image-analysed",
    "image-reported",
    "image-matched",
    "image-again",
    "exposure",
    "unit-state",
    "unit-fault",
    "unit-link",
    "parcel-queued",
    "parcel-sent",
    "parcel-confirmed",
    "parcel-delayed",
    "parcel-held",
    "parcel-again",
    "order-put-back",
    "order-completed",
    "order-discontinued",
    "image-ordered",
    "worklist-read",
    "step-told",
    "step-held",
    "service-started",
    "signed-in",
    "sign-in-failed",
    "signed-out",
    "account-added",
    "account-changed",
    "setting-changed",
    "image-seen",
    "image-exported",
    "image-printed",
    "order-picked",
    "peer-tested",
    "backup-made",
    "bundle-made",
    "notice-failed",
]

GENESIS: Final = "0" * 64
"""What the first event follows."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `subject` is `image:7`, `parcel:12`, `exposure:3`, `unit` or a service's name."""

    id: int
    utc: str
    trusted: bool
    actor: str
    what: str
    subject: str
    detail: dict[str, Any]
    hash: str


def append(tx: sqlite3.Connection, stamp: Stamp, actor: str, what: What, subject: str, **detail: object) -> None:
    """Adds one event, chained to the one before. Must run inside a transaction."""
    row = tx.execute("SELECT hash FROM events ORDER BY id DESC LIMIT 1").fetchone()
    text = json.dumps(detail, sort_keys=True, separators=(",", ":"))
    link = _hash(row["hash"] if row else GENESIS, stamp.iso, actor, what, subject, text)
    tx.execute(
        "INSERT INTO events (utc, trusted, actor, what, subject, detail, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (stamp.iso, int(stamp.trusted), actor, what, subject, text, link),
    )


def after(connection: sqlite3.Connection, last_id: int, limit: int = 200) -> list[Event]:
    """Events newer than `last_id`, oldest first."""
    rows = connection.execute("SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?", (last_id, limit))
    return [_event(row) for row in rows]


def latest(connection: sqlite3.Connection, limit: int = 50) -> list[Event]:
    """The newest events, newest first."""
    rows = connection.execute("SELECT * FROM events ORDER BY id DESC LIMIT ?", (limit,))
    return [_event(row) for row in rows]


def before(connection: sqlite3.Connection, event_id: int | None, limit: int) -> list[Event]:
    """Events older than `event_id` (the newest ones without it), newest first."""
    rows = connection.execute(
        "SELECT * FROM events WHERE id < ? ORDER BY id DESC LIMIT ?",
        (event_id if event_id is not None else 2**62, limit),
    )
    return [_event(row) for row in rows]


def last_id(connection: sqlite3.Connection) -> int:
    """The newest event's number, 0 when there is none."""
    (newest,) = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
    return int(newest)


def broken_link(connection: sqlite3.Connection) -> int | None:
    """The number of the first event whose hash doesn't follow from the one before, or None when the chain holds."""
    before = GENESIS
    for row in connection.execute("SELECT * FROM events ORDER BY id"):
        if row["hash"] != linked(before, row):
            return int(row["id"])
        before = row["hash"]
    return None


def linked(before: str, row: sqlite3.Row) -> str:
    """The hash that a row would have behind an event whose hash is `before`."""
    return _hash(before, row["utc"], row["actor"], row["what"], row["subject"], row["detail"])


def _hash(before: str, *parts: str) -> str:
    return hashlib.sha256("\x1f".join((before, *parts)).encode()).hexdigest()


def _event(row: sqlite3.Row) -> Event:
    return Event(
        row["id"], row["utc"], bool(row["trusted"]), row["actor"], row["what"], row["subject"],
        json.loads(row["detail"]), row["hash"],
    )  # fmt: skip
