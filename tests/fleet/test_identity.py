"""Keys stay on the box; certificates come by token or by stick, and can be renewed after they have expired."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from edge.config import Config, Fleet
from edge.errors import UpdateError
from edge.fleet.admin.authority import VALIDITY, Authority
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
    token = authority.token("box-1")
    with pytest.raises(UpdateError) as error:
        authority.enrol(identity(tmp_path, "box-2").request(), token)
    assert refused(error)
    me.install(authority.enrol(me.request(), token))
    with pytest.raises(UpdateError) as error:
        authority.enrol(me.request(), token)
    assert refused(error)
    assert stat.S_IMODE(me.key_path.stat().st_mode) == 0o600
    assert token not in (tmp_path / "ca" / "tokens.json").read_text()
    old = authority.token("box-1")
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


def test_the_page_shows_and_enrols_and_changes_nothing(fleet: FleetOfOne, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca", fleet.clock)
    page = create_page(fleet.admin, tmp_path / "ledger.sqlite", authority, fleet.clock).test_client()
    before = sorted((path, path.read_bytes()) for path in fleet.admin.root.rglob("*") if path.is_file())
    overview = page.get("/").get_data(as_text=True)
    assert "Fleet: 0 boxes" in overview
    assert "calcedge_fleet_known 0.0" in page.get("/metrics").get_data(as_text=True)
    me = identity(tmp_path)
    token = authority.token("box-1")
    assert page.post("/enrol", json={"request": me.request().decode(), "token": "guess"}).status_code == 403
    answer = page.post("/enrol", json={"request": me.request().decode(), "token": token})
    assert x509.load_pem_x509_certificate(answer.data).subject.rfc4514_string() == "OU=clinic,CN=box-1"
    me.install(answer.data)
    assert page.post("/renew", data=json.dumps(me.renewal()), content_type="application/json").status_code == 200
    assert page.post("/").status_code == 405
    assert sorted((path, path.read_bytes()) for path in fleet.admin.root.rglob("*") if path.is_file()) == before
