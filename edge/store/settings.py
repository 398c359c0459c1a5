"""The site's settings that may change while the appliance runs: a name and a JSON value each.

What each name means, and what it may be, is the business of whoever reads it (`edge.people.site`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3

    from edge.clock import Stamp


def everything(connection: sqlite3.Connection) -> dict[str, Any]:
    """All settings that were ever changed."""
    return {row["name"]: json.loads(row["value"]) for row in connection.execute("SELECT name, value FROM settings")}


def put(tx: sqlite3.Connection, name: str, value: object, stamp: Stamp) -> None:
    """Keeps a value under a name, instead of the one before."""
    tx.execute(
        "INSERT INTO settings (name, value, changed_utc) VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_utc = excluded.changed_utc",
        (name, json.dumps(value, sort_keys=True), stamp.iso),
    )
