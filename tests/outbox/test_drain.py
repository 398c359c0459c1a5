"""The outbox against a folder, a scripted archive and Orthanc: each object arrives once, or is held with a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from edge.config import DicomDestination
from edge.outbox.archive import Archive
from edge.outbox.destination import Destination
from edge.outbox.drain import Drain
from edge.outbox.folder import Folder
from edge.store import Store, events
from edge.store.parcels import ParcelState
from tests.outbox.conftest import Queue, StoppedClock, parcels_of, states_of
from tests.peers.archive import ScriptedArchive
from tests.peers.films import film
from tests.peers.orthanc import Orthanc
from tests.peers.waiting import wait_for


def _archive(port: int, **settings: object) -> Archive:
    return Archive(
        DicomDestination.model_validate(
            {"type": "dicom", "name": "archive", "title": "ARCHIVE", "host": "127.0.0.1", "port": port, **settings}
        )
    )


def _settle(drain: Drain) -> None:
    while drain.step():
        pass


def test_a_folder_gets_each_object_once_and_whole(store: Store, queue: Queue, tmp_path: Path) -> None:
    queue("usb", film(1), film(2))
    drain = Drain(store, Folder("usb", tmp_path / "usb"))
    _settle(drain)
    assert states_of(store) == ["confirmed", "confirmed"]
    delivered = sorted((tmp_path / "usb").iterdir())
    assert sorted(dcmread(path).SOPInstanceUID for path in delivered) == sorted(
        [film(1).SOPInstanceUID, film(2).SOPInstanceUID]
    )
    with store.read() as connection:
        assert {event.what for event in events.latest(connection)} == {"parcel-sent", "parcel-confirmed"}


def test_a_drive_that_is_away_is_waited_for(store: Store, queue: Queue, clock: StoppedClock, tmp_path: Path) -> None:
    (tmp_path / "usb").write_text("not a folder", encoding="ascii")
    queue("usb", film(1))
    drain = Drain(store, Folder("usb", tmp_path / "usb"))
    for _ in range(4):
        assert drain.step()
        assert not drain.step()  # not due before its time
        clock.ahead_s += 400
    (parcel,) = parcels_of(store)
    assert (parcel.state, parcel.reason, parcel.attempts) == (ParcelState.QUEUED, "destination-folder", 4)
    assert drain.reach.reachable is False
    with store.read() as connection:
        assert [event.what for event in events.latest(connection)] == ["parcel-delayed"]  # told once
    (tmp_path / "usb").unlink()
    _settle(drain)
    assert states_of(store) == ["confirmed"]


@pytest.mark.requirement("nothing lost")
def test_each_status_leads_where_the_table_says(
    store: Store, queue: Queue, clock: StoppedClock, free_port: Callable[[], int]
) -> None:
    port = free_port()
    archive = ScriptedArchive(script=[0x0000, 0xA700, 0xC000, 0xB007, 0x0111])
    queue("archive", *(film(n) for n in range(5)))
    drain = Drain(store, _archive(port))
    with archive.listening(port):
        _settle(drain)
        assert states_of(store) == ["confirmed", "queued", "held", "confirmed", "confirmed"]
        assert [p.reason for p in parcels_of(store)] == [None, "destination-busy", "destination-rejected", None, None]
        clock.ahead_s += 10
        _settle(drain)
    assert states_of(store) == ["confirmed", "confirmed", "held", "confirmed", "confirmed"]
    assert sorted(archive.stored) == sorted(str(film(n).SOPInstanceUID) for n in (0, 1, 3, 4))


@pytest.mark.requirement("nothing lost")
def test_an_archive_that_breaks_off_loses_nothing(
    store: Store, queue: Queue, clock: StoppedClock, free_port: Callable[[], int]
) -> None:
    port = free_port()
    archive = ScriptedArchive(script=[0x0000, "abort"])
    queue("archive", *(film(n) for n in range(4)))
    drain = Drain(store, _archive(port))
    with archive.listening(port):
        _settle(drain)
        # The one at hand waits its time, the others are not kept waiting by it.
        assert states_of(store) == ["confirmed", "queued", "confirmed", "confirmed"]
        assert parcels_of(store)[1].reason == "destination-broke-off"
        clock.ahead_s += 10
        _settle(drain)
    assert states_of(store) == ["confirmed"] * 4
    assert sorted(archive.stored) == sorted(str(film(n).SOPInstanceUID) for n in range(4))


def test_an_archive_that_can_t_be_asked_leaves_parcels_at_sent(
    store: Store, queue: Queue, free_port: Callable[[], int]
) -> None:
    port = free_port()
    archive = ScriptedArchive(finds=False)
    queue("archive", film(1))
    with archive.listening(port):
        _settle(Drain(store, _archive(port)))
    assert states_of(store) == ["sent"]


def test_an_archive_that_took_it_but_does_not_show_it_gets_it_again(
    store: Store, queue: Queue, clock: StoppedClock, free_port: Callable[[], int]
) -> None:
    port = free_port()
    archive = ScriptedArchive(shows=False)
    queue("archive", film(1))
    drain = Drain(store, _archive(port))
    with archive.listening(port):
        for _ in range(9):
            _settle(drain)
            clock.ahead_s += 400
        assert len(archive.stored) == 2
        archive.shows = True
        clock.ahead_s += 400
        _settle(drain)
    assert states_of(store) == ["confirmed"]


def test_an_object_the_archive_does_not_take_is_held_and_the_others_go_on(
    store: Store, queue: Queue, free_port: Callable[[], int]
) -> None:
    port = free_port()
    archive = ScriptedArchive()
    unusual, usual = film(2), film(1)
    unusual.compress("1.2.840.10008.1.2.5")  # RLE
    usual.compress("1.2.840.10008.1.2.4.90")  # JPEG 2000, the only one that this archive takes
    queue("archive", unusual, usual)
    with archive.listening(port, ["1.2.840.10008.1.2.4.90"]):
        _settle(Drain(store, _archive(port)))
    assert states_of(store) == ["held", "confirmed"]
    assert parcels_of(store)[0].reason == "destination-no-context"
    assert "RLE" in (parcels_of(store)[0].detail or "")


def test_an_archive_that_is_not_there_is_said_and_another_is_not_kept_waiting(
    store: Store, queue: Queue, free_port: Callable[[], int], tmp_path: Path
) -> None:
    queue("archive", film(1))
    queue("usb", film(2))
    away = Drain(store, _archive(free_port()))
    away.step()
    _settle(Drain(store, Folder("usb", tmp_path / "usb")))
    assert states_of(store) == ["queued", "confirmed"]
    assert away.reach.reason == "destination-unreachable"


@pytest.mark.requirement("identity")
def test_a_damaged_object_never_leaves(store: Store, queue: Queue, tmp_path: Path) -> None:
    queue("usb", film(1))
    (parcel,) = parcels_of(store)
    path = store.objects.path(parcel.object)
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    _settle(Drain(store, Folder("usb", tmp_path / "usb")))
    (parcel,) = parcels_of(store)
    assert (parcel.state, parcel.reason) == (ParcelState.HELD, "object-corrupt")
    assert not (tmp_path / "usb").exists()


@pytest.mark.needs("Orthanc")
def test_orthanc_takes_and_shows_every_object(
    store: Store, queue: Queue, clock: StoppedClock, free_port: Callable[[], int], tmp_path: Path
) -> None:
    compressed = film(3)
    compressed.compress("1.2.840.10008.1.2.4.90")  # JPEG 2000 lossless
    sent = [film(1), film(2), compressed]
    with Orthanc(tmp_path / "orthanc", free_port(), free_port()) as orthanc:
        destination: Destination = _archive(orthanc.dicom_port, title=orthanc.title)
        queue("archive", *sent)
        drain = Drain(store, destination)

        def confirmed() -> bool:
            clock.ahead_s += 1
            drain.step()
            return states_of(store) == ["confirmed"] * 3

        wait_for(confirmed)
        assert orthanc.instances() == sorted(str(dataset.SOPInstanceUID) for dataset in sent)
