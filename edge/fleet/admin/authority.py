"""A small certificate authority for the boxes' certificates, on one machine.

At scale the same three functions (`enrol`, `renew`, `revoked`) are EST, step-ca or Vault.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
import ssl
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.clock import Clock
from edge.errors import UpdateError
from edge.fleet import durable
from edge.fleet.durable import PosixDisk

VALIDITY: Final = timedelta(days=3 * 365)
"""Boxes sleep for months in cupboards."""
_OWN_VALIDITY: Final = timedelta(days=20 * 365)
_TOKEN_VALIDITY: Final = timedelta(days=30)


class Authority:
    """Signs the boxes' certificates. Files: `ca.key`, `ca.crt`, `door.pem`, `tokens.json`, `revoked.json`."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / "ca.crt").exists():
            self._create()

    @property
    def certificate(self) -> bytes:
        """The authority's own, for brokers and web servers."""
        return (self._folder / "ca.crt").read_bytes()

    def token(self, device: str) -> str:
        """A token that enrols this one device once, within 30 days: a secret, a dot, and whom to tell it.

        Whom: this authority, by the SHA-256 of its certificate.
        """
        secret = secrets.token_urlsafe(18)
        until = (self._clock.now().utc + _TOKEN_VALIDITY).isoformat()
        self._save("tokens", self._read("tokens") | {sha256(secret.encode()).hexdigest(): f"{device} {until}"})
        own = x509.load_pem_x509_certificate(self.certificate).fingerprint(hashes.SHA256())
        return f"{secret}.{base64.urlsafe_b64encode(own).decode().rstrip('=')}"

    def server_context(self) -> ssl.SSLContext:
        """TLS for the door for enrolment, with a fresh key and certificate of this authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "calcedge fleet door")])
        made = self._certificate(name, key.public_key(), ExtendedKeyUsageOID.SERVER_AUTH)
        path = self._folder / "door.pem"
        path.unlink(missing_ok=True)
        _write_secret(path, _pem(key) + made.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(path)
        return context

    def enrol(self, request: bytes, secret: str) -> bytes:
        """A first certificate, and this authority's. The token is spent.

        Args:
            request: PKCS#10, PEM.
            secret: the token's part before the dot.

        Raises:
            UpdateError: `fleet-enrolment`.
        """
        wanted = sha256(secret.encode()).hexdigest()
        tokens = self._read("tokens")
        found = next((name for name in tokens if hmac.compare_digest(name, wanted)), None)
        if found is None:
            raise UpdateError("fleet-enrolment", "this token is unknown or spent")
        device, until = tokens[found].split(" ")
        parsed = self._request(request)
        if _name(parsed.subject) != device or self._clock.now().utc.isoformat() > until:
            raise UpdateError("fleet-enrolment", "this token is for another device, or too old")
        del tokens[found]
        self._save("tokens", tokens)
        return self.sign(request)

    def renew(self, request: bytes, certificate: bytes, signature: bytes) -> bytes:
        """A further certificate for the holder of an earlier one, expired or not.

        Raises:
            UpdateError: `fleet-enrolment`.
        """
        try:
            old = x509.load_pem_x509_certificate(certificate)
            old.verify_directly_issued_by(x509.load_pem_x509_certificate(self.certificate))
            key = old.public_key()
            if not isinstance(key, ec.EllipticCurvePublicKey):
                raise UpdateError("fleet-enrolment", "a key of another kind")
            key.verify(signature, request, ec.ECDSA(hashes.SHA256()))
        except (ValueError, TypeError, InvalidSignature) as error:
            raise UpdateError("fleet-enrolment", "the old certificate doesn't prove this device") from error
        if self.revoked(old.serial_number) or _name(self._request(request).subject) != _name(old.subject):
            raise UpdateError("fleet-enrolment", "revoked, or another device")
        return self.sign(request)

    def sign(self, request: bytes) -> bytes:
        """Signs a request that a person vouches for: the way of the USB stick. This authority's own follows.

        Raises:
            UpdateError: `fleet-enrolment`.
        """
        parsed = self._request(request)
        made = self._certificate(parsed.subject, parsed.public_key(), ExtendedKeyUsageOID.CLIENT_AUTH)
        return made.public_bytes(serialization.Encoding.PEM) + self.certificate

    def revoke(self, certificate: bytes) -> None:
        """Puts a certificate on the deny list."""
        serial = x509.load_pem_x509_certificate(certificate).serial_number
        self._save("revoked", self._read("revoked") | {str(serial): self._clock.now().iso})

    def revoked(self, serial: int) -> bool:
        """Whether a certificate is on the deny list."""
        return str(serial) in self._read("revoked")

    def _certificate(
        self, subject: x509.Name, public: CertificatePublicKeyTypes, usage: x509.ObjectIdentifier
    ) -> x509.Certificate:
        own = x509.load_pem_x509_certificate(self.certificate)
        now = self._clock.now().utc
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(own.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + VALIDITY)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(self._key(), hashes.SHA256())
        )

    def _request(self, request: bytes) -> x509.CertificateSigningRequest:
        try:
            parsed = x509.load_pem_x509_csr(request)
        except ValueError as error:
            raise UpdateError("fleet-enrolment", "this is no request") from error
        if not parsed.is_signature_valid or not _name(parsed.subject):
            raise UpdateError("fleet-enrolment", "the request isn't signed by its key")
        return parsed

    def _create(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "calcedge fleet authority")])
        now = self._clock.now().utc
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + _OWN_VALIDITY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        _write_secret(self._folder / "ca.key", _pem(key))
        durable.replace(PosixDisk(), self._folder / "ca.crt", made.public_bytes(serialization.Encoding.PEM))

    def _key(self) -> ec.EllipticCurvePrivateKey:
        loaded = serialization.load_pem_private_key((self._folder / "ca.key").read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        return loaded

    def _read(self, name: str) -> dict[str, str]:
        try:
            body: dict[str, str] = json.loads((self._folder / f"{name}.json").read_bytes())
        except FileNotFoundError:
            return {}
        return body

    def _save(self, name: str, body: dict[str, str]) -> None:
        durable.replace(PosixDisk(), self._folder / f"{name}.json", json.dumps(body, indent=1).encode())


def _name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_secret(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
