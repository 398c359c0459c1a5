"""Who a box is: a key made on it, and a certificate for it. For privacy and accounting; software is trusted by TUF.

An expired certificate never stops updates by itself, and can always be renewed: the old key signs the request.
What always holds: the token's secret and a request are told to the fleet's own authority only, over TLS. A new box
knows it by the fingerprint in its token, an enrolled one by the certificate that came with its own.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import ssl
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.config import Config
from edge.errors import UpdateError
from edge.fleet import durable
from edge.fleet.durable import PosixDisk

_CURVE: Final = ec.SECP256R1()
_PATIENCE_S: Final = 30.0
_MOST_BYTES: Final = 100_000
_NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, X509_VERIFY_PARAM_set_flags(3); Python has no name for it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One box's key and certificate."""

    device: str
    fleet: str
    key_path: Path
    certificate_path: Path
    authority_path: Path

    @classmethod
    def of(cls, config: Config) -> Identity:
        """The identity that the configuration names; beside the updates by default.

        Raises:
            UpdateError: `update-unconfigured` without a device's name.
        """
        if config.fleet.device is None:
            raise UpdateError("update-unconfigured", "fleet.device")
        folder = config.fleet_root
        return cls(
            config.fleet.device,
            config.fleet.name,
            config.fleet.key or folder / "device.key",
            config.fleet.certificate or folder / "device.crt",
            folder / "authority.crt",
        )

    def request(self) -> bytes:
        """A certificate request (PKCS#10, PEM), for the key made on the first call."""
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, self.device),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, self.fleet),
            ]
        )
        made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(self._key(), hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM)

    def renewal(self) -> dict[str, str]:
        """A new request, the old certificate, and a signature by the old key over the request."""
        request = self.request()
        signature = self._key().sign(request, ec.ECDSA(hashes.SHA256()))
        return {
            "request": request.decode(),
            "certificate": self.certificate_path.read_text(encoding="ascii"),
            "signature": signature.hex(),
        }

    def install(self, answer: bytes) -> None:
        """Puts a certificate in its place, if it is for this box's key, and the authority's beside it.

        Raises:
            UpdateError: `fleet-enrolment`.
        """
        try:
            own, authority = x509.load_pem_x509_certificates(answer)
            own.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise UpdateError("fleet-enrolment", "this is no certificate with its authority's") from error
        if own.public_key() != self._key().public_key():
            raise UpdateError("fleet-enrolment", "this certificate is for another key")
        for path, certificate in ((self.authority_path, authority), (self.certificate_path, own)):
            durable.folder(PosixDisk(), path.parent)
            durable.replace(PosixDisk(), path, certificate.public_bytes(serialization.Encoding.PEM))

    def enrol(self, address: str, token: str) -> None:
        """Gets the first certificate for a one-time token.

        Raises:
            UpdateError: `update-unreachable` or `fleet-enrolment`.
        """
        secret, _, fingerprint = token.partition(".")
        authority = _ask(address, "authority", None, None)
        try:
            found = x509.load_pem_x509_certificate(authority).fingerprint(hashes.SHA256())
        except ValueError as error:
            raise UpdateError("fleet-enrolment", "this door shows no certificate") from error
        if not hmac.compare_digest(base64.urlsafe_b64encode(found).decode().rstrip("="), fingerprint):
            raise UpdateError("fleet-enrolment", "this door isn't the one that gave the token")
        self.install(_ask(address, "enrol", {"token": secret, "request": self.request().decode()}, authority))

    def renew(self, address: str) -> None:
        """Gets a further certificate.

        Raises:
            UpdateError: `update-unreachable` or `fleet-enrolment`.
        """
        try:
            authority = self.authority_path.read_bytes()
            renewal = self.renewal()
        except OSError as error:
            raise UpdateError("fleet-enrolment", "this box was never enrolled") from error
        self.install(_ask(address, "renew", renewal, authority))

    def valid_until(self) -> datetime:
        """When the certificate ends, UTC."""
        return x509.load_pem_x509_certificate(self.certificate_path.read_bytes()).not_valid_after_utc

    def _key(self) -> ec.EllipticCurvePrivateKey:
        if not self.key_path.exists():
            key = ec.generate_private_key(_CURVE)
            pem = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            durable.folder(PosixDisk(), self.key_path.parent)
            temporary = self.key_path.with_suffix(".new")
            temporary.unlink(missing_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.key_path)
            PosixDisk().sync_folder(self.key_path.parent)
        loaded = serialization.load_pem_private_key(self.key_path.read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        return loaded


def _ask(address: str, what: str, body: dict[str, str] | None, authority: bytes | None) -> bytes:
    """Asks at the door for enrolment; believes it if `authority` made its certificate.

    Raises:
        UpdateError: `update-unreachable` or `fleet-enrolment`.
    """
    parts = urlsplit(address)
    if parts.scheme != "https" or not parts.hostname:
        raise UpdateError("fleet-enrolment", "the address must begin with https://")
    line = HTTPSConnection(parts.hostname, parts.port, timeout=_PATIENCE_S, context=_pinned(authority))
    try:
        headers = {"Content-Type": "application/json"}
        line.request("POST" if body else "GET", f"/{what}", json.dumps(body) if body else None, headers)
        answer = line.getresponse()
        content = answer.read(_MOST_BYTES)
    except ssl.SSLError as error:
        raise UpdateError("fleet-enrolment", "this door isn't the fleet's") from error
    except (OSError, HTTPException) as error:
        raise UpdateError("update-unreachable", address) from error
    finally:
        line.close()
    if answer.status != HTTPStatus.OK:
        raise UpdateError("fleet-enrolment", str(answer.status))
    return content


def _pinned(authority: bytes | None) -> ssl.SSLContext:
    """TLS with whoever holds a server's certificate of this authority, by whatever name and at whatever time.

    The authority signs for this one door only, so its name adds nothing; a box's clock may be wrong. Without an
    authority, TLS with anybody: for what is compared with a fingerprint afterwards.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.check_hostname = False
    if authority is None:
        made.verify_mode = ssl.CERT_NONE
    else:
        made.load_verify_locations(cadata=authority.decode("ascii"))
        made.verify_flags |= _NO_CHECK_TIME
    return made
