"""The page's certificates: the site's own, or one that the box makes and renews under an authority of its own.

What always holds: a private key is written for its owner alone (mode 0600), is never given out, and never replaced by
one that doesn't belong to its certificate. The box's own authority can vouch for this box's names and for nothing else
(RFC 5280 section 4.2.1.10), so that a tablet that trusts it gives nothing away.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge.config import Config

_DAY: Final = timedelta(days=1)
_LEAF: Final = 397 * _DAY
"""Browsers refuse certificates that are good for longer than 398 days."""
_AUTHORITY: Final = 3650 * _DAY
_RENEW: Final = 60 * _DAY
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - told apart, not bound
_LEAST_RSA_BITS: Final = 2048

_MAKING: Final = threading.Lock()
"""The door and the settings may both find that one must be made."""

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class NotUsable(Exception):  # noqa: N818 - an answer to whoever brought it
    """A certificate or key can't be used; `why` names the sentence in `words.CERTIFICATE_TROUBLES`."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with the chain below its authority, and its key: PEM files."""

    certificate: Path
    key: Path

    def exists(self) -> bool:
        """Whether both are there."""
        return self.certificate.is_file() and self.key.is_file()


@dataclass(frozen=True, slots=True)
class Told:
    """What people may know of a certificate."""

    names: tuple[str, ...]
    issuer: str
    days: int
    """Until it ends."""
    fingerprint: str
    """SHA-256 in hexadecimal."""


def folder_of(config: Config) -> Path:
    """Where the certificates that the box keeps itself lie."""
    return config.data / "tls" / "web"


def names_of(config: Config) -> tuple[str, ...]:
    """What tablets may call this machine by."""
    host = socket.gethostname().lower()
    tls = config.web.tls
    told = [*(tls.names if tls else ()), host, f"{host.removesuffix('.local')}.local", "localhost", "127.0.0.1"]
    if tls and tls.host not in _EVERYWHERE:
        told.insert(0, tls.host)
    return tuple(dict.fromkeys(name.lower() for name in told))


def current(config: Config, now: datetime) -> Pair:
    """The certificate that holds now: the configured one, else the one that the admin brought, else the box's own."""
    tls = config.web.tls
    if tls and tls.certificate and tls.key:
        return Pair(tls.certificate, tls.key)
    folder = folder_of(config)
    return brought(folder) if brought(folder).exists() else own(folder, names_of(config), now)


def brought(folder: Path) -> Pair:
    """Where a certificate lies that the site brought through the page."""
    return Pair(folder / "certificate.pem", folder / "key.pem")


def made(folder: Path) -> Pair:
    """Where the box's own certificate lies."""
    return Pair(folder / "own.pem", folder / "own.key")


def authority(folder: Path) -> Pair:
    """Where the box's own authority lies."""
    return Pair(folder / "authority.pem", folder / "authority.key")


def tell(certificate: Path, now: datetime) -> Told | None:
    """What a certificate says, or None when it can't be read."""
    try:
        found = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
        names = _names(found)
    except (OSError, ValueError):
        return None
    days = (found.not_valid_after_utc - now).days
    return Told(names, found.issuer.rfc4514_string(), days, found.fingerprint(hashes.SHA256()).hex())


def keep(folder: Path, certificate: bytes, key: bytes, now: datetime) -> None:
    """Puts a certificate that the site brought in place of the one before. Without `key`, it answers our request.

    Raises:
        NotUsable: it is not what it must be; nothing was changed.
    """
    chain = _chain(certificate)
    own = _key(key or _read(folder / "request.key"))
    if _public(own.public_key()) != _public(chain[0].public_key()):
        raise NotUsable("other-key" if key else "not-asked")
    _check(chain[0], own, now)
    folder.mkdir(parents=True, exist_ok=True)
    pair = brought(folder)
    write(pair.key, _private(own))
    write(pair.certificate, b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain))
    (folder / "request.key").unlink(missing_ok=True)


def forget(folder: Path) -> None:
    """Goes back to the box's own certificate."""
    for path in (brought(folder).certificate, brought(folder).key):
        path.unlink(missing_ok=True)


def request(folder: Path, names: Sequence[str]) -> bytes:
    """A certificate signing request (PKCS #10) for a fresh key that stays on the box."""
    key = ec.generate_private_key(ec.SECP256R1())
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "request.key", _private(key))
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(names[0]))
    signed = builder.add_extension(_alternatives(names), critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def own(folder: Path, names: Sequence[str], now: datetime) -> Pair:
    """The box's own certificate for `names`, made or renewed when it must be."""
    root, leaf = authority(folder), made(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _MAKING:
        if not root.exists() or not _serves(root.certificate, names, now):
            _make_authority(root, names, now)
            leaf.certificate.unlink(missing_ok=True)
        if not leaf.exists() or not _serves(leaf.certificate, names, now):
            _make_leaf(root, leaf, names, now)
    return leaf


def _serves(path: Path, names: Sequence[str], now: datetime) -> bool:
    found = x509.load_pem_x509_certificate(path.read_bytes())
    return set(_names(found)) == set(names) and found.not_valid_before_utc <= now < found.not_valid_after_utc - _RENEW


def _make_authority(pair: Pair, names: Sequence[str], now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(f"calcedge {names[0]}")
    builder = (
        _builder(subject, subject, key, now, _AUTHORITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.NameConstraints([_constraint(name) for name in names], None), critical=True)
        .add_extension(_alternatives(names), critical=False)
    )
    write(pair.key, _private(key))
    write(pair.certificate, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def _make_leaf(root: Pair, pair: Pair, names: Sequence[str], now: datetime) -> None:
    signer = _key(root.key.read_bytes())
    issuer = x509.load_pem_x509_certificate(root.certificate.read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())  # type: ignore[arg-type]
    builder = (
        _builder(_subject(names[0]), issuer.subject, key, now, _LEAF)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(_alternatives(names), critical=False)
    )
    write(pair.key, _private(key))
    write(pair.certificate, builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)  # a tablet's clock may be behind
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _alternatives(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_general(name) for name in names])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _constraint(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_network(name))  # an address alone is its own network
    except ValueError:
        return x509.DNSName(name)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(one.value) for one in found if isinstance(one, x509.DNSName | x509.IPAddress))


def _chain(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise NotUsable("no-certificate") from None


def _key(pem: bytes) -> PrivateKey:
    try:
        found = serialization.load_pem_private_key(pem, None)
    except TypeError:
        raise NotUsable("key-locked") from None
    except (ValueError, UnsupportedAlgorithm):
        raise NotUsable("no-key") from None
    if not isinstance(found, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise NotUsable("weak-key")
    return found


def _check(certificate: x509.Certificate, key: PrivateKey, now: datetime) -> None:
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _LEAST_RSA_BITS:
        raise NotUsable("weak-key")
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        raise NotUsable("not-now")
    if not _names(certificate):
        raise NotUsable("no-name")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise NotUsable("no-key") from None


def _public(key: object) -> bytes:
    return key.public_bytes(  # type: ignore[attr-defined, no-any-return]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _private(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write(path: Path, content: bytes) -> None:
    """Durably, whole or not at all, for the owner alone."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
