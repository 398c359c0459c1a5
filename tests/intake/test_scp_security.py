"""Who may send: the allow-list, the title called, and certificates."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import Dicom, DicomNode, Peer, Tls
from edge.errors import ConfigError
from edge.intake.receive import Reception
from edge.intake.scp import StoreScp
from edge.network.calling import echo
from edge.network.tls import client_context, own_name, server_context
from edge.store import Store, images
from tests.peers.certificates import Authority
from tests.peers.dcmtk import echoscu, storescu
from tests.peers.films import film, write

Port = Callable[[], int]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("certificates") / "ca")


def _node(store: Store, settings: Dicom, tls: Tls | None = None) -> StoreScp:
    return StoreScp(settings, Reception(store, 0), store.objects, tls=tls)


@pytest.mark.needs("echoscu")
@pytest.mark.requirement("only whom we know")
@pytest.mark.parametrize(
    ("peers", "calling", "called", "welcome"),
    [
        ((), "ANYBODY", "ANYTHING", True),
        ((Peer(title="UNIT"),), "UNIT", "CALCEDGE", True),
        ((Peer(title="UNIT"),), "OTHER", "CALCEDGE", False),
        ((Peer(title="UNIT"),), "UNIT", "ANYTHING", False),
        ((Peer(title="UNIT", address="127.0.0.0/8"),), "UNIT", "CALCEDGE", True),
        ((Peer(title="UNIT", address="10.0.0.7"),), "UNIT", "CALCEDGE", False),
        ((Peer(title="UNIT", address="10.0.0.7"), Peer(title="UNIT", address="127.0.0.1")), "UNIT", "CALCEDGE", True),
        ((Peer(title="UNIT"),), "CALCEDGE", "CALCEDGE", True),  # the appliance's own self-test
    ],
)
def test_the_list_of_peers(
    store: Store,
    free_port: Port,
    peers: tuple[Peer, ...],
    calling: str,
    called: str,
    welcome: bool,  # noqa: FBT001 - a column of the table
) -> None:
    settings = Dicom(port=free_port(), peers=peers)
    with _node(store, settings):
        assert (echoscu(settings.port, called, calling=calling) == 0) is welcome


@pytest.mark.needs("echoscu")
@pytest.mark.parametrize(
    ("check", "called", "welcome"), [(True, "X", False), (True, "CALCEDGE", True), (False, "X", True)]
)
def test_the_title_called(
    store: Store,
    free_port: Port,
    check: bool,  # noqa: FBT001 - a column of the table
    called: str,
    welcome: bool,  # noqa: FBT001 - a column of the table
) -> None:
    settings = Dicom(port=free_port(), peers=(Peer(title="UNIT"),), check_called_title=check)
    with _node(store, settings):
        assert (echoscu(settings.port, called) == 0) is welcome


@pytest.mark.needs("storescu", "openssl")
@pytest.mark.requirement("only whom we know")
def test_a_sender_with_our_authority_s_certificate_and_nobody_else(
    store: Store, free_port: Port, tmp_path: Path, authority: Authority
) -> None:
    settings, sent = Dicom(port=free_port(), tls=True), write(film(1), tmp_path / "a.dcm")
    stranger = Authority.make(tmp_path / "other").node("stranger")
    believes_us = stranger.model_copy(update={"authorities": authority.certificate})
    with _node(store, settings, authority.node("calcedge")):
        assert storescu(settings.port, sent) != 0  # in plain text
        assert storescu(settings.port, sent, tls=believes_us) != 0  # a certificate that we don't know
        assert storescu(settings.port, sent, tls=authority.node("unit")) == 0
        ours = authority.node("calcedge")
        echo(_called(settings, ours), ours)
    with store.read() as connection:
        assert len(images.latest(connection)) == 1


def _called(settings: Dicom, tls: Tls) -> DicomNode:
    return DicomNode(title="CALCEDGE", host="127.0.0.1", port=settings.port, tls=True, tls_name=own_name(tls))


@pytest.mark.needs("openssl")
def test_nothing_older_than_tls_1_2_and_no_weak_cipher(store: Store, free_port: Port, authority: Authority) -> None:
    settings, ours = Dicom(port=free_port(), tls=True), authority.node("calcedge")
    unit = client_context(authority.node("unit"))
    with _node(store, settings, ours):
        assert _handshake(settings.port, unit) in ("TLSv1.2", "TLSv1.3")
        for weaken in (_only_tls_1_1, _only_cbc):
            weak = client_context(authority.node("unit"))
            weaken(weak)
            assert _handshake(settings.port, weak) is None
    names = {cipher["name"] for cipher in server_context(ours).get_ciphers()}
    assert all("GCM" in name or "CHACHA20" in name for name in names)
    strict = server_context(ours.model_copy(update={"minimum": "1.3"}))
    assert strict.minimum_version is ssl.TLSVersion.TLSv1_3


def _only_tls_1_1(context: ssl.SSLContext) -> None:
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")


def _only_cbc(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")


def _handshake(port: int, context: ssl.SSLContext) -> str | None:
    with socket.create_connection(("127.0.0.1", port), 5) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                return secure.version()
        except OSError:
            return None


@pytest.mark.needs("storescu", "openssl")
@pytest.mark.requirement("a real sender always gets in")
def test_half_open_secure_connections_starve_nobody(
    store: Store, free_port: Port, tmp_path: Path, authority: Authority
) -> None:
    """The library would negotiate TLS with one silent peer while nobody else could connect."""
    settings, sent = Dicom(port=free_port(), tls=True, max_associations=2), write(film(1), tmp_path / "a.dcm")
    unit = client_context(authority.node("unit"))
    with _node(store, settings, authority.node("calcedge")), contextlib.ExitStack() as stack:
        for number in range(50):
            connection = socket.create_connection(("127.0.0.1", settings.port), 5)
            if number % 3 == 1:
                connection.send(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a hello
            if number % 3 == 2:  # all of TLS, and then nothing
                connection = unit.wrap_socket(connection, server_hostname="127.0.0.1")
            stack.enter_context(connection)
        sender = authority.node("sender")
        began_s = time.monotonic()
        assert storescu(settings.port, sent, tls=sender) == 0
        print(f"a real secure send among 50 half-open connections: {time.monotonic() - began_s:.2f} s")


@pytest.mark.needs("openssl")
def test_files_that_are_not_right_are_said(tmp_path: Path, authority: Authority) -> None:
    good = authority.node("calcedge")
    for field in ("certificate", "key", "authorities"):
        for bad in (tmp_path / "missing.pem", tmp_path / "nonsense.pem"):
            (tmp_path / "nonsense.pem").write_text("nonsense", encoding="ascii")
            with pytest.raises(ConfigError, match="tls"):
                server_context(good.model_copy(update={field: bad}))
    with pytest.raises(ConfigError):
        client_context(good.model_copy(update={"key": authority.node("other").key}))
