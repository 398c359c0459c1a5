"""Storage commitment: asked for, reported on the same association, on a later one, never, or not at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset

from edge.config import Dicom, DicomDestination
from edge.intake.receive import Reception
from edge.intake.scp import StoreScp
from edge.outbox.archive import Archive
from edge.outbox.commitment import judge_failure, new_transaction, read_report
from edge.outbox.drain import Drain
from edge.outbox.ledger import Ledger
from edge.store import Store, events
from tests.outbox.conftest import Queue, StoppedClock, parcels_of, states_of
from tests.peers.archive import Promise, ScriptedArchive
from tests.peers.films import film
from tests.peers.waiting import wait_for

Port = Callable[[], int]


def _drain(store: Store, port: int, **more: object) -> tuple[Drain, Ledger]:
    told = {
        "name": "archive",
        "title": "ARCHIVE",
        "host": "127.0.0.1",
        "port": port,
        "commitment": True,
        "timeout_s": 8,
    }
    ledger = Ledger(store)
    return Drain(store, Archive(DicomDestination.model_validate(told | more), None, ledger), ledger), ledger


@pytest.mark.requirement("nothing lost")
@pytest.mark.parametrize("promises", ["same", "later"])
def test_a_report_confirms_wherever_it_comes(store: Store, queue: Queue, free_port: Port, promises: Promise) -> None:
    port, settings = free_port(), Dicom(port=free_port())
    archive = ScriptedArchive(promises=promises, reports_to=settings.port)
    queue("archive", film(1), film(2))
    drain, ledger = _drain(store, port)
    with archive.listening(port), StoreScp(settings, Reception(store, 0), store.objects, notices=ledger):
        drain.step()
        drain.step()
        wait_for(lambda: states_of(store) == ["confirmed"] * 2)
    assert archive.committed == [[str(film(n).SOPInstanceUID) for n in (1, 2)]]
    assert archive.asked == []  # C-FIND was not needed
    with store.read() as connection:
        told = [event.what for event in events.after(connection, 0)]
    assert told.count("parcel-confirmed") == 2


@pytest.mark.parametrize("promises", ["none", "refused", "silent"])
def test_without_a_report_the_archive_is_asked_by_find(
    store: Store, clock: StoppedClock, queue: Queue, free_port: Port, promises: Promise
) -> None:
    port, archive = free_port(), ScriptedArchive(promises=promises)
    queue("archive", film(1))
    drain, _ = _drain(store, port)
    with archive.listening(port):
        drain.step()
        drain.step()
        if promises == "silent":
            assert states_of(store) == ["sent"]
            clock.ahead_s += 61
            drain.step()
    assert states_of(store) == ["confirmed"]
    assert archive.asked == [str(film(1).SOPInstanceUID)]


def test_a_report_that_comes_late_still_counts(
    store: Store, clock: StoppedClock, queue: Queue, free_port: Port
) -> None:
    """The archive took an hour, does not show the object meanwhile, and we were asleep in between."""
    port, archive = free_port(), ScriptedArchive(promises="silent", shows=False)
    queue("archive", film(1))
    drain, _ = _drain(store, port)
    with archive.listening(port):
        drain.step()
        drain.step()
        clock.ahead_s += 61
        drain.step()
    assert states_of(store) == ["sent"]
    with store.read() as connection:
        (row,) = connection.execute("SELECT transaction_uid FROM commitments").fetchall()
    report = Dataset()
    report.TransactionUID = row["transaction_uid"]
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = film(1).SOPClassUID, film(1).SOPInstanceUID
    report.ReferencedSOPSequence = [item]
    assert Ledger(store).commitment(1, report)  # another life of the process
    assert states_of(store) == ["confirmed"]
    assert Ledger(store).commitment(1, report)  # told twice
    with store.read() as connection:
        told = [event.what for event in events.after(connection, 0)]
    assert told.count("parcel-confirmed") == 1


@pytest.mark.requirement("nothing lost")
def test_each_failure_leads_where_the_table_says(
    store: Store, clock: StoppedClock, queue: Queue, free_port: Port
) -> None:
    port = free_port()
    uids = [str(film(n).SOPInstanceUID) for n in range(4)]
    archive = ScriptedArchive(promises="same", fails={uids[1]: 0x0112, uids[2]: 0x0122, uids[3]: 0x0213})
    queue("archive", *(film(n) for n in range(4)))
    drain, _ = _drain(store, port)
    with archive.listening(port):
        drain.step()
        drain.step()
        assert states_of(store) == ["confirmed", "queued", "held", "sent"]
        reasons = [None, "destination-lost", "destination-rejected", "destination-busy"]
        assert [parcel.reason for parcel in parcels_of(store)] == reasons
        archive.fails = {}
        clock.ahead_s += 400
        drain.step()
        drain.step()
        drain.step()
    assert states_of(store) == ["confirmed", "confirmed", "held", "confirmed"]
    assert archive.times()[uids[1]] == 2  # it had lost it


def test_a_report_of_somebody_else_s_transaction_is_refused(store: Store) -> None:
    report = Dataset()
    report.TransactionUID = "1.2.3"
    assert not Ledger(store).commitment(1, report)
    assert not Ledger(store).commitment(1, Dataset())


def test_what_is_in_both_lists_has_failed() -> None:
    item, report = Dataset(), Dataset()
    item.ReferencedSOPInstanceUID, item.FailureReason = "1.2", 0x0110
    report.TransactionUID, report.ReferencedSOPSequence, report.FailedSOPSequence = "1.3", [item], [item]
    read = read_report(report)
    assert read.committed == frozenset()
    assert read.failed == {"1.2": 0x0110}


def test_transactions_can_t_be_guessed() -> None:
    uids = {new_transaction() for _ in range(100)}
    assert len(uids) == 100
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in uids)
    assert not judge_failure(0x9999).final
