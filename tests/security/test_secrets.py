"""Keys and tokens are planted where a site keeps them, and searched for where they must not be."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from edge.people.roles import Role
from edge.store import Store, backup
from edge.web import bundle
from tests.web.appliance import PASSWORD, PIN, Appliance, findings

TOKEN, KEY = "tok-4f1d9c77e2", "-----BEGIN PRIVATE KEY-----MIIplanted"


@pytest.mark.requirement("secrets stay out of the store")
def test_no_secret_is_in_the_store_a_backup_or_a_bundle(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    for name, text in (("token", TOKEN), ("key.pem", KEY), ("cert.pem", KEY), ("ca.pem", KEY)):
        (secrets / name).write_text(text, encoding="ascii")
        (secrets / name).chmod(0o600)
    archive = {"type": "dicomweb", "name": "web", "url": "https://user:hidden@pacs.example/web", "tls": True,
               "token_file": str(secrets / "token")}  # fmt: skip
    tls = {
        "certificate": str(secrets / "cert.pem"),
        "key": str(secrets / "key.pem"),
        "authorities": str(secrets / "ca.pem"),
    }
    appliance = Appliance(tmp_path / "store", {"destinations": [archive], "tls": tls})
    appliance.speak()
    appliance.whole(findings())
    session = (appliance.app(), appliance.session(Role.ADMIN))[1]
    link = appliance.register.link(1, within_s=900, once=False)
    names = {one.name: one.id for one in appliance.register.everybody()}
    made = {"bundle": bundle.make(appliance.store, appliance.config, appliance.run, "0", names)}
    out = io.BytesIO()
    backup.write(appliance.store, out)
    made["backup"] = out.getvalue()
    appliance.close()
    with zipfile.ZipFile(io.BytesIO(made["bundle"])) as archive_file:
        made |= {f"bundle/{name}": archive_file.read(name) for name in archive_file.namelist()}
    with tarfile.open(fileobj=io.BytesIO(made["backup"])) as tar:
        assert "calcedge.sqlite" in tar.getnames()
    places = made | {str(path): path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file()}
    for where, content in places.items():
        for secret in (TOKEN, "MIIplanted", PASSWORD, PIN, session, link, "hidden"):
            assert secret.encode() not in content, f"{secret} in {where}"


@pytest.mark.requirement("secrets stay out of the store")
def test_a_store_is_for_its_own_account_only(tmp_path: Path) -> None:
    Store.open(tmp_path / "made" / "here").close()
    assert stat.S_IMODE((tmp_path / "made" / "here").stat().st_mode) == 0o700
