"""Orders from the worklist, the one that is picked, and which images were made for which order.

What always holds: at most one order is picked; an order that was ever seen stays, so that it can be picked without a
network and an image can be told its order years later. Patient data: never in logs or events.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

    from edge.clock import Stamp

OrderSide = Literal["L", "R", "B", "U"]
"""Left, right, both hands, or not said."""
LinkVerdict = Literal["agrees", "differs", "refused"]
"""`differs`: the image belongs to the order but something is not as ordered; `refused`: it is somebody else's."""
Evidence = Literal["accession", "picked"]


class OrderState(StrEnum):
    """How far an order has come here."""

    OPEN = "open"
    PICKED = "picked"
    COMPLETED = "completed"
    DISCONTINUED = "discontinued"


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What a worklist item says, decoded. `item` is the whole item, implicit VR little endian."""

    study_instance_uid: str
    step_id: str
    procedure_id: str
    accession_number: str
    patient_id: str
    patient_name: str
    patient_birth_date: str
    patient_sex: str
    side: OrderSide
    modality: str
    description: str
    scheduled: str
    item: bytes


@dataclass(frozen=True, slots=True)
class Order:
    """One order. `listed` is False for one that the worklist no longer shows. `picked_ns` counts in `picked_boot`."""

    id: int
    facts: OrderFacts
    listed: bool
    seen_utc: str
    state: OrderState
    picked_utc: str | None
    picked_boot: str | None
    picked_ns: int | None
    ended_utc: str | None
    ended_ns: int | None


@dataclass(frozen=True, slots=True)
class Link:
    """The verdict on one image and one order. `differences` are names such as `patient_id` or `side`."""

    image_id: int
    order_id: int
    verdict: LinkVerdict
    evidence: Evidence
    differences: tuple[str, ...]
    looked: bool
    """Whether the side seen in the picture was compared too."""
    judged_utc: str


@dataclass(frozen=True, slots=True)
class Freshness:
    """When the worklist was asked and answered last, and why the newest question failed, if it did."""

    asked_utc: str | None
    answered_utc: str | None
    reason: str | None


def upsert(tx: sqlite3.Connection, facts: OrderFacts, stamp: Stamp) -> int:
    """Keeps what the worklist says of an order, new or known, and returns its number.

    A known order is rewritten only while it is open: what was picked stays as it was when it was picked.
    """
    columns = (
        facts.procedure_id, facts.accession_number, facts.patient_id, facts.patient_name, facts.patient_birth_date,
        facts.patient_sex, facts.side, facts.modality, facts.description, facts.scheduled, facts.item,
    )  # fmt: skip
    tx.execute(
        """UPDATE orders SET procedure_id = ?, accession_number = ?, patient_id = ?, patient_name = ?,
                  patient_birth_date = ?, patient_sex = ?, side = ?, modality = ?, description = ?, scheduled = ?,
                  item = ? WHERE study_instance_uid = ? AND step_id = ? AND state = 'open'""",
        (*columns, facts.study_instance_uid, facts.step_id),
    )
    row = tx.execute(
        """INSERT INTO orders (procedure_id, accession_number, patient_id, patient_name, patient_birth_date,
                  patient_sex, side, modality, description, scheduled, item, study_instance_uid, step_id,
                  listed, seen_utc, state)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, 'open')
           ON CONFLICT (study_instance_uid, step_id) DO UPDATE SET listed = 1, seen_utc = excluded.seen_utc
           RETURNING id""",
        (*columns, facts.study_instance_uid, facts.step_id, stamp.iso),
    ).fetchone()
    return int(row["id"])


def unlist_others(tx: sqlite3.Connection, listed: Collection[int]) -> None:
    """Marks every order that the newest complete answer did not hold."""
    for row in tx.execute("SELECT id FROM orders WHERE listed = 1").fetchall():
        if row["id"] not in listed:
            tx.execute("UPDATE orders SET listed = 0 WHERE id = ?", (row["id"],))


def get(connection: sqlite3.Connection, order_id: int) -> Order | None:
    """One order, or None."""
    row = connection.execute("SELECT * FROM orders WHERE id = ?", (order_id,)).fetchone()
    return _order(row) if row else None


def listed(connection: sqlite3.Connection, limit: int = 200) -> list[Order]:
    """Open orders that the worklist showed last, by scheduled time."""
    rows = connection.execute(
        "SELECT * FROM orders WHERE listed = 1 AND state = 'open' ORDER BY scheduled, id LIMIT ?", (limit,)
    )
    return [_order(row) for row in rows]


def picked(connection: sqlite3.Connection) -> Order | None:
    """The order that the next exposure is for, or None."""
    row = connection.execute("SELECT * FROM orders WHERE state = 'picked'").fetchone()
    return _order(row) if row else None


def by_accession(connection: sqlite3.Connection, accession_number: str) -> list[Order]:
    """Orders with this accession number, newest first; none for an empty number."""
    if not accession_number:
        return []
    rows = connection.execute("SELECT * FROM orders WHERE accession_number = ? ORDER BY id DESC", (accession_number,))
    return [_order(row) for row in rows]


def picked_at(connection: sqlite3.Connection, boot: str, monotonic_ns: int) -> Order | None:
    """The order that was picked at a moment of a boot, or None. One picked in an earlier boot still is, after it."""
    row = connection.execute(
        """SELECT * FROM orders WHERE state != 'open' AND picked_boot IS NOT NULL AND
             ((picked_boot = ?1 AND picked_ns <= ?2 AND (state = 'picked' OR ended_ns > ?2))
              OR (picked_boot != ?1 AND state = 'picked'))
           ORDER BY picked_utc DESC LIMIT 1""",
        (boot, monotonic_ns),
    ).fetchone()
    return _order(row) if row else None


def set_picked(tx: sqlite3.Connection, order_id: int, stamp: Stamp) -> None:
    """The next exposure is for this order."""
    tx.execute(
        """UPDATE orders SET state = 'picked', picked_utc = ?, picked_boot = ?, picked_ns = ?, ended_utc = NULL,
                  ended_ns = NULL WHERE id = ?""",
        (stamp.iso, stamp.boot, stamp.monotonic_ns, order_id),
    )


def set_state(tx: sqlite3.Connection, order_id: int, state: OrderState, stamp: Stamp) -> None:
    """Ends an order, or puts it back (`open`)."""
    tx.execute(
        "UPDATE orders SET state = ?, ended_utc = ?, ended_ns = ? WHERE id = ?",
        (state, stamp.iso, stamp.monotonic_ns, order_id),
    )


def add_link(
    tx: sqlite3.Connection,
    image_id: int,
    order_id: int,
    stamp: Stamp,
    *,
    verdict: LinkVerdict,
    evidence: Evidence,
    differences: Sequence[str],
) -> bool:
    """Keeps the verdict on an image. False when it was judged before: the first verdict stays."""
    cursor = tx.execute(
        """INSERT INTO order_images (image_id, order_id, verdict, evidence, differences, judged_utc)
           VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
        (image_id, order_id, verdict, evidence, json.dumps(list(differences)), stamp.iso),
    )
    return cursor.rowcount == 1


