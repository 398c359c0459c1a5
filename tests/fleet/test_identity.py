"""Keys stay on the box; certificates come by token or by stick, and can be renewed after they have expired."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from edge.config import Config, Fleet
from edge.errors import UpdateError
from edge.fleet.admin.authority import VALIDITY, Authority
from edge.fleet.admin.door import Door, create_door
from edge.fleet.admin.page import create_page
from edge.fleet.identity import Identity
from tests.fleet.fleet import Clock, FleetOfOne


@pytest.fixture
def clock() -> Clock:
    return Clock()


def identity(tmp_path: Path, device: str = "box-1") -> Identity:
    return Identity.of(Config(data=tmp_path / device, fleet=Fleet(device=device, name="clinic")))


def refused(error: pytest.ExceptionInfo[UpdateError]) -> bool:
    return error.value.reason.code == "fleet-enrolment"


def test_a_token_enrols_one_device_once(tmp_path: Path, clock: Clock) -> None:
    authority = Authority(tmp_path / "ca", clock)
    me = identity(tmp_path)
    token = authority.token("box-1").partition(".")[0]
    with pytest.raises(UpdateError) as error:
        authority.enrol(identity(tmp_path, "box-2").request(), token)
    assert refused(error)
    me.install(authority.enrol(me.request(), token))
    with pytest.raises(UpdateError) as error:
        authority.enrol(me.request(), token)
    assert refused(error)
    assert stat.S_IMODE(me.key_path.stat().st_mode) == 0o600
    assert token not in (tmp_path / "ca" / "tokens.json").read_text()
    old = authority.token("box-1").partition(".")[0]
    clock.utc += timedelta(days=31)
    with pytest.raises(UpdateError):
        authority.enrol(me.request(), old)


def test_by_stick_and_only_for_the_own_key(tmp_path: Path, clock: Clock) -> None:
    authority = Authority(tmp_path / "ca", clock)
    me, other = identity(tmp_path), identity(tmp_path, "box-2")
    answer = authority.sign(me.request())
    me.install(answer)
    assert me.valid_until() == clock.utc + VALIDITY
    with pytest.raises(UpdateError) as error:
        other.install(answer)
    assert refused(error)
    with pytest.raises(UpdateError):
        me.install(b"nonsense")


def test_renewal_after_expiry_and_not_with_another_key(tmp_path: Path, clock: Clock) -> None:
    authority = Authority(tmp_path / "ca", clock)
    me = identity(tmp_path)
    me.install(authority.sign(me.request()))
    clock.utc += VALIDITY + timedelta(days=100)
    asked = me.renewal()
    answer = authority.renew(
        asked["request"].encode(), asked["certificate"].encode(), bytes.fromhex(asked["signature"])
    )
    me.install(answer)
    assert me.valid_until() > clock.utc
    with pytest.raises(UpdateError) as error:
        authority.renew(asked["request"].encode(), asked["certificate"].encode(), b"\0" * 70)
    assert refused(error)
    foreign = Authority(tmp_path / "ca2", clock)
    with pytest.raises(UpdateError):
        foreign.renew(asked["request"].encode(), asked["certificate"].encode(), bytes.fromhex(asked["signature"]))
    authority.revoke(asked["certificate"].encode())
    with pytest.raises(UpdateError):
        authority.renew(asked["request"].encode(), asked["certificate"].encode(), bytes.fromhex(asked["signature"]))


def test_the_page_shows_and_changes_nothing(fleet: FleetOfOne, tmp_path: Path) -> None:
    page = create_page(fleet.admin, tmp_path / "ledger.sqlite", fleet.clock).test_client()
    before = sorted((path, path.read_bytes()) for path in fleet.admin.root.rglob("*") if path.is_file())
    overview = page.get("/").get_data(as_text=True)
    assert "Fleet: 0 boxes" in overview
    assert "calcedge_fleet_known 0.0" in page.get("/metrics").get_data(as_text=True)
    assert page.post("/").status_code == 405
    assert page.post("/enrol", json={}).status_code == 404  # not without TLS
    assert sorted((path, path.read_bytes()) for path in fleet.admin.root.rglob("*") if path.is_file()) == before


def door(authority: Authority) -> contextlib.AbstractContextManager[str]:
    return served(Door(authority, "127.0.0.1", 0))


@contextlib.contextmanager
def served(opened: Door) -> Iterator[str]:
    thread = threading.Thread(target=opened.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"https://127.0.0.1:{opened.server_port}"
    finally:
        opened.shutdown()
        opened.server_close()
        thread.join()


@pytest.mark.requirement("a box tells its secrets to its own fleet only")
def test_enrolment_and_renewal_over_tls(tmp_path: Path, clock: Clock) -> None:
    authority = Authority(tmp_path / "ca", clock)
    me = identity(tmp_path)
    token = authority.token("box-1")
    with door(authority) as address:
        with pytest.raises(UpdateError) as error:
            me.enrol(address, "guess." + token.partition(".")[2])
        assert refused(error)
        me.enrol(address, token)
        with pytest.raises(UpdateError) as error:
            me.enrol(address, token)  # it is spent
        assert refused(error)
        assert x509.load_pem_x509_certificate(me.certificate_path.read_bytes()).subject.rfc4514_string() == (
            "OU=clinic,CN=box-1"
        )
        first = me.certificate_path.read_bytes()
        me.renew(address)
        assert me.certificate_path.read_bytes() != first


@pytest.mark.requirement("a box tells its secrets to its own fleet only")
def test_another_door_learns_nothing(tmp_path: Path, clock: Clock) -> None:
    mine, thief = Authority(tmp_path / "ca", clock), Authority(tmp_path / "thief", clock)
    me = identity(tmp_path)
    token = mine.token("box-1")
    with door(thief) as address:
        with pytest.raises(UpdateError) as error:
            me.enrol(address, token)
        assert "isn't the one" in error.value.reason.text
        me.install(mine.sign(me.request()))
        with pytest.raises(UpdateError) as error:
            me.renew(address)
        assert "isn't the fleet's" in error.value.reason.text
        with pytest.raises(UpdateError) as error:
            me.enrol(address.replace("https", "http"), token)
        assert refused(error)
    # The thief shows the right authority, has a box's certificate of it, and no server's.
    other = identity(tmp_path, "box-2")
    other.install(mine.sign(other.request()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(other.certificate_path, other.key_path)
    opened = Door(mine, "127.0.0.1", 0)
    opened._context = context
    with served(opened) as address, pytest.raises(UpdateError) as error:
        me.enrol(address, token)
    assert "isn't the fleet's" in error.value.reason.text
    assert len(json.loads((tmp_path / "ca" / "tokens.json").read_text())) == 1  # the token is not spent


def test_a_wrong_clock_keeps_no_box_out(tmp_path: Path, clock: Clock) -> None:
    clock.utc += timedelta(days=3000)  # to a box with the right time, this door's certificate is not valid yet
    authority = Authority(tmp_path / "ca", clock)
    with door(authority) as address:
        identity(tmp_path).enrol(address, authority.token("box-1"))


def test_a_silent_peer_and_nonsense_hold_up_nobody(tmp_path: Path, clock: Clock) -> None:
    authority = Authority(tmp_path / "ca", clock)
    with door(authority) as address:
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)) as talker:
            talker.sendall(b"GET /enrol HTTP/1.1\r\n\r\n")
            identity(tmp_path).enrol(address, authority.token("box-1"))
    behind = create_door(authority).test_client()
    bodies: tuple[object, ...] = ({}, [], "x", {"request": 1, "token": 2}, {"request": "x", "token": "y" * 1000})
    for body in bodies:
        assert behind.post("/enrol", json=body).status_code == 403
        assert behind.post("/renew", json=body).status_code == 403
    assert behind.post("/enrol", data=b"x" * 200_000, content_type="application/json").status_code == 413
