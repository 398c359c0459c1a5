"""What the unit said happened: exposures, changes of state, faults. Each is kept once, however often it is told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from edge.clock import Stamp


@dataclass(frozen=True, slots=True)
class Exposure:
    """One exposure. `at` is when it began, on our clocks; `mapped` is False when that is only its time of arrival."""

    id: int
    device_id: str
    device_boot: int
    seq: int
    kvp: float
    tube_current_ma: float
    exposure_time_ms: float
    exposure_mas: float
    end_code: int
    mapped: bool
    at_utc: str
    at_trusted: bool
    at_boot: str
    at_ns: int


def add(
    tx: sqlite3.Connection,
    key: tuple[str, int, int],
    technique: tuple[float, float, float, float],
    end_code: int,
    at: Stamp,
    *,
    mapped: bool,
) -> int | None:
    """Keeps an exposure told by (device, boot, sequence). Technique is kV, mA, ms, mAs.

    Returns:
        Its number, or None when it is known already.
    """
    cursor = tx.execute(
        """INSERT INTO exposures (device_id, device_boot, seq, kvp, tube_current_ma, exposure_time_ms, exposure_mas,
                                  end_code, mapped, at_utc, at_trusted, at_boot, at_ns)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
        (*key, *technique, end_code, int(mapped), at.iso, int(at.trusted), at.boot, at.monotonic_ns),
    )
    return cursor.lastrowid if cursor.rowcount == 1 else None


def add_unit_event(
    tx: sqlite3.Connection,
    key: tuple[str, int, int],
    kind: Literal["state", "fault"],
    body: Mapping[str, object],
    at: Stamp,
) -> bool:
    """Keeps a change of state or a fault. False when it is known already."""
    cursor = tx.execute(
        """INSERT INTO unit_events (device_id, device_boot, seq, kind, body, at_utc)
           VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
        (*key, kind, json.dumps(body), at.iso),
    )
    return cursor.rowcount == 1


def get(connection: sqlite3.Connection, exposure_id: int) -> Exposure | None:
    """One exposure, or None."""
    row = connection.execute("SELECT * FROM exposures WHERE id = ?", (exposure_id,)).fetchone()
    return _exposure(row) if row else None


def latest(connection: sqlite3.Connection, limit: int = 10) -> list[Exposure]:
    """The newest exposures, newest first."""
    rows = connection.execute("SELECT * FROM exposures ORDER BY id DESC LIMIT ?", (limit,))
    return [_exposure(row) for row in rows]


def of_boot(connection: sqlite3.Connection, boot: str, since_ns: int) -> list[Exposure]:
    """Exposures of a boot since then, claimed or not, in the order of their time."""
    rows = connection.execute(
        "SELECT * FROM exposures WHERE at_boot = ? AND at_ns >= ? ORDER BY at_ns, id", (boot, since_ns)
    )
    return [_exposure(row) for row in rows]


def told_since(
    connection: sqlite3.Connection, boot: str, since_ns: int, since_utc: str
) -> list[tuple[Exposure, int | None]]:
    """Exposures since a moment, with the number of the image that each is matched to, in the order of their time.

    Those of `boot` by its monotonic clock; those of other boots by UTC (ISO 8601 with Z), as far as that is right.
    """
    rows = connection.execute(
        """SELECT exposures.*, images.id AS image_id FROM exposures
             LEFT JOIN images ON images.exposure_id = exposures.id
           WHERE (at_boot = ? AND at_ns >= ?) OR (at_boot != ? AND at_utc >= ?) ORDER BY at_utc, exposures.id""",
        (boot, since_ns, boot, since_utc),
    )
    return [(_exposure(row), row["image_id"]) for row in rows]


def _exposure(row: sqlite3.Row) -> Exposure:
    return Exposure(
        row["id"], row["device_id"], row["device_boot"], row["seq"], row["kvp"], row["tube_current_ma"],
        row["exposure_time_ms"], row["exposure_mas"], row["end_code"], bool(row["mapped"]), row["at_utc"],
        bool(row["at_trusted"]), row["at_boot"], row["at_ns"],
    )  # fmt: skip
