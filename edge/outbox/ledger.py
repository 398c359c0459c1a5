"""Keeps what archives promised: their reports settle the parcels, on whatever association and whenever they come."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from edge.outbox import policy
from edge.outbox.commitment import Report, judge_failure, new_transaction, read_report
from edge.store import commitments, events, parcels
from edge.store.parcels import ParcelState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from pydicom.dataset import Dataset

    from edge.clock import Stamp
    from edge.store import Store
    from edge.store.commitments import Asked
    from edge.store.parcels import Parcel

ACTOR: Final = "outbox"


class Ledger:
    """The open transactions of one store. Shared by the drains, which ask, and whoever hears the reports."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._heard = threading.Condition()

    def open(self, batch: Sequence[Parcel]) -> str:
        """Notes a transaction durably, before the archive hears of it, and returns its UID."""
        uid = new_transaction()
        with self._store.transaction() as tx:
            commitments.ask(tx, uid, [parcel.id for parcel in batch], self._store.clock.now())
        return uid

    def commitment(self, event_type: int, information: Dataset) -> bool:
        """Settles what a report tells. False when the transaction is not ours; told twice, it is settled once."""
        del event_type  # 1 or 2 says only whether the list of failures is empty
        report = read_report(information)
        stamp = self._store.clock.now()
        with self._store.transaction() as tx:
            known = commitments.of_transaction(tx, report.transaction_uid)
            for asked in known:
                if asked.state in ("asked", "unanswered"):
                    self._settle(tx, report, asked, stamp)
        with self._heard:
            self._heard.notify_all()
        return bool(known)

    def wait_for(self, transaction_uid: str, seconds: float) -> bool:
        """Waits until a report has settled a transaction. False when none came in time."""
        with self._heard:
            return self._heard.wait_for(lambda: self._answered(transaction_uid), seconds)

    def give_up(self, parcel_id: int) -> bool:
        """Waits no longer for what was asked of a parcel. False when nothing was."""
        with self._store.read() as connection:
            waiting = commitments.waiting(connection, parcel_id)
        if waiting:
            with self._store.transaction() as tx:
                for uid in waiting:
                    commitments.settle(tx, uid, parcel_id, "unanswered")
        return bool(waiting)

    def _answered(self, transaction_uid: str) -> bool:
        with self._store.read() as connection:
            return all(asked.state != "asked" for asked in commitments.of_transaction(connection, transaction_uid))

    def _settle(self, tx: sqlite3.Connection, report: Report, asked: Asked, stamp: Stamp) -> None:
        parcel = parcels.get(tx, asked.parcel_id)
        if parcel is None:
            return
        if asked.sop_instance_uid in report.committed:
            commitments.settle(tx, report.transaction_uid, parcel.id, "committed")
            if parcel.state is ParcelState.SENT:
                parcels.settle(tx, parcel.id, ParcelState.CONFIRMED, stamp)
                self._tell(tx, parcel, "parcel-confirmed", None, stamp)
        elif (failure := report.failed.get(asked.sop_instance_uid)) is not None:
            commitments.settle(tx, report.transaction_uid, parcel.id, "failed", failure)
            if parcel.state is ParcelState.SENT:
                self._fail(tx, parcel, failure, stamp)

    def _fail(self, tx: sqlite3.Connection, parcel: Parcel, failure: int, stamp: Stamp) -> None:
        error = judge_failure(failure)
        code, detail = error.reason.code, error.reason.text
        state = ParcelState.SENT
        if error.final:
            state = ParcelState.HELD
        elif code == "destination-lost":
            state = ParcelState.QUEUED
        delay_s = policy.delay_s(parcel.attempts)
        parcels.settle(tx, parcel.id, state, stamp, delay_s=delay_s, reason=code, detail=detail)
        self._tell(tx, parcel, "parcel-held" if error.final else "parcel-delayed", code, stamp)

    @staticmethod
    def _tell(tx: sqlite3.Connection, parcel: Parcel, what: events.What, code: str | None, stamp: Stamp) -> None:
        events.append(tx, stamp, ACTOR, what, f"parcel:{parcel.id}", destination=parcel.destination, reason=code)
