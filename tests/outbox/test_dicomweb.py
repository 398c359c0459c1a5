"""A scripted DICOMweb service: what its answers mean, and that nothing is lost when it misbehaves."""

from __future__ import annotations

import contextlib
import email.policy
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from edge.config import DicomWebDestination
from edge.network.tls import server_context
from edge.outbox.dicomweb import DicomWeb, judge_stored
from edge.outbox.drain import Drain
from edge.store import Store
from tests.outbox.conftest import Queue, StoppedClock, parcels_of, queue_bytes, states_of
from tests.peers.certificates import Authority
from tests.peers.films import film
from tests.peers.wire import Fault, Wire

Port = Callable[[], int]


def _answer(uid: str, *, failure: int | None = None) -> bytes:
    item: dict[str, object] = {"00081155": {"vr": "UI", "Value": [uid]}}
    if failure is not None:
        item["00081197"] = {"vr": "US", "Value": [failure]}
    return json.dumps({"00081199" if failure is None else "00081198": {"vr": "SQ", "Value": [item]}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "code", "final"),
    [
        (200, _answer("1.2"), None, False),
        (200, b"", None, False),  # believed
        (200, b"<NativeDicomModel/>", None, False),
        (202, _answer("1.2"), None, False),
        (202, b"", "destination-busy", False),
        (200, _answer("9.9"), "destination-rejected", True),
        (200, _answer("1.2", failure=0xC000), "destination-rejected", True),
        (409, _answer("1.2", failure=0x0111), None, False),  # it is there
        (409, _answer("1.2", failure=0xA700), "destination-busy", False),
        (409, _answer("1.2", failure=0x0122), "destination-no-context", True),
        (409, b"", "destination-rejected", True),
        (400, b"", "destination-rejected", True),
        (401, b"", "destination-refused", False),
        (403, b"", "destination-refused", False),
        (404, b"", "destination-refused", False),
        (408, b"", "destination-busy", False),
        (413, b"", "destination-rejected", True),
        (415, b"", "destination-no-context", True),
        (429, b"", "destination-busy", False),
        (301, b"", "destination-busy", False),
        (500, b"", "destination-busy", False),
        (503, b"", "destination-busy", False),
    ],
)
def test_every_answer_has_a_meaning(status: int, body: bytes, code: str | None, final: bool) -> None:  # noqa: FBT001 - a column of the table
    error = judge_stored(status, body, "1.2")
    assert (error.reason.code if error else None, bool(error and error.final)) == (code, final)


@dataclass
class Service:
    """STOW-RS and QIDO-RS in a few lines, with a script of statuses to answer first."""

    script: list[int] = field(default_factory=list)
    shows: bool = True
    stored: dict[str, bytes] = field(default_factory=dict)
    tokens: list[str | None] = field(default_factory=list)

    def store(self, kind: str, body: bytes) -> tuple[int, bytes]:
        status = self.script.pop(0) if self.script else 200
        if status != 200:
            return status, b""
        if not body.rstrip().endswith(b"--"):
            return 400, b""  # the wire was cut: nobody will read this
        message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=email.policy.default)
        (part,) = message.iter_parts()
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        dataset = dcmread(BytesIO(content))
        uid = str(dataset.SOPInstanceUID)
        assert self.stored.setdefault(uid, dataset.PixelData) == dataset.PixelData
        return 200, _answer(uid)

    def search(self, path: str) -> tuple[int, bytes]:
        uid = path.partition("SOPInstanceUID=")[2]
        if self.shows and uid in self.stored:
            return 200, json.dumps([{"00080018": {"vr": "UI", "Value": [uid]}}]).encode()
        return 204, b""

    @contextmanager
    def listening(self, port: int, authority: Authority | None = None) -> Iterator[None]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                service.tokens.append(self.headers.get("Authorization"))
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.reply(*service.store(self.headers["Content-Type"], body))

            def do_GET(self) -> None:
                self.reply(*service.search(self.path))

            def reply(self, status: int, body: bytes) -> None:
                with contextlib.suppress(OSError):  # the wire was cut
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        if authority:
            server.socket = server_context(authority.node("web")).wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _web(port: int, *, scheme: str = "http", **more: object) -> DicomWebDestination:
    told = {"name": "web", "url": f"{scheme}://127.0.0.1:{port}/dicom-web", "timeout_s": 5}
    return DicomWebDestination.model_validate(told | more)


