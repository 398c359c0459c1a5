"""Notices by webhook and mail: what they say, who sends them, and that none is lost."""

from __future__ import annotations

import http.server
import json
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from edge.people import site
from edge.store import events, parcels
from edge.store.parcels import ParcelState
from edge.web.notices import Notices
from tests.web.appliance import Appliance, findings, lesion, not_analysed

PATIENT = ("Meyer", "4711", "1960")


@dataclass
class Heard:
    """What a peer was told."""

    bodies: list[Any] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    refusals: int = 0
    """So many are refused first."""

    def take(self, body: object) -> bool:
        """Keeps what was said, unless it is to be refused."""
        with self.arrived:
            if self.refusals:
                self.refusals -= 1
                return False
            self.bodies.append(body)
            self.arrived.notify_all()
            return True

    def wait(self, count: int) -> None:
        """Until so many were heard."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.bodies) >= count, timeout=120), self.bodies


class Hook(http.server.BaseHTTPRequestHandler):
    """A webhook's other end."""

    heard: ClassVar[Heard]

    def do_POST(self) -> None:
        """Takes one notice."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204 if self.heard.take(body) else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Relay(socketserver.StreamRequestHandler):
    """A mail relay, as much as RFC 5321 asks of one."""

    heard: ClassVar[Heard]

    def handle(self) -> None:
        """One session."""
        self._say("220 relay")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            if verb == "DATA":
                self._say("354 go on")
                lines = list(iter(lambda: self.rfile.readline().decode().rstrip("\r\n"), "."))
                self._say("250 kept" if self.heard.take("\n".join(lines)) else "451 later")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 fine")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield int(server.socket.getsockname()[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def hook() -> Iterator[tuple[str, Heard]]:
    handler = type("MyHook", (Hook,), {"heard": Heard(refusals=1)})
    with _serving(http.server.HTTPServer(("127.0.0.1", 0), handler)) as port:
        yield f"http://127.0.0.1:{port}/notice", handler.heard  # type: ignore[attr-defined]


@pytest.fixture
def relay() -> Iterator[tuple[str, Heard]]:
    handler = type("MyRelay", (Relay,), {"heard": Heard(refusals=1)})
    with _serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)) as port:
        yield f"127.0.0.1:{port}", handler.heard  # type: ignore[attr-defined]


@contextmanager
def _following(notices: Notices) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=notices.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def _quick(appliance: Appliance) -> Notices:
    return Notices(appliance.store, "BOX-1", look_s=0.05, pause_s=0.05)


@pytest.mark.requirement("notices hold no patient data")
def test_webhook_and_mail_hear_of_what_should_be_looked_at(
    appliance: Appliance, hook: tuple[str, Heard], relay: tuple[str, Heard]
) -> None:
    (url, posted), (server, mailed) = hook, relay
    sent = {"webhook": url, "mail_server": server, "mail_from": "box@clinic.test", "mail_to": "duty@clinic.test"}
    site.change(appliance.store, sent, "Admin")
    with _following(_quick(appliance)):
        appliance.whole(findings(), b"clear")
        image = appliance.whole(findings(lesion()), b"one")
        appliance.whole(not_analysed(), b"two")
        with appliance.store.transaction() as tx:
            parcel = parcels.of_image(tx, image.id)[0]
            parcels.settle(tx, parcel.id, ParcelState.HELD, appliance.clock.now(), reason="destination-rejected")
            events.append(tx, appliance.clock.now(), "dicom", "parcel-held", f"parcel:{parcel.id}")
        posted.wait(3)
        mailed.wait(3)
    assert [body["kind"] for body in posted.bodies] == ["findings", "not_analysed", "held"]
    assert {body["device"] for body in posted.bodies} == {"BOX-1"}
    assert "Subject: calcedge BOX-1: Calcification suspected" in mailed.bodies[0]
    assert "To: duty@clinic.test" in mailed.bodies[0]
    assert not any(word in str(posted.bodies) + str(mailed.bodies) for word in PATIENT)


def test_a_notice_that_never_arrives_is_told_in_the_audit_trail(appliance: Appliance, unused_port: int) -> None:
    site.change(appliance.store, {"webhook": f"http://127.0.0.1:{unused_port}/"}, "Admin")
    told: list[str] = []
    end_s = appliance.clock.monotonic_s() + 30
    with _following(Notices(appliance.store, "BOX-1", look_s=0.02, pause_s=0.01)):
        appliance.whole(findings(lesion()))
        watch = appliance.store.database.watch()
        while "notice-failed" not in told and appliance.clock.monotonic_s() < end_s:
            watch.changed()
            with appliance.store.read() as connection:
                told = [event.what for event in events.latest(connection, 5)]
        watch.close()
    assert "notice-failed" in told


def test_none_is_lost_while_nobody_sends_and_none_that_is_old_is_sent(
    appliance: Appliance, hook: tuple[str, Heard]
) -> None:
    url, posted = hook
    site.change(appliance.store, {"webhook": url}, "Admin")
    with _following(_quick(appliance)):
        appliance.whole(findings(lesion()), b"one")
        posted.wait(1)
    appliance.whole(not_analysed(), b"two")
    with appliance.store.transaction() as tx:
        tx.execute("DROP TRIGGER events_are_not_changed")
        tx.execute(
            "UPDATE events SET utc = '2026-11-01T00:00:00.000Z' WHERE what = 'image-analysed' AND subject = 'image:2'"
        )
    appliance.whole(not_analysed(), b"three")
    with _following(_quick(appliance)):
        posted.wait(2)
    with _following(_quick(appliance)):
        appliance.whole(findings(lesion()), b"four")
        posted.wait(3)
    assert [body["subject"] for body in posted.bodies] == ["image:1", "image:3", "image:4"]


def test_the_process_that_has_the_network_sends_them_and_goes_on_after_it_was_killed(
    appliance: Appliance, hook: tuple[str, Heard], unused_port: int, tmp_path: Path
) -> None:
    url, posted = hook
    posted.refusals = 0
    site.change(appliance.store, {"webhook": url}, "Admin")
    appliance.whole(findings(lesion()), b"before the first start: nobody is told")
    config = tmp_path / "calcedge.toml"
    config.write_text(
        f'data = "{appliance.root}"\n[dicom]\nport = {unused_port}\n[intake]\nreserve_mb = 1\n', encoding="utf-8"
    )

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "edge", "service", "dicom", "--config", str(config)], stderr=subprocess.DEVNULL
        )

    process = start()
    try:
        _await_port(unused_port, appliance)
        appliance.whole(not_analysed(), b"one")
        posted.wait(1)
        process.kill()
        process.wait()
        appliance.whole(findings(lesion()), b"two")
        process = start()
        posted.wait(2)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert list(dict.fromkeys(body["subject"] for body in posted.bodies)) == ["image:2", "image:3"]


def _await_port(port: int, appliance: Appliance) -> None:
    end_s = appliance.clock.monotonic_s() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionError:
            assert appliance.clock.monotonic_s() < end_s
            threading.Event().wait(0.1)
        else:
            return


def test_under_systemd_the_process_that_sends_has_the_network_and_the_page_has_none() -> None:
    folder = Path(__file__).resolve().parents[2] / "systemd"
    common = (folder / "calcedge-.service.d" / "10-locked-down.conf").read_text(encoding="utf-8")
    dicom = (folder / "calcedge-dicom.service.d" / "50-needs.conf").read_text(encoding="utf-8")
    page = (folder / "calcedge-web.service.d" / "50-needs.conf").read_text(encoding="utf-8")
    assert "PrivateNetwork=yes" in common
    assert "PrivateNetwork=no" in dicom
    assert "PrivateNetwork=no" not in page
