"""Parcels: one object on its way to one destination. `queued -> sent -> confirmed`, or `held` with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

    from edge.clock import Stamp


class ParcelState(StrEnum):
    """How far a parcel has come. `sent`: the destination took it; `confirmed`: it was seen to have it."""

    QUEUED = "queued"
    SENT = "sent"
    CONFIRMED = "confirmed"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Item:
    """What a parcel holds: a stored object and what DICOM calls it."""

    kind: str
    object: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """One object on its way to one destination."""

    id: int
    image_id: int
    destination: str
    kind: str
    object: str
    sop_class_uid: str
    sop_instance_uid: str
    state: ParcelState
    attempts: int
    reason: str | None
    detail: str | None
    changed_utc: str


def add(tx: sqlite3.Connection, image_id: int, destination: str, item: Item, stamp: Stamp) -> bool:
    """Queues an object for a destination. False when it was queued there before: it is never sent as two parcels."""
    cursor = tx.execute(
        """INSERT INTO parcels (image_id, destination, kind, object, sop_class_uid, sop_instance_uid, state,
                                due_boot, due_ns, changed_utc)
           VALUES (?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?) ON CONFLICT (object, destination) DO NOTHING""",
        (image_id, destination, item.kind, item.object, item.sop_class_uid, item.sop_instance_uid,
         stamp.boot, stamp.monotonic_ns, stamp.iso),
    )  # fmt: skip
    return cursor.rowcount == 1


def due(
    connection: sqlite3.Connection,
    destination: str,
    state: ParcelState,
    now: Stamp,
    limit: int,
    *,
    untried: bool = False,
    in_turn: bool = False,
) -> list[Parcel]:
    """Parcels of a destination whose time has come, oldest first. After a reboot every waiting parcel is due.

    Args:
        connection: the store's.
        destination: its name.
        state: `QUEUED` or `SENT`.
        now: this moment.
        limit: so many at most.
        untried: only those whose last try, if there was one, did not fail.
        in_turn: first who was due first, instead of the oldest: so that none always stands behind the same others.
    """
    rows = connection.execute(  # `IN` and `+id` lead to the index of what waits: what was delivered in years isn't read
        """SELECT * FROM parcels WHERE destination = ? AND state = ? AND state IN ('queued', 'sent')
             AND (due_boot != ? OR due_ns <= ?) AND (attempts = 0 OR NOT ?)
           ORDER BY CASE WHEN ? THEN due_ns END, +id LIMIT ?""",
        (destination, state, now.boot, now.monotonic_ns, untried, in_turn, limit),
    )
    return [_parcel(row) for row in rows]


def settle(
    tx: sqlite3.Connection,
    parcel_id: int,
    state: ParcelState,
    now: Stamp,
    *,
    delay_s: float = 0.0,
    reason: str | None = None,
    detail: str | None = None,
) -> None:
    """Keeps the result of a try: the state reached, when to try again, and why it failed if it did."""
    tx.execute(
        """UPDATE parcels SET state = ?, due_boot = ?, due_ns = ?, reason = ?, detail = ?, changed_utc = ?,
                              attempts = CASE WHEN ? IS NULL THEN 0 ELSE attempts + 1 END
           WHERE id = ?""",
        (state, now.boot, now.monotonic_ns + int(delay_s * 1e9), reason, detail, now.iso, reason, parcel_id),
    )


def hurry(tx: sqlite3.Connection, destination: str, reasons: Collection[str], now: Stamp) -> None:
    """Makes due now what waits for a destination and failed last for one of these reasons."""
    marks = ",".join("?" * len(reasons))
    tx.execute(
        f"""UPDATE parcels SET due_boot = ?, due_ns = ?
            WHERE destination = ? AND state = 'queued' AND reason IN ({marks})""",  # noqa: S608 - only question marks
        (now.boot, now.monotonic_ns, destination, *reasons),
    )


def requeue(tx: sqlite3.Connection, parcel_id: int, now: Stamp) -> bool:
    """Sends a parcel again because a person asked. False when there is no such parcel."""
    changed = tx.execute(
        """UPDATE parcels SET state = 'queued', attempts = 0, due_boot = ?, due_ns = ?, changed_utc = ? WHERE id = ?""",
        (now.boot, now.monotonic_ns, now.iso, parcel_id),
    )
    return changed.rowcount == 1


def get(connection: sqlite3.Connection, parcel_id: int) -> Parcel | None:
    """One parcel, or None."""
    row = connection.execute("SELECT * FROM parcels WHERE id = ?", (parcel_id,)).fetchone()
    return _parcel(row) if row else None


def of_image(connection: sqlite3.Connection, image_id: int) -> list[Parcel]:
    """All parcels that belong to an image, oldest first."""
    rows = connection.execute("SELECT * FROM parcels WHERE image_id = ? ORDER BY id", (image_id,))
    return [_parcel(row) for row in rows]


def troubled(connection: sqlite3.Connection, limit: int = 50) -> list[Parcel]:
    """Parcels that are held, or whose last try failed."""
    rows = connection.execute(
        """SELECT * FROM parcels WHERE state = 'held' OR (state != 'confirmed' AND reason IS NOT NULL)
           ORDER BY id LIMIT ?""",
        (limit,),
    )
    return [_parcel(row) for row in rows]


def count_by_state(connection: sqlite3.Connection) -> dict[str, dict[ParcelState, int]]:
    """How many parcels each destination has in each state."""
    counts: dict[str, dict[ParcelState, int]] = {}
    for row in connection.execute("SELECT destination, state, n FROM parcel_counts WHERE n > 0"):
        counts.setdefault(row["destination"], dict.fromkeys(ParcelState, 0))[ParcelState(row["state"])] = row["n"]
    return counts


def _parcel(row: sqlite3.Row) -> Parcel:
    return Parcel(
        row["id"], row["image_id"], row["destination"], row["kind"], row["object"], row["sop_class_uid"],
        row["sop_instance_uid"], ParcelState(row["state"]), row["attempts"], row["reason"], row["detail"],
        row["changed_utc"],
    )  # fmt: skip
