"""Who a box is: a key made on it, and a certificate for it. For privacy and accounting; software is trusted by TUF.

An expired certificate never stops updates by itself, and can always be renewed: the request is signed with the old key.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.config import Config
from edge.errors import UpdateError
from edge.fleet import durable
from edge.fleet.durable import PosixDisk

_CURVE = ec.SECP256R1()


@dataclass(frozen=True, slots=True)
class Identity:
    """One box's key and certificate."""

    device: str
    fleet: str
    key_path: Path
    certificate_path: Path

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

    def install(self, certificate: bytes) -> None:
        """Puts a certificate in its place, if it is for this box's key.

        Raises:
            UpdateError: `fleet-enrolment`.
        """
        try:
            parsed = x509.load_pem_x509_certificate(certificate)
        except ValueError as error:
            raise UpdateError("fleet-enrolment", "this is no certificate") from error
        if parsed.public_key() != self._key().public_key():
            raise UpdateError("fleet-enrolment", "this certificate is for another key")
        durable.folder(PosixDisk(), self.certificate_path.parent)
        durable.replace(PosixDisk(), self.certificate_path, certificate)

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


def ask(address: str, what: str, body: dict[str, Any]) -> bytes:
    """Asks the admin's service to enrol or renew.

    Raises:
        UpdateError: `update-unreachable` or `fleet-enrolment`.
    """
    with urllib3.PoolManager(retries=False, timeout=30) as pool:
        try:
            answer = pool.request(
                "POST",
                f"{address.rstrip('/')}/{what}",
                body=json.dumps(body),
                headers={"Content-Type": "application/json"},
            )
        except urllib3.exceptions.HTTPError as error:
            raise UpdateError("update-unreachable", address) from error
        if answer.status != 200:
            raise UpdateError("fleet-enrolment", str(answer.status))
        return bytes(answer.data)
