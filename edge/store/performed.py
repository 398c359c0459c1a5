"""Performed procedure steps: what the clinic's system is told of an order (MPPS), and how far that has come.

begin --N-CREATE--> running --the order ends--> end --N-SET--> ended        any of them --refused--> held
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import sqlite3

    from edge.clock import Stamp

StepState = Literal["begin", "running", "end", "ended", "held"]
Outcome = Literal["COMPLETED", "DISCONTINUED"]


@dataclass(frozen=True, slots=True)
class PerformedStep:
    """One step. `outcome` is None while the order is picked."""

    id: int
    order_id: int
    sop_instance_uid: str
    state: StepState
    outcome: Outcome | None
    started_utc: str
    attempts: int
    reason: str | None
    detail: str | None


def begin(tx: sqlite3.Connection, order_id: int, sop_instance_uid: str, stamp: Stamp) -> bool:
    """The first exposure or image of an order was made. False when that is known.

    An image may come when its order has ended already: then the step has its outcome from the beginning.
    """
    cursor = tx.execute(
        """INSERT INTO performed_steps (order_id, sop_instance_uid, state, outcome, started_utc, due_boot, due_ns)
           SELECT id, ?, 'begin', CASE WHEN state IN ('completed', 'discontinued') THEN upper(state) END, ?, ?, ?
           FROM orders WHERE id = ? ON CONFLICT (order_id) DO NOTHING""",
        (sop_instance_uid, stamp.iso, stamp.boot, stamp.monotonic_ns, order_id),
    )
    return cursor.rowcount == 1


def end(tx: sqlite3.Connection, order_id: int, outcome: Outcome, stamp: Stamp) -> None:
    """The order has ended. Does nothing where no step was begun."""
    tx.execute(
        """UPDATE performed_steps SET outcome = ?, due_boot = ?, due_ns = ?,
                  state = CASE state WHEN 'running' THEN 'end' ELSE state END
           WHERE order_id = ? AND outcome IS NULL""",
        (outcome, stamp.boot, stamp.monotonic_ns, order_id),
    )


def due(connection: sqlite3.Connection, now: Stamp) -> list[PerformedStep]:
    """Steps of which something is to be told now, oldest first. After a reboot all that wait are due."""
    rows = connection.execute(
        """SELECT * FROM performed_steps WHERE state IN ('begin', 'end') AND (due_boot != ? OR due_ns <= ?)
           ORDER BY id""",
        (now.boot, now.monotonic_ns),
    )
    return [_step(row) for row in rows]


def told(tx: sqlite3.Connection, step: PerformedStep) -> None:
    """What was to be told was taken."""
    tx.execute(
        """UPDATE performed_steps SET attempts = 0, reason = NULL, detail = NULL, state = CASE
             WHEN state = 'end' THEN 'ended' WHEN outcome IS NULL THEN 'running' ELSE 'end' END WHERE id = ?""",
        (step.id,),
    )


def failed(
    tx: sqlite3.Connection, step: PerformedStep, now: Stamp, *, delay_s: float, reason: str, detail: str, held: bool
) -> None:
    """It was not taken: when to try again, or never."""
    tx.execute(
        """UPDATE performed_steps SET attempts = attempts + 1, reason = ?, detail = ?, due_boot = ?, due_ns = ?,
                  state = CASE WHEN ? THEN 'held' ELSE state END WHERE id = ?""",
        (reason, detail, now.boot, now.monotonic_ns + int(delay_s * 1e9), held, step.id),
    )


def of_order(connection: sqlite3.Connection, order_id: int) -> PerformedStep | None:
    """The step of an order, or None."""
    row = connection.execute("SELECT * FROM performed_steps WHERE order_id = ?", (order_id,)).fetchone()
    return _step(row) if row else None


def _step(row: sqlite3.Row) -> PerformedStep:
    return PerformedStep(
        row["id"], row["order_id"], row["sop_instance_uid"], row["state"], row["outcome"], row["started_utc"],
        row["attempts"], row["reason"], row["detail"],
    )  # fmt: skip
