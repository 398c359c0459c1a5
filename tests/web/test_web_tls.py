"""The page over TLS: real clients, the box's own certificate, one that the site brings, and what browsers are told."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import stat
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from pydantic import ValidationError

from edge.config import Config
from edge.web import certificates
from edge.web.access import COOKIE
from edge.web.certificates import NotUsable, Pair
from edge.web.server import Secure, serve_socket
from tests.peers.certificates import Authority
from tests.web.appliance import PASSWORD, Appliance
from tests.web.browser import chromium

NAMES = ("box.clinic.test", "localhost", "127.0.0.1")


def soon() -> datetime:
    """A moment at which certificates that were made in this test hold."""
    return datetime.now(UTC) + timedelta(minutes=5)


@dataclass
class Both:
    """The page, plain and over TLS."""

    appliance: Appliance
    plain: int
    port: int
    folder: Path

    @property
    def authority(self) -> Path:
        """Whom a tablet has to trust."""
        return certificates.authority(self.folder).certificate

    def ask(self, path: str, *, context: ssl.SSLContext | None = None, **headers: str) -> http.client.HTTPResponse:
        """A request over TLS of a client that trusts the box's own authority."""
        context = context or ssl.create_default_context(cafile=str(self.authority))
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=20, context=context)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.body = answer.read()  # type: ignore[attr-defined]
        connection.close()
        return answer


@pytest.fixture
def both(appliance: Appliance) -> Iterator[Both]:
    folder = certificates.folder_of(appliance.config)
    app, stop = appliance.app(), threading.Event()

    def pair() -> Pair:
        brought = certificates.brought(folder)
        return brought if brought.exists() else certificates.own(folder, NAMES, soon())

    with socket.create_server(("127.0.0.1", 0)) as plain, socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_socket, args=(app, plain, stop, lambda: None, Secure(listener, pair)))
        thread.start()
        made = Both(appliance, plain.getsockname()[1], listener.getsockname()[1], folder)
        while not made.authority.exists() or not certificates.made(folder).exists():
            threading.Event().wait(0.05)
        yield made
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


@pytest.mark.requirement("on the network the page is encrypted")
def test_a_client_that_trusts_the_box_gets_the_page_and_others_are_warned(both: Both) -> None:
    page = both.ask("/sign-in")
    assert page.status == 200
    assert "max-age=31536000" in str(page.getheader("Strict-Transport-Security"))
    cookies = [value for name, value in page.getheaders() if name == "Set-Cookie"]
    assert cookies
    assert all("Secure" in cookie and "HttpOnly" in cookie for cookie in cookies)
    with pytest.raises(ssl.SSLCertVerificationError):
        both.ask("/sign-in", context=ssl.create_default_context())
    plain = http.client.HTTPConnection("127.0.0.1", both.plain, timeout=20)
    plain.request("GET", "/sign-in")
    answer = plain.getresponse()
    assert answer.getheader("Strict-Transport-Security") is None
    plain.close()


def test_old_protocols_and_plain_speakers_get_nothing_and_harm_nobody(both: Both) -> None:
    old = ssl.create_default_context(cafile=str(both.authority))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        both.ask("/", context=old)
    with socket.create_connection(("127.0.0.1", both.port), timeout=20) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert b"200 OK" not in raw.recv(1000)
    assert both.ask("/sign-in").status == 200


def test_a_whole_sign_in_and_a_stream_go_over_tls_in_a_real_browser(both: Both) -> None:
    with chromium("--ignore-certificate-errors") as browser:
        browser.open(f"https://localhost:{both.port}/sign-in?other=1")
        browser.evaluate(
            f"document.querySelector('[name=name]').value = 'Admin';"
            f"document.querySelector('[name=secret]').value = '{PASSWORD}';"
            "document.querySelector('form[action*=\"sign-in\"]').submit()"
        )
        browser.wait_for("location.pathname === '/' && document.body?.dataset.events")
        version = browser.evaluate("document.body.dataset.version")
        image = both.appliance.receive(b"over TLS", "1.9")
        browser.wait_for(f"document.querySelector('[data-image=\"{image.id}\"]')")
        assert browser.evaluate("document.body.dataset.version") == version  # the same page, told by the stream


def test_many_clients_at_once_and_those_that_go_away_in_the_middle(both: Both) -> None:
    session = both.appliance.session()
    context = ssl.create_default_context(cafile=str(both.authority))
    gone = []
    for number in range(12):
        raw = context.wrap_socket(
            socket.create_connection(("127.0.0.1", both.port), timeout=20), server_hostname="localhost"
        )
        cookies = f"{COOKIE}={session}; calcedge_visitor={number:032d}"
        raw.sendall(f"GET /events HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\n\r\n".encode())
        assert b"200" in raw.recv(15)
        gone.append(raw)
    live = both.appliance.apps[-1].extensions["live"]
    assert live.streams == 12
    for raw in gone:
        raw.close()
    both.appliance.receive(b"wakes", "1.8")
    end_s = both.appliance.clock.monotonic_s() + 30
    while live.streams and both.appliance.clock.monotonic_s() < end_s:
        threading.Event().wait(0.05)
    assert live.streams == 0


