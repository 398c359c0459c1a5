"""Keys are replaced, also the root's own; on tokens too; boxes follow, and those that slept; what is old is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Metadata, Root

from edge.clock import SystemClock
from edge.errors import UpdateError
from edge.fleet.admin.audit import faults
from edge.fleet.admin.keys import OWNERS, Keyring
from edge.fleet.admin.repository import VALIDITY, FleetRepository
from edge.fleet.slots import Kind
from tests.fleet.fleet import FleetOfOne, days

ROOT = Path(__file__).resolve().parents[2]
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
NAMES = [f"{role}-{n}" if count > 1 else role for role, (_, count) in OWNERS.items() for n in range(1, count + 1)]


def found(fleet: FleetOfOne) -> list[str]:
    return list(faults(fleet.admin, "clinic", fleet.clock))


@pytest.mark.requirement("a stolen key is replaced, and boxes go on")
@pytest.mark.parametrize("name", NAMES)
def test_any_key_can_be_replaced_and_the_box_goes_on(fleet: FleetOfOne, name: str) -> None:
    fleet.publish("app-1")
    fleet.roll_out("app-1")
    assert fleet.code() == ""
    old = fleet.admin.keys.find(name)[1]
    assert fleet.admin.rotate(name) == 0
    assert Keyring.load(fleet.admin.folder).find(name)[1].public.keyid != old.public.keyid
    assert found(fleet) == []
    assert fleet.code() == "update-on-trial"  # believed; app-1 is being tried
    fleet.publish("app-2", files=fleet.files("other"))
    fleet.roll_out("app-2")
    assert fleet.code() == ""
    assert fleet.state().slots[Kind.APPLICATION].running == "app-2"


@pytest.mark.requirement("a stolen key is replaced, and boxes go on")
def test_a_box_that_slept_through_the_change_of_every_root_key(fleet: FleetOfOne) -> None:
    before = Keyring.load(fleet.admin.folder)
    for name in ("root-1", "root-2", "root-3", "timestamp", "snapshot"):
        fleet.admin.rotate(name)
    fleet.publish("app-1")
    fleet.roll_out("app-1")
    assert fleet.code() == ""  # its trust is still the first root
    held = {key.public.keyid for key in fleet.admin.keys.roles["root"]}
    assert held.isdisjoint(key.public.keyid for key in before.roles["root"])

    # Whoever stole all three old root keys makes the next root, and names himself.
    newest = fleet.admin.newest("root")
    forged: Metadata[Any] = Metadata(Root.from_dict(newest.signed.to_dict()))
    forged.signed.version += 1
    for signer in before.signers("root"):
        forged.signed.add_key(signer.public_key, "root")
        forged.sign(signer, append=True)
    path = fleet.admin.root / "metadata" / f"{forged.signed.version}.root.json"
    path.write_bytes(forged.to_bytes())
    before_it = fleet.snapshot()
    assert fleet.code() == "update-untrusted"
    assert fleet.snapshot() == before_it


def test_a_root_is_changed_by_two_of_its_keys_and_not_by_one(fleet: FleetOfOne) -> None:
    metadata = sorted(path.name for path in (fleet.admin.root / "metadata").iterdir())
    for name in ("root-1", "root-2"):
        (fleet.admin.folder / "keys" / f"{name}.pem").unlink()
    with pytest.raises(UpdateError):
        FleetRepository(fleet.admin.folder, fleet.clock).rotate("root-1")
    assert sorted(path.name for path in (fleet.admin.root / "metadata").iterdir()) == metadata
    assert found(fleet) == []


def test_every_role_is_renewed(fleet: FleetOfOne) -> None:
    fleet.publish("app-1")
    fleet.roll_out("app-1")
    fleet.clock.utc += days(9)
    assert fleet.admin.renew("timestamp") == 0
    fleet.clock.utc += days(40)
    expiries = {role: fleet.admin.newest(role).signed.expires for role in VALIDITY}
    for role in VALIDITY:
        assert fleet.admin.renew(role) == 0
    assert all(fleet.admin.newest(role).signed.expires > expiries[role] for role in VALIDITY)
    fleet.clock.utc -= days(49)
    assert found(fleet) == []
    assert fleet.code() == ""


def test_the_repository_is_looked_at_as_a_box_will(fleet: FleetOfOne) -> None:
    manifest = fleet.publish("app-1")
    fleet.roll_out("app-1")
    assert found(fleet) == []
    blob = fleet.admin.root / "targets" / "releases" / "blobs" / manifest.blobs[0].sha256
    content = blob.read_bytes()
    blob.write_bytes(content[:-1])
    assert ["damaged" in fault for fault in found(fleet)] == [True]
    blob.unlink()
    assert ["missing" in fault for fault in found(fleet)] == [True]
    blob.write_bytes(content)
    fleet.clock.utc += days(10)
    assert sorted(fault.split()[0] for fault in found(fleet)) == ["snapshot", "timestamp"]
    fleet.clock.utc -= days(10)
    fleet.admin.keys.replaced("rollouts").save()  # the change of a key, cut short
    half = FleetRepository(fleet.admin.folder, fleet.clock)
    assert next(faults(half, "clinic", fleet.clock)).startswith("rollouts: its keys")


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A PKCS#11 token with one key: SoftHSM's. Its address."""
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm.conf"))
    monkeypatch.setenv("PYKCS11LIB", SOFTHSM)
    monkeypatch.setenv("CALCEDGE_PIN", "1234")
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "keeper", "--pin", "1234", "--so-pin", "4321"],
        check=True, capture_output=True,
    )  # fmt: skip
    made = subprocess.run(
        [sys.executable, "-c", _MAKE_KEY], env=os.environ, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    yield "hsm:2?label=keeper"
    shutil.rmtree(tmp_path / "tokens")


_MAKE_KEY = f"""
import pkcs11
from pkcs11.util.ec import encode_named_curve_parameters
token = pkcs11.lib("{SOFTHSM}").get_token(token_label="keeper")
with token.open(user_pin="1234", rw=True) as session:
    curve = {{pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}}
    parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
    parameters.generate_keypair(store=True, id=b"\\x02", label="releases")
"""


def desk(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """An admin's command. A process each: a token's library reads its configuration once."""
    command = [sys.executable, "-m", "edge", "fleet", "--dir", str(folder), "--name", "clinic", *words]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)


@pytest.mark.needs("softhsm2-util", SOFTHSM)
@pytest.mark.requirement("a key may be on a token that never gives it away")
def test_a_release_is_signed_by_a_key_on_a_token(fleet: FleetOfOne, token: str) -> None:
    folder = fleet.admin.folder
    done = desk(folder, "rotate", "releases-2", "--token", token)
    assert done.returncode == 0, done.stderr
    fleet.admin = FleetRepository(folder, SystemClock())
    assert fleet.admin.keys.find("releases-2")[1].address == token
    fleet.publish_unsigned("app-1")
    assert desk(folder, "sign", "releases-1").stdout == "1 more signatures needed\n"
    wrong = desk(folder, "sign", "releases-2", CALCEDGE_PIN="0000")
    assert (wrong.returncode, "PinIncorrect" in wrong.stderr) == (1, True), wrong.stderr
    absent = desk(folder, "sign", "releases-2", SOFTHSM2_CONF="/dev/null")
    assert absent.returncode == 1
    assert "Traceback" not in absent.stderr
    assert desk(folder, "sign", "releases-2").stdout == "releases published\n"
    fleet.roll_out("app-1")
    assert fleet.code() == ""
    assert fleet.state().slots[Kind.APPLICATION].running == "app-1"
