"""Messages that wait until the broker has confirmed them; durable, bounded.

What always holds: a message is durable when `put` returns and gone only when it was confirmed or replaced; a retained
message replaces the one before on its topic; when there are too many, health goes first.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOST: Final = 2000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS messages (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    topic   TEXT    NOT NULL,
    payload BLOB    NOT NULL,
    retain  INTEGER NOT NULL,
    expiry_s INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS counter (only INTEGER PRIMARY KEY CHECK (only = 1), seq INTEGER NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message on its way."""

    id: int
    topic: str
    payload: bytes
    retain: bool
    expiry_s: int | None


class Outbox:
    """The messages of one box. For one thread; open another for another."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=10, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)

    def next_seq(self) -> int:
        """A number that only grows."""
        row = self._connection.execute(
            "INSERT INTO counter VALUES (1, 1) ON CONFLICT DO UPDATE SET seq = seq + 1 RETURNING seq"
        ).fetchone()
        return int(row[0])

    def put(self, topic: str, payload: bytes, *, retain: bool, expiry_s: int | None = None) -> None:
        """Keeps a message until it is confirmed."""
        with self._connection as tx:
            tx.execute("BEGIN IMMEDIATE")
            if retain:
                tx.execute("DELETE FROM messages WHERE topic = ? AND retain = 1", (topic,))
            tx.execute(
                "INSERT INTO messages (topic, payload, retain, expiry_s) VALUES (?, ?, ?, ?)",
                (topic, payload, retain, expiry_s),
            )
            tx.execute(
                "DELETE FROM messages WHERE id IN (SELECT id FROM messages ORDER BY retain, id"
                " LIMIT max(0, (SELECT count(*) FROM messages) - ?))",
                (MOST,),
            )

    def waiting(self, limit: int = 20) -> list[Waiting]:
        """The oldest messages."""
        rows = self._connection.execute(
            "SELECT id, topic, payload, retain, expiry_s FROM messages ORDER BY id LIMIT ?", (limit,)
        )
        return [Waiting(row[0], row[1], row[2], bool(row[3]), row[4]) for row in rows]

    def confirm(self, number: int) -> None:
        """The broker has it."""
        self._connection.execute("DELETE FROM messages WHERE id = ?", (number,))

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()
