"""Real archives: Orthanc and DCMTK, with and without TLS, and DICOMweb."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from edge.config import Dicom, DicomDestination, DicomWebDestination, Tls
from edge.intake.receive import Reception
from edge.intake.scp import StoreScp
from edge.network.calling import echo
from edge.network.tls import server_context
from edge.outbox.archive import Archive
from edge.outbox.dicomweb import DicomWeb
from edge.outbox.drain import Drain
from edge.outbox.ledger import Ledger
from edge.store import Store
from tests.outbox.conftest import Queue, StoppedClock, parcels_of, states_of
from tests.peers.certificates import Authority
from tests.peers.dcmtk import dcmqrscp, storescp
from tests.peers.films import film
from tests.peers.orthanc import DICOMWEB, Orthanc
from tests.peers.waiting import wait_for
from tests.peers.wire import Wire

Port = Callable[[], int]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("certificates") / "ca")


def _settings(port: int, tls: Tls | None = None, **more: object) -> DicomDestination:
    told = {"name": "archive", "title": "ARCHIVE", "host": "127.0.0.1", "port": port, "tls": tls is not None}
    return DicomDestination.model_validate(told | {"timeout_s": 20} | more)


def _until(store: Store, clock: StoppedClock, drain: Drain, *states: str) -> None:
    def settled() -> bool:
        drain.step()
        if states_of(store) == list(states):
            return True
        clock.ahead_s += 1
        return False

    wait_for(settled, 40)


@pytest.mark.needs("Orthanc", "openssl")
@pytest.mark.parametrize("secure", [False, True])
def test_orthanc_stores_commits_and_shows(
    store: Store,
    clock: StoppedClock,
    queue: Queue,
    free_port: Port,
    tmp_path: Path,
    authority: Authority,
    secure: bool,  # noqa: FBT001 - a column of the table
) -> None:
    ours, theirs = (authority.node(name) if secure else None for name in ("calcedge", "orthanc"))
    settings = Dicom(port=free_port(), tls=secure)
    compressed = film(3)
    compressed.compress("1.2.840.10008.1.2.4.90", generate_instance_uid=False)
    sent = [film(1), film(2), compressed]
    queue("archive", *sent)
    ledger = Ledger(store)
    with (
        Orthanc(tmp_path / "o", free_port(), free_port(), tls=theirs, reports_to=settings.port) as orthanc,
        StoreScp(settings, Reception(store, 0), store.objects, tls=ours, notices=ledger),
    ):
        node = _settings(orthanc.dicom_port, ours, title=orthanc.title, commitment=True, commitment_wait_s=3600)
        echo(node, ours)
        drain = Drain(store, Archive(node, ours, ledger), ledger)
        _until(store, clock, drain, *["confirmed"] * 3)
        assert orthanc.instances() == sorted(str(dataset.SOPInstanceUID) for dataset in sent)
        with store.read() as connection:
            promises = [row["state"] for row in connection.execute("SELECT state FROM commitments")]
        assert promises == ["committed"] * 3  # by its reports on associations of its own, not by C-FIND
        queue("archive", film(4))
        without = Drain(store, Archive(node.model_copy(update={"commitment": False}), ours))
        _until(store, clock, without, *["confirmed"] * 4)


@pytest.mark.needs("storescp", "openssl")
@pytest.mark.parametrize("secure", [False, True])
def test_dcmtk_stores(
    store: Store,
    clock: StoppedClock,
    queue: Queue,
    free_port: Port,
    tmp_path: Path,
    authority: Authority,
    secure: bool,  # noqa: FBT001 - a column of the table
) -> None:
    ours, theirs = (authority.node(name) if secure else None for name in ("calcedge", "storescp"))
    port = free_port()
    queue("archive", film(1), film(2))
    with storescp(tmp_path / "received", port, tls=theirs):
        _until(store, clock, Drain(store, Archive(_settings(port, ours), ours)), "sent", "sent")  # it can't be asked
    received = {dcmread(path).SOPInstanceUID: dcmread(path).PixelData for path in (tmp_path / "received").iterdir()}
    assert received == {film(n).SOPInstanceUID: film(n).PixelData for n in (1, 2)}


@pytest.mark.needs("dcmqrscp", "openssl")
@pytest.mark.parametrize("secure", [False, True])
def test_dcmtk_stores_and_shows(
    store: Store,
    clock: StoppedClock,
    queue: Queue,
    free_port: Port,
    tmp_path: Path,
    authority: Authority,
    secure: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """DCMTK's archive has no TLS of its own: a wire that ends it stands before it, as a site would do."""
    behind, port = free_port(), free_port()
    ours = authority.node("calcedge") if secure else None
    ends = server_context(authority.node("archive")) if secure else None
    queue("archive", film(1), film(2))
    with dcmqrscp(tmp_path / "q", behind), Wire(port, behind, tls=ends):
        _until(store, clock, Drain(store, Archive(_settings(port, ours), ours)), "confirmed", "confirmed")


@pytest.mark.needs("storescp", "openssl")
@pytest.mark.requirement("only whom we know")
def test_who_has_no_certificate_of_ours_gets_nothing(
    store: Store, queue: Queue, free_port: Port, tmp_path: Path, authority: Authority
) -> None:
    port, ours = free_port(), authority.node("calcedge")
    stranger = Authority.make(tmp_path / "other").node("stranger")
    queue("archive", film(1))
    with storescp(tmp_path / "received", port, tls=stranger):
        Drain(store, Archive(_settings(port, ours), ours)).step()
    (parcel,) = parcels_of(store)
    assert (parcel.state, parcel.reason) == ("queued", "destination-tls")
    assert "CERTIFICATE_VERIFY_FAILED" in (parcel.detail or "")
    with storescp(tmp_path / "received", port, tls=authority.node("storescp")):
        wrong_name = _settings(port, ours, tls_name="pacs.example")
        Drain(store, Archive(wrong_name, ours)).step()
    assert list((tmp_path / "received").iterdir()) == []


@pytest.mark.needs("Orthanc", str(DICOMWEB))
def test_orthanc_by_dicomweb(store: Store, clock: StoppedClock, queue: Queue, free_port: Port, tmp_path: Path) -> None:
    sent = [film(1), film(2)]
    queue("web", *sent)
    with Orthanc(tmp_path / "orthanc", free_port(), free_port(), web=True) as orthanc:
        url = f"http://127.0.0.1:{orthanc.http_port}/dicom-web"
        drain = Drain(store, DicomWeb(DicomWebDestination(name="web", url=url)))
        _until(store, clock, drain, "confirmed", "confirmed")
        assert orthanc.instances() == sorted(str(dataset.SOPInstanceUID) for dataset in sent)