def _until_settled(store: Store, clock: StoppedClock, drain: Drain) -> None:
    for _ in range(20):
        while drain.step():
            pass
        if set(states_of(store)) <= {"confirmed", "held"}:
            return
        clock.ahead_s += 400
    raise AssertionError([(p.state, p.reason, p.detail) for p in parcels_of(store)])


@pytest.mark.requirement("nothing lost")
def test_whatever_breaks_every_object_arrives_or_is_held(
    store: Store, clock: StoppedClock, queue: Queue, free_port: Port
) -> None:
    behind, port, service = free_port(), free_port(), Service()
    queue("web", *(film(n) for n in range(5)))
    faults = [Fault("there", n) for n in (0, 10, 300, 5_000, 98_000)] + [Fault("back", n) for n in (0, 10, 100)]
    with service.listening(behind), Wire(port, behind, *faults):
        drain = Drain(store, DicomWeb(_web(port)))
        _until_settled(store, clock, drain)
        assert states_of(store) == ["confirmed"] * 5
        service.script = [503, 400, 429]
        queue("web", *(film(n) for n in range(5, 8)))
        _until_settled(store, clock, drain)
    assert states_of(store)[5:] == ["confirmed", "held", "confirmed"]
    assert len(service.stored) == 7


def test_silence_is_not_waited_for_forever(store: Store, queue: Queue, free_port: Port) -> None:
    behind, port, service = free_port(), free_port(), Service()
    queue("web", film(1))
    with service.listening(behind), Wire(port, behind, Fault("back", 0, "silence")):
        Drain(store, DicomWeb(_web(port, timeout_s=0.5))).step()
    assert parcels_of(store)[0].reason == "destination-unreachable"


def test_a_token_and_a_file_without_its_head(
    store: Store, clock: StoppedClock, free_port: Port, tmp_path: Path
) -> None:
    port, service, token, sent = free_port(), Service(), tmp_path / "token", film(1)
    token.write_text("secret-of-the-test\n", encoding="ascii")
    del sent.file_meta
    sent.save_as(tmp_path / "headless", implicit_vr=True, little_endian=True)
    queue_bytes(store, "web", (tmp_path / "headless").read_bytes(), str(sent.SOPClassUID), str(sent.SOPInstanceUID))
    with service.listening(port):
        _until_settled(store, clock, Drain(store, DicomWeb(_web(port, token_file=token))))
    assert states_of(store) == ["confirmed"]
    assert service.tokens == ["Bearer secret-of-the-test"]


@pytest.mark.needs("openssl")
@pytest.mark.requirement("only whom we know")
def test_over_tls_both_prove_who_they_are(
    store: Store, clock: StoppedClock, queue: Queue, free_port: Port, tmp_path: Path
) -> None:
    port, service, authority = free_port(), Service(), Authority.make(tmp_path / "ca")
    stranger = Authority.make(tmp_path / "other")
    queue("web", film(1))
    with service.listening(port, authority):
        wrong = DicomWeb(_web(port, scheme="https", tls=True), stranger.node("calcedge"))
        Drain(store, wrong).step()
        assert parcels_of(store)[0].reason == "destination-tls"
        right = DicomWeb(_web(port, scheme="https", tls=True), authority.node("calcedge"))
        clock.ahead_s += 400
        _until_settled(store, clock, Drain(store, right))
    assert states_of(store) == ["confirmed"]
