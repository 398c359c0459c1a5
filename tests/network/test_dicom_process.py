"""The real process that speaks DICOM, in a clinic: TLS to Orthanc with commitment, a worklist, a sender; and killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest

from edge.config import Config, load
from edge.intake.admit import admit
from edge.orders import desk
from edge.runtime import RunFolder
from edge.store import Store, images, orders, parcels
from edge.store.images import State
from edge.store.objects import digest
from edge.store.parcels import Item, ParcelState
from tests.peers.archive import ScriptedArchive
from tests.peers.certificates import Authority
from tests.peers.dcmtk import storescu, wlmscpfs
from tests.peers.films import film, write
from tests.peers.orders import item
from tests.peers.orthanc import Orthanc
from tests.peers.waiting import wait_for

Port = Callable[[], int]
_KILLS: Final = 3


@contextmanager
def _running(config: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as out:
        command = [sys.executable, "-m", "edge", "service", "dicom", "--config", str(config)]
        process = subprocess.Popen(command, stdout=out, stderr=out, env=dict(os.environ))
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _configuration(folder: Path, text: str) -> tuple[Path, Config]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "calcedge.toml"
    path.write_text(f'data = "{folder / "data"}"\n[intake]\nreserve_mb = 1\n{text}', encoding="utf-8")
    return path, load(path)


def _admitted(store: Store, destination: str) -> list[str]:
    """Admits what was received and queues it, as the analyzer would."""
    with store.read() as connection:
        received = images.waiting(connection, (State.RECEIVED,))
    if received is None:
        return []
    header = admit(store.objects.path(received.object))
    identity = header.identity
    with store.transaction() as tx:
        images.admit(tx, received.id, header, conflicting=False)
        images.move(tx, received.id, State.RECEIVED, State.ADMITTED)
        original = Item("original", received.object, identity.sop_class_uid, identity.sop_instance_uid)
        parcels.add(tx, received.id, destination, original, store.clock.now())
    return [identity.sop_instance_uid]


def _states(store: Store) -> set[ParcelState]:
    with store.read() as connection:
        counts = parcels.count_by_state(connection)
    return {state for by_state in counts.values() for state, number in by_state.items() if number}


@pytest.mark.needs("Orthanc", "storescu", "wlmscpfs", "openssl")
@pytest.mark.requirement("identity")
def test_a_day_at_the_clinic(free_port: Port, tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "ca")
    ours, port, worklist = authority.node("calcedge"), free_port(), free_port()
    with (
        Orthanc(tmp_path / "o", free_port(), free_port(), tls=authority.node("orthanc"), reports_to=port) as orthanc,
        wlmscpfs(tmp_path / "w", worklist, [item(1), item(2)]),
    ):
        path, config = _configuration(
            tmp_path / "appliance",
            f'[dicom]\nport = {port}\ntls = true\n[[dicom.peers]]\ntitle = "UNIT"\n[[dicom.peers]]\ntitle = "ORTHANC"\n'
            f'[tls]\ncertificate = "{ours.certificate}"\nkey = "{ours.key}"\nauthorities = "{ours.authorities}"\n'
            f'[worklist]\ntitle = "WORKLIST"\nhost = "127.0.0.1"\nport = {worklist}\n'
            f'[[destinations]]\ntype = "dicom"\nname = "pacs"\ntitle = "ORTHANC"\nhost = "127.0.0.1"\n'
            f"port = {orthanc.dicom_port}\ntls = true\ncommitment = true\ncommitment_wait_s = 3600\n",
        )
        with _running(path, tmp_path / "log"):
            store = Store.open(config.data)
            wait_for(lambda: _listed(store), 60)
            assert desk.pick(store, _listed(store)[0], "technician")
            made = film(1, columns=256, PatientID="T0001", PatientName="Test^Patient 1")
            sent = write(made, tmp_path / "a.dcm")
            assert storescu(port, sent, calling="STRANGER", tls=authority.node("unit")) != 0
            assert storescu(port, sent, tls=authority.node("unit")) == 0
            wait_for(lambda: _admitted(store, "pacs"))
            wait_for(lambda: _states(store) == {ParcelState.CONFIRMED}, 60)
            assert orthanc.instances() == [str(made.SOPInstanceUID)]
            with store.read() as connection:
                link = wait_for(lambda: orders.link_of_image(connection, 1))
                assert link is not None
                committed = [row["state"] for row in connection.execute("SELECT state FROM commitments")]
            assert (link.verdict, link.evidence) == ("agrees", "picked")
            assert committed == ["committed"]
            status = RunFolder(config.run_folder, store.clock).read("dicom")
            assert status is not None
            assert status.facts["worklist"] == {"reachable": True, "reason": None}
            store.close()


def _listed(store: Store) -> list[int]:
    with store.read() as connection:
        return [order.id for order in orders.listed(connection)]


@pytest.mark.requirement("nothing lost")
def test_killed_again_and_again_every_object_arrives_once(free_port: Port, tmp_path: Path) -> None:
    """SIGKILL at seeded moments while objects leave: none is lost, none is there twice, none differs."""
    rng, port, archive = random.Random(5), free_port(), ScriptedArchive()
    path, config = _configuration(
        tmp_path / "appliance",
        f'[dicom]\nport = {free_port()}\n[[destinations]]\ntype = "dicom"\nname = "pacs"\ntitle = "ARCHIVE"\n'
        f'host = "127.0.0.1"\nport = {port}\ntimeout_s = 10\n',
    )
    store = Store.open(config.data)
    made = [film(n) for n in range(40)]
    for dataset in made:
        buffer = BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        name = store.objects.put(buffer.getvalue())
        with store.transaction() as tx:
            image_id, _ = images.add(tx, digest(store.objects.path(name)), "folder", None, store.clock.now())
            original = Item("original", name, str(dataset.SOPClassUID), str(dataset.SOPInstanceUID))
            parcels.add(tx, image_id, "pacs", original, store.clock.now())
    with archive.listening(port):
        for _ in range(_KILLS):
            before = len(archive.stored)
            with _running(path, tmp_path / "log") as process:
                wait_for(lambda: len(archive.stored) > before, 60)  # noqa: B023 - asked within the round
                wait_for(lambda: len(archive.stored) > before + rng.randrange(8), 60)  # noqa: B023
                process.kill()
        with _running(path, tmp_path / "log"):
            wait_for(lambda: _states(store) == {ParcelState.CONFIRMED}, 120)
    assert set(archive.content) == {str(dataset.SOPInstanceUID) for dataset in made}
    again = sum(number - 1 for number in archive.times().values())
    print(f"40 objects through {_KILLS} kills: all there, {again} sent twice under one identifier")
    assert again <= _KILLS * 2  # what was in flight, and what was taken but not yet written down
    store.close()
