"""Storage commitments asked of archives: which parcels each names, and what became of it (PS3.4 annex J).

What always holds: a transaction is durable before the archive hears of it, so that its report is known
whenever it comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from edge.clock import Stamp

Promise = Literal["asked", "committed", "failed", "unanswered"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One parcel of a transaction."""

    parcel_id: int
    sop_instance_uid: str
    state: Promise


def ask(tx: sqlite3.Connection, transaction_uid: str, parcel_ids: Sequence[int], stamp: Stamp) -> None:
    """Notes a transaction that is about to be sent."""
    tx.executemany(
        "INSERT INTO commitments (transaction_uid, parcel_id, state, asked_utc) VALUES (?, ?, 'asked', ?)",
        [(transaction_uid, parcel_id, stamp.iso) for parcel_id in parcel_ids],
    )


def settle(
    tx: sqlite3.Connection, transaction_uid: str, parcel_id: int, state: Promise, failure: int | None = None
) -> None:
    """Keeps what became of one parcel's commitment."""
    tx.execute(
        "UPDATE commitments SET state = ?, failure = ? WHERE transaction_uid = ? AND parcel_id = ?",
        (state, failure, transaction_uid, parcel_id),
    )


def of_transaction(connection: sqlite3.Connection, transaction_uid: str) -> list[Asked]:
    """The parcels of a transaction; none when it is not ours."""
    rows = connection.execute(
        """SELECT parcel_id, sop_instance_uid, commitments.state FROM commitments
           JOIN parcels ON parcels.id = parcel_id WHERE transaction_uid = ? ORDER BY parcel_id""",
        (transaction_uid,),
    )
    return [Asked(row["parcel_id"], row["sop_instance_uid"], row["state"]) for row in rows]


def waiting(connection: sqlite3.Connection, parcel_id: int) -> list[str]:
    """The transactions in which a parcel was asked for and no answer came."""
    rows = connection.execute(
        "SELECT transaction_uid FROM commitments WHERE parcel_id = ? AND state = 'asked'", (parcel_id,)
    )
    return [str(row["transaction_uid"]) for row in rows]
