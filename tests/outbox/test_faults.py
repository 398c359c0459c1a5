"""The archive from hell: whatever it does, every object arrives exactly once or is held with a reason.

"Once" is the archive's view: an object whose acknowledgement was lost is sent again under the same identifier with the
same content, so that the archive has one.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil
import pytest
from pydicom.uid import ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from edge.config import DicomDestination
from edge.outbox.archive import Archive
from edge.outbox.drain import Drain
from edge.outbox.folder import Folder
from edge.outbox.policy import GIVE_UP_AFTER
from edge.store import Store
from tests.outbox.conftest import Queue, StoppedClock, parcels_of, queue_bytes, states_of
from tests.peers.archive import Rejection, ScriptedArchive
from tests.peers.films import film
from tests.peers.waiting import wait_for
from tests.peers.wire import Fault, Way, Wire

Port = Callable[[], int]


def _archive(port: int, timeout_s: float = 5.0, **settings: object) -> Archive:
    told = {"name": "archive", "title": "ARCHIVE", "host": "127.0.0.1", "port": port, "timeout_s": timeout_s}
    return Archive(DicomDestination.model_validate(told | settings))


def _until_settled(store: Store, clock: StoppedClock, drain: Drain, tries: int = 12) -> None:
    """Works until nothing is left to do, putting the clock forward over every delay."""
    for _ in range(tries):
        while drain.step():
            pass
        if set(states_of(store)) <= {"confirmed", "held"}:
            return
        clock.ahead_s += 400
    raise AssertionError([(p.state, p.reason, p.detail) for p in parcels_of(store)])


def _each_once(archive: ScriptedArchive, *numbers: int) -> None:
    assert set(archive.content) == {str(film(n).SOPInstanceUID) for n in numbers}


# Where on the wire a cut falls: within the request for an association, its end, commands, data, the very last bytes.
_THERE: Final = (
    0,
    1,
    5,
    6,
    74,
    150,
    300,
    500,
    700,
    1_000,
    5_000,
    20_000,
    50_000,
    90_000,
    98_000,
    99_000,
    99_500,
    150_000,
)
_BACK: Final = (0, 1, 6, 74, 180, 200, 230, 260, 300, 330, 360, 400)


@pytest.mark.requirement("nothing lost")
@pytest.mark.parametrize("way", ["there", "back"])
def test_cut_at_any_byte(store: Store, clock: StoppedClock, queue: Queue, free_port: Port, way: Way) -> None:
    """One cut after the other, each at a later byte; each try goes a little further."""
    behind, port = free_port(), free_port()
    archive = ScriptedArchive()
    cuts = _THERE if way == "there" else _BACK
    queue("archive", film(1), film(2))
    drain = Drain(store, _archive(port))
    with archive.listening(behind), Wire(port, behind, *(Fault(way, after) for after in cuts)) as wire:
        _until_settled(store, clock, drain, tries=len(cuts) + 10)
        queue("archive", *(film(n) for n in range(3, 3 + len(cuts))))
        _until_settled(store, clock, drain, tries=len(cuts) + 10)
        assert wire.connections > len(cuts)
    assert states_of(store) == ["confirmed"] * (len(cuts) + 2)
    _each_once(archive, *range(1, 3 + len(cuts)))


@pytest.mark.parametrize("after", [0, 60, 300, 20_000, 98_000])
def test_silence_at_any_byte(store: Store, clock: StoppedClock, queue: Queue, free_port: Port, after: int) -> None:
    behind, port = free_port(), free_port()
    archive = ScriptedArchive()
    queue("archive", film(1))
    with archive.listening(behind), Wire(port, behind, Fault("there", after, "silence")):
        began_s = time.monotonic()
        drain = Drain(store, _archive(port, timeout_s=0.7))
        drain.step()
        assert time.monotonic() - began_s < 12
        assert states_of(store) == ["queued"]
        _until_settled(store, clock, drain)
    _each_once(archive, 1)


def test_an_archive_that_never_answers_a_store(
    store: Store, clock: StoppedClock, queue: Queue, free_port: Port
) -> None:
    port, archive = free_port(), ScriptedArchive(script=["silence"])
    queue("archive", film(1), film(2))
    drain = Drain(store, _archive(port, timeout_s=0.7))
    with archive.listening(port):
        drain.step()
        assert parcels_of(store)[0].reason == "destination-broke-off"
        _until_settled(store, clock, drain)
    _each_once(archive, 1, 2)


@pytest.mark.parametrize("way", ["there", "back"])
def test_a_slow_drip_is_cut_off_and_tried_again(
    store: Store, clock: StoppedClock, queue: Queue, free_port: Port, way: Way
) -> None:
    """A byte now and then keeps every timer of the library alive; the whole has a time limit."""
    behind, port = free_port(), free_port()
    archive = ScriptedArchive()
    queue("archive", film(1))
    with archive.listening(behind), Wire(port, behind, Fault(way, 400 if way == "there" else 230, "drip", 0.3)):
        drain = Drain(store, _archive(port, timeout_s=1.0))
        began_s = time.monotonic()
        drain.step()
        assert time.monotonic() - began_s < 20
        _until_settled(store, clock, drain)
    _each_once(archive, 1)


_REJECTIONS: Final[dict[Rejection, str]] = {
    (1, 1, 1): "destination-refused",
    (1, 1, 2): "destination-refused",
    (1, 1, 3): "destination-refused",
    (1, 1, 7): "destination-refused",
    (2, 2, 1): "destination-refused",
    (1, 2, 2): "destination-refused",
    (2, 3, 1): "destination-busy",
    (2, 3, 2): "destination-busy",
}


def test_each_kind_of_rejection_is_told_and_waited_for(
    store: Store, clock: StoppedClock, queue: Queue, free_port: Port
) -> None:
    port, archive = free_port(), ScriptedArchive(rejections=list(_REJECTIONS))
    queue("archive", film(1))
    drain = Drain(store, _archive(port))
    with archive.listening(port):
        for code in _REJECTIONS.values():
            drain.step()
            (parcel,) = parcels_of(store)
            assert (parcel.state, parcel.reason) == ("queued", code)
            assert drain.reach.reason == code
            clock.ahead_s += 400
        _until_settled(store, clock, drain)
    _each_once(archive, 1)


@pytest.mark.requirement("nothing lost")
def test_only_implicit_vr(store: Store, clock: StoppedClock, queue: Queue, free_port: Port) -> None:
    """The archive takes nothing but the one syntax that every archive must take: the twins go, and are the same."""
    port, archive, pixels = free_port(), ScriptedArchive(), {}
    for number, syntax in enumerate((None, RLELossless, JPEG2000Lossless, JPEGLSLossless)):
        sent = film(number)
        sent.add_new(0x00090010, "LO", "CALCEDGE TEST")
        sent.add_new(0x00091001, "LO", "private")
        pixels[str(sent.SOPInstanceUID)] = hashlib.sha256(sent.PixelData).hexdigest()
        if syntax:
            sent.compress(syntax, generate_instance_uid=False)
        queue("archive", sent)
    with archive.listening(port, [ImplicitVRLittleEndian]):
        _until_settled(store, clock, Drain(store, _archive(port)))
    assert states_of(store) == ["confirmed"] * 4
    assert archive.content == pixels


def test_a_file_without_its_head_goes_as_a_twin(
    store: Store, clock: StoppedClock, free_port: Port, tmp_path: Path
) -> None:
    """A watched folder may hold data sets without preamble and file meta."""
    port, archive, sent = free_port(), ScriptedArchive(), film(1)
    path = tmp_path / "headless"
    del sent.file_meta
    sent.save_as(path, implicit_vr=True, little_endian=True)
    queue_bytes(store, "archive", path.read_bytes(), str(sent.SOPClassUID), str(sent.SOPInstanceUID))
    with archive.listening(port):
        _until_settled(store, clock, Drain(store, _archive(port)))
    assert states_of(store) == ["confirmed"]
    _each_once(archive, 1)


def test_a_kind_that_is_not_taken_is_held_with_its_name(
    store: Store, clock: StoppedClock, queue: Queue, free_port: Port
) -> None:
    port, archive = free_port(), ScriptedArchive()
    queue("archive", film(1))
    with archive.listening(port, classes=["1.2.840.10008.5.1.4.1.1.2"]):
        _until_settled(store, clock, Drain(store, _archive(port)))
    (parcel,) = parcels_of(store)
    assert (parcel.state, parcel.reason) == ("held", "destination-no-context")
    assert "Computed Radiography" in (parcel.detail or "")


@pytest.mark.requirement("nothing lost")
def test_an_object_that_ends_every_association_is_held_and_the_others_pass(
    store: Store, clock: StoppedClock, queue: Queue, free_port: Port
) -> None:
    port, archive = free_port(), ScriptedArchive()
    poison = str(film(0).SOPInstanceUID)
    real = archive._store

    def store_or_abort(event: object) -> int:
        if event.request.AffectedSOPInstanceUID == poison:  # type: ignore[attr-defined]
            event.assoc.abort()  # type: ignore[attr-defined]
            return 0xC000
        return real(event)  # type: ignore[arg-type]

    archive._store = store_or_abort  # type: ignore[method-assign]
    queue("archive", film(0))
    drain = Drain(store, _archive(port))
    with archive.listening(port):
        for number in range(1, GIVE_UP_AFTER + 2):
            queue("archive", film(number))
            while drain.step():
                pass
            clock.ahead_s += 400
    assert states_of(store) == ["held"] + ["confirmed"] * (GIVE_UP_AFTER + 1)
    assert parcels_of(store)[0].reason == "destination-broke-off"


def test_an_archive_that_restarts_again_and_again(
    store: Store, clock: StoppedClock, queue: Queue, free_port: Port
) -> None:
    port, archive = free_port(), ScriptedArchive()
    numbers = range(1, 13)
    queue("archive", *(film(n) for n in numbers))
    drain = Drain(store, _archive(port))
    for _ in range(4):
        archive.script = [0x0000, 0x0000, 0x0000, "abort"]
        with archive.listening(port):
            drain.step()
        drain.step()  # nobody there
        clock.ahead_s += 400
    archive.script = []
    with archive.listening(port):
        _until_settled(store, clock, drain)
    _each_once(archive, *numbers)


@pytest.mark.requirement("nothing lost")
def test_a_bad_destination_never_keeps_another_waiting(
    store: Store, queue: Queue, free_port: Port, tmp_path: Path
) -> None:
    """One archive is silent, the folder beside it gets everything meanwhile."""
    port, archive = free_port(), ScriptedArchive(script=["silence"])
    queue("archive", *(film(n) for n in range(3)))
    queue("usb", *(film(n) for n in range(10, 20)))
    stop = threading.Event()
    drains = [Drain(store, _archive(port, timeout_s=8)), Drain(store, Folder("usb", tmp_path / "usb"))]
    with archive.listening(port):
        threads = [threading.Thread(target=drain.run, args=(stop,)) for drain in drains]
        for thread in threads:
            thread.start()
        wait_for(lambda: states_of(store)[3:] == ["confirmed"] * 10, 7)
        assert states_of(store)[:3] == ["queued"] * 3
        stop.set()
    for thread in threads:
        thread.join()


def test_a_broken_line_leaves_no_thread_and_no_descriptor(
    store: Store, clock: StoppedClock, queue: Queue, free_port: Port
) -> None:
    behind, port = free_port(), free_port()
    archive = ScriptedArchive()
    process = psutil.Process()
    faults = [Fault("back", n) for n in (0, 6, 200, 230)] + [Fault("there", n, "silence") for n in (0, 300)]
    queue("archive", film(1))
    drain = Drain(store, _archive(port, timeout_s=0.5))
    gauges = []
    with archive.listening(behind), Wire(port, behind, *faults, *faults):
        for number in range(2 * len(faults)):
            drain.step()
            clock.ahead_s += 400
            if number in (0, 2 * len(faults) - 1):
                callers = [t for t in threading.enumerate() if type(t).__name__ == "Association"]
                gauges.append((len([t for t in callers if t.is_requestor]), process.num_fds()))  # type: ignore[attr-defined]
    assert gauges[-1][0] == gauges[0][0] == 0
    assert gauges[-1][1] <= gauges[0][1] + 2