def test_a_certificate_that_the_site_brings_is_used_from_then_on(both: Both, tmp_path: Path) -> None:
    node = Authority.make(tmp_path / "clinic").node("box")
    certificates.keep(both.folder, node.certificate.read_bytes(), node.key.read_bytes(), soon())
    trusts_the_clinic = ssl.create_default_context(cafile=str(node.authorities))
    end_s = both.appliance.clock.monotonic_s() + 30
    while True:
        try:
            assert both.ask("/sign-in", context=trusts_the_clinic).status == 200
        except ssl.SSLCertVerificationError:
            assert both.appliance.clock.monotonic_s() < end_s
        else:
            break
    for path in (certificates.brought(both.folder).key, certificates.authority(both.folder).key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_boxs_own_certificate_is_renewed_in_time_under_the_same_authority(tmp_path: Path) -> None:
    first = certificates.own(tmp_path, NAMES, soon())
    authority, leaf = certificates.authority(tmp_path).certificate.read_bytes(), first.certificate.read_bytes()
    assert certificates.own(tmp_path, NAMES, soon() + timedelta(days=300)).certificate.read_bytes() == leaf
    later = certificates.own(tmp_path, NAMES, soon() + timedelta(days=350)).certificate.read_bytes()
    assert later != leaf
    assert certificates.authority(tmp_path).certificate.read_bytes() == authority
    certificates.own(tmp_path, (*NAMES, "10.1.2.3"), soon())
    assert certificates.authority(tmp_path).certificate.read_bytes() != authority


def test_the_boxs_authority_can_vouch_for_nothing_else(tmp_path: Path) -> None:
    certificates.own(tmp_path, NAMES, soon())
    found = x509.load_pem_x509_certificate(certificates.authority(tmp_path).certificate.read_bytes())
    limits = found.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    assert {str(one.value) for one in limits.value.permitted_subtrees or ()} == {
        "box.clinic.test", "localhost", "127.0.0.1/32"
    }  # fmt: skip


def test_what_cannot_be_used_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    clinic = Authority.make(tmp_path / "clinic")
    good, other = clinic.node("box"), clinic.node("other")
    folder = tmp_path / "web"
    certificate, key = good.certificate.read_bytes(), good.key.read_bytes()
    certificates.keep(folder, certificate, key, soon())
    kept = certificates.brought(folder).certificate.read_bytes()
    cases = {
        "other-key": (certificate, other.key.read_bytes(), soon()),
        "no-certificate": (b"nonsense", key, soon()),
        "no-key": (certificate, b"nonsense", soon()),
        "not-now": (certificate, key, soon() + timedelta(days=30)),
        "no-name": (clinic.certificate.read_bytes(), (tmp_path / "clinic" / "ca.key").read_bytes(), soon()),
    }
    for why, (brought, its_key, now) in cases.items():
        with pytest.raises(NotUsable) as refusal:
            certificates.keep(folder, brought, its_key, now)
        assert refusal.value.why == why
    locked = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    with pytest.raises(NotUsable, match="key-locked"):
        certificates.keep(folder, certificate, locked, soon())
    assert certificates.brought(folder).certificate.read_bytes() == kept


def test_a_request_is_answered_without_a_key_ever_leaving_the_box(tmp_path: Path) -> None:
    folder = tmp_path / "web"
    asked = x509.load_pem_x509_csr(certificates.request(folder, NAMES))
    own = certificates.own(tmp_path / "ca", NAMES, soon())
    issuer = x509.load_pem_x509_certificate(own.certificate.read_bytes())
    signer = serialization.load_pem_private_key(own.key.read_bytes(), None)
    answer = (
        x509.CertificateBuilder(
            issuer.subject, asked.subject, asked.public_key(), 7, soon() - timedelta(1), soon() + timedelta(9)
        )
        .add_extension(asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value, critical=False)
        .sign(signer, hashes.SHA256())  # type: ignore[arg-type]
        .public_bytes(serialization.Encoding.PEM)
    )
    certificates.keep(folder, answer, b"", soon())
    assert certificates.brought(folder).exists()
    assert not (folder / "request.key").exists()
    told = certificates.tell(certificates.brought(folder).certificate, soon())
    assert told
    assert set(told.names) == set(NAMES)
    with pytest.raises(NotUsable, match="no-key"):
        certificates.keep(folder, answer, b"", soon())


def test_with_tls_the_plain_page_stays_on_this_machine() -> None:
    with pytest.raises(ValidationError, match="this machine alone"):
        Config.model_validate({"web": {"host": "10.0.0.5", "tls": {"host": "10.0.0.5"}}})
    assert Config.model_validate({"web": {"tls": {"host": "10.0.0.5"}}}).web.tls