def look(tx: sqlite3.Connection, image_id: int, differences: Sequence[str], verdict: LinkVerdict) -> None:
    """Keeps the verdict after the picture was looked at too."""
    tx.execute(
        "UPDATE order_images SET looked = 1, differences = ?, verdict = ? WHERE image_id = ?",
        (json.dumps(list(differences)), verdict, image_id),
    )


def unjudged_images(connection: sqlite3.Connection, newest: int) -> list[int]:
    """Of the newest images, those past admission that no order was compared with, oldest first."""
    rows = connection.execute(
        """SELECT id FROM (SELECT * FROM images ORDER BY id DESC LIMIT ?) AS recent
           WHERE state != 'received' AND header IS NOT NULL AND conflicting = 0
             AND NOT EXISTS (SELECT 1 FROM order_images WHERE image_id = recent.id) ORDER BY id""",
        (newest,),
    )
    return [int(row["id"]) for row in rows]


def unlooked_links(connection: sqlite3.Connection) -> list[Link]:
    """Links whose pictures have been analysed and were not compared yet."""
    rows = connection.execute(
        """SELECT order_images.* FROM order_images JOIN images ON images.id = image_id
           WHERE looked = 0 AND images.state IN ('analysed', 'reported') ORDER BY image_id"""
    )
    return [_link(row) for row in rows]


def link_of_image(connection: sqlite3.Connection, image_id: int) -> Link | None:
    """What was judged of an image, or None when no order was in question."""
    row = connection.execute("SELECT * FROM order_images WHERE image_id = ?", (image_id,)).fetchone()
    return _link(row) if row else None


def links_of_order(connection: sqlite3.Connection, order_id: int) -> list[Link]:
    """Every image that was judged against an order, oldest first."""
    rows = connection.execute("SELECT * FROM order_images WHERE order_id = ? ORDER BY image_id", (order_id,))
    return [_link(row) for row in rows]


def want_refresh(tx: sqlite3.Connection, *, wanted: bool) -> None:
    """Asks for the worklist to be read now, or notes that it is."""
    tx.execute("UPDATE worklist SET wanted = ?", (int(wanted),))


def refresh_wanted(connection: sqlite3.Connection) -> bool:
    """Whether a person asked for the worklist to be read now."""
    (wanted,) = connection.execute("SELECT wanted FROM worklist").fetchone()
    return bool(wanted)


def note_answer(tx: sqlite3.Connection, stamp: Stamp, *, reason: str | None) -> None:
    """Keeps how the newest question went."""
    tx.execute("UPDATE worklist SET asked_utc = ?, reason = ?", (stamp.iso, reason))
    if reason is None:
        tx.execute("UPDATE worklist SET answered_utc = ?", (stamp.iso,))


def freshness(connection: sqlite3.Connection) -> Freshness:
    """How old the list is."""
    row = connection.execute("SELECT * FROM worklist").fetchone()
    return Freshness(row["asked_utc"], row["answered_utc"], row["reason"])


def _order(row: sqlite3.Row) -> Order:
    facts = OrderFacts(
        row["study_instance_uid"], row["step_id"], row["procedure_id"], row["accession_number"], row["patient_id"],
        row["patient_name"], row["patient_birth_date"], row["patient_sex"], row["side"], row["modality"],
        row["description"], row["scheduled"], row["item"],
    )  # fmt: skip
    return Order(
        row["id"], facts, bool(row["listed"]), row["seen_utc"], OrderState(row["state"]), row["picked_utc"],
        row["picked_boot"], row["picked_ns"], row["ended_utc"], row["ended_ns"],
    )  # fmt: skip


def _link(row: sqlite3.Row) -> Link:
    return Link(
        row["image_id"], row["order_id"], row["verdict"], row["evidence"],
        tuple(json.loads(row["differences"])), bool(row["looked"]), row["judged_utc"],
    )  # fmt: skip
