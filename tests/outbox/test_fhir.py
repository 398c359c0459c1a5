"""FHIR as a destination: which parcels go there, a scripted server, and a folder."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.config import DicomDestination, FhirDestination, FolderDestination
from edge.flow import FhirBundle, Flow
from edge.outbox.drain import Drain
from edge.outbox.fhir import FhirServer
from edge.outbox.folder import Folder
from edge.report.device import DeviceId
from edge.report.fhir import fhir_bundle
from edge.store import Store, images
from edge.store.images import State
from edge.store.objects import digest
from edge.types import Analysed, Findings, Header, Identity, ImageFacts, ModelId, ReportObject, Technique
from tests.outbox.conftest import StoppedClock, parcels_of, states_of
from tests.peers.films import film, write
from tests.peers.wire import Fault, Wire

Port = Callable[[], int]


@dataclass
class Server:
    """PUT and GET of bundles, with a script of statuses to answer first."""

    script: list[int] = field(default_factory=list)
    kept: dict[str, object] = field(default_factory=dict)
    puts: int = 0

    @contextmanager
    def listening(self, port: int) -> Iterator[None]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.puts += 1
                status = service.script.pop(0) if service.script else 201
                with contextlib.suppress(ValueError):  # the wire was cut
                    told = json.loads(body)
                    if status == 201:
                        assert self.path == f"/fhir/Bundle/{told['id']}"
                        service.kept[told["id"]] = told
                self.reply(status, b"")

            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2].partition("?")[0]
                known = name in service.kept
                self.reply(200 if known else 404, json.dumps({"resourceType": "Bundle", "id": name}).encode())

            def reply(self, status: int, body: bytes) -> None:
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _settings(port: int, **more: object) -> FhirDestination:
    told = {"name": "fhir", "url": f"http://127.0.0.1:{port}/fhir", "timeout_s": 5}
    return FhirDestination.model_validate(told | more)


def _reported(
    store: Store, tmp_path: Path, *destinations: FhirDestination | FolderDestination | DicomDestination
) -> None:
    """One analysis goes its way: a report object and its bundle."""
    made = film(1, columns=256)
    buffer = BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    uid, model = str(made.SOPInstanceUID), ModelId("m", "1", "0" * 64)
    findings = Findings("x", uid, model, ImageFacts(256, 256, 0.15, "ImagerPixelSpacing"), (), (), (), ())
    source = write(made, tmp_path / "source.dcm")
    body = json.loads(
        fhir_bundle(
            source, findings, made_at=SystemClock().now(), device=DeviceId("calcedge", "calcedge", "1", "0.1.0")
        )
    )
    name = str(body["entry"][0]["fullUrl"]).removeprefix("urn:uuid:")
    flow = Flow(store, destinations)
    assert flow.wants_fhir
    with store.transaction() as tx:
        found = digest(store.objects.path(store.objects.put(buffer.getvalue())))
        image_id, _ = images.add(tx, found, "folder", uid, store.clock.now())
    identity = Identity(str(made.SOPClassUID), uid, "1.2", "1.3", "", "", "", "", "")
    flow.admit(_image(store, image_id), Header(identity, "", "CR", 1, 1, "", "", "", "", "", None, Technique()))
    flow.analysed(_image(store, image_id), Analysed(findings, None))
    with store.read() as connection:
        stored = images.latest_analysis(connection, image_id)
    assert stored is not None
    report = ReportObject("structured-report", "1.2.840.10008.5.1.4.1.1.88.34", "1.9", b"not a real one")
    flow.reported(_image(store, image_id), stored, [report], FhirBundle(name, json.dumps(body | {"id": name}).encode()))
    assert _image(store, image_id).state is State.REPORTED


def _image(store: Store, image_id: int) -> images.Image:
    with store.read() as connection:
        image = images.get(connection, image_id)
    assert image is not None
    return image


def test_fhir_goes_where_fhir_is_wanted_and_nothing_else_does(store: Store, tmp_path: Path) -> None:
    _reported(
        store,
        tmp_path,
        _settings(1),
        DicomDestination(name="pacs", title="P", host="h"),
        FolderDestination(name="usb", path=tmp_path / "usb", fhir=True),
        FolderDestination(name="plain", path=tmp_path / "plain", originals=False),
    )
    sent = {(parcel.destination, parcel.kind) for parcel in parcels_of(store)}
    assert sent == {
        ("fhir", "fhir"),
        ("pacs", "original"), ("pacs", "structured-report"),
        ("usb", "original"), ("usb", "structured-report"), ("usb", "fhir"),
        ("plain", "structured-report"),
    }  # fmt: skip


@pytest.mark.requirement("nothing lost")
def test_a_bundle_arrives_once_whatever_breaks(
    store: Store, clock: StoppedClock, free_port: Port, tmp_path: Path
) -> None:
    behind, port, server = free_port(), free_port(), Server(script=[503, 429])
    settings = _settings(port)
    _reported(store, tmp_path, settings)
    faults = [Fault("there", 0), Fault("there", 500), Fault("back", 0), Fault("back", 20)]
    drain = Drain(store, FhirServer(settings))
    with server.listening(behind), Wire(port, behind, *faults):
        for _ in range(12):
            while drain.step():
                pass
            clock.ahead_s += 400
    assert states_of(store) == ["confirmed"]
    (body,) = server.kept.values()
    assert isinstance(body, dict)
    assert body["resourceType"] == "Bundle"


@pytest.mark.parametrize(
    ("status", "state", "code"), [(422, "held", "destination-rejected"), (401, "queued", "destination-refused")]
)
def test_a_server_that_refuses_is_said(
    store: Store, free_port: Port, tmp_path: Path, status: int, state: str, code: str
) -> None:
    port, server = free_port(), Server(script=[status])
    _reported(store, tmp_path, _settings(port))
    with server.listening(port):
        Drain(store, FhirServer(_settings(port))).step()
    (parcel,) = parcels_of(store)
    assert (parcel.state, parcel.reason, parcel.detail is not None) == (state, code, True)


def test_a_folder_gets_it_as_a_file(store: Store, tmp_path: Path) -> None:
    _reported(store, tmp_path, FolderDestination(name="usb", path=tmp_path / "usb", fhir=True, originals=False))
    drain = Drain(store, Folder("usb", tmp_path / "usb"))
    while drain.step():
        pass
    assert states_of(store) == ["confirmed"] * 2
    (path,) = (tmp_path / "usb").glob("*.fhir.json")
    assert json.loads(path.read_text(encoding="utf-8"))["entry"][0]["resource"]["resourceType"] == "DiagnosticReport"
