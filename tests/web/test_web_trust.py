"""Certificates on the settings page: brought, refused with a reason, asked for; and no key is ever given out."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from flask.testing import FlaskClient

from edge import siteparts
from edge.config import load
from edge.people.roles import Role
from edge.store import events
from edge.web import certificates, words
from edge.web.trust import ARCHIVES, PAGE
from tests.peers.certificates import Authority
from tests.web.appliance import Appliance
from tests.web.test_web_guard import SAME, token

_READ = ("/settings", "/settings/authority.pem", "/machine", "/connections", "/keeping", "/support-bundle.zip",
         "/backup.tar", "/about", "/audit", "/api/status")  # fmt: skip


@pytest.fixture
def appliance(tmp_path: Path) -> Any:
    made = Appliance(tmp_path / "box", {"web": {"tls": {"host": "0.0.0.0", "names": ["box.clinic.test"]}}})
    made.speak()
    yield made
    made.close()


@pytest.fixture
def clinic(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path / "clinic")


def _bring(client: FlaskClient, use: str, **files: bytes) -> Any:
    sent = {name: (io.BytesIO(content), f"{name}.pem") for name, content in files.items()}
    form = {"token": token(client, "/settings")} | sent
    return client.post(f"/settings/certificates/{use}", data=form, headers=SAME, content_type="multipart/form-data")


@pytest.mark.requirement("a private key is never given out")
def test_a_certificate_is_brought_told_and_its_key_is_nowhere_to_be_read(
    appliance: Appliance, client: FlaskClient, clinic: Authority
) -> None:
    node = clinic.node("box")
    certificate, key = node.certificate.read_bytes(), node.key.read_bytes()
    assert _bring(client, PAGE, certificate=certificate, key=key).status_code == 303
    page = client.get("/settings").text.replace("&#39;", "'")
    assert "CN=test authority" in page
    assert words.CERTIFICATE_FORGET in page
    assert _bring(client, ARCHIVES, certificate=certificate, key=key).status_code == 400  # whom to believe is missing
    assert _bring(client, ARCHIVES, certificate=certificate, key=key, authorities=certificate).status_code == 400
    believed = clinic.certificate.read_bytes()
    assert _bring(client, ARCHIVES, certificate=certificate, key=key, authorities=believed).status_code == 303
    tls = load(None, appliance.root).tls
    assert tls
    assert tls.certificate.read_bytes() == certificate
    assert tls.authorities.read_bytes() == believed
    secret = key.splitlines()[1]
    for path in _READ:
        answer = client.get(path)
        assert secret not in answer.data, path
        assert b"PRIVATE" not in answer.data, path
    with appliance.store.read() as connection:
        told = {event.subject for event in events.latest(connection, 20) if event.what == "setting-changed"}
    assert {"setting:certificate-page", "setting:certificate-archives"} <= told


def test_what_cannot_be_used_is_refused_with_a_sentence(
    appliance: Appliance, client: FlaskClient, clinic: Authority
) -> None:
    one, other = clinic.node("one"), clinic.node("other")
    refused = _bring(client, PAGE, certificate=one.certificate.read_bytes(), key=other.key.read_bytes())
    assert refused.status_code == 400
    assert words.CERTIFICATE_TROUBLES["other-key"] in refused.text.replace("&#39;", "'")
    assert _bring(client, PAGE).status_code == 400
    assert not certificates.brought(certificates.folder_of(appliance.config)).exists()
    assert siteparts.read(appliance.root) == {}


def test_the_box_asks_for_a_certificate_and_hands_tablets_its_authority(
    appliance: Appliance, client: FlaskClient
) -> None:
    assert words.CERTIFICATE_OWN in client.get("/settings").text
    form = {"token": token(client, "/settings")}
    asked = client.post(f"/settings/certificates/{PAGE}/request", data=form, headers=SAME)
    names = x509.load_pem_x509_csr(asked.data).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert "box.clinic.test" in names.value.get_values_for_type(x509.DNSName)
    authority = x509.load_pem_x509_certificate(client.get("/settings/authority.pem").data)
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert appliance.client(Role.TECHNICIAN).get("/settings/authority.pem").status_code == 403


def test_every_refusal_has_its_sentence_in_every_language() -> None:
    text = Path(certificates.__file__).read_text(encoding="utf-8") + Path(str(words.__file__)).with_name(
        "trust.py"
    ).read_text(encoding="utf-8")
    for code in words.languages():
        troubles = words.load(code)["CERTIFICATE_TROUBLES"]
        assert all(f'"{why}"' in text for why in troubles)
        assert text.count("NotUsable(") >= len(troubles)
