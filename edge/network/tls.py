"""Secure connections as BCP 195 (RFC 9325) and PS3.15 annex B.9 ask: TLS 1.2 or newer, both sides with a certificate.

What always holds: a peer without a certificate from one of our authorities is not spoken to, neither as caller nor
when called; there is no fallback to anything older or to plain text.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from cryptography import x509

from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.config import Tls

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aNULL:!DSS"
"""For TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has no others."""

_MINIMUM: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def server_context(settings: Tls) -> ssl.SSLContext:
    """For those who call us.

    Raises:
        ConfigError: a file is missing, or is not what it should be.
    """
    return _context(ssl.PROTOCOL_TLS_SERVER, settings)


def client_context(settings: Tls) -> ssl.SSLContext:
    """For those whom we call; their name is checked against their certificate.

    Raises:
        ConfigError: a file is missing, or is not what it should be.
    """
    return _context(ssl.PROTOCOL_TLS_CLIENT, settings)


def own_name(settings: Tls) -> str:
    """A name or address that our own certificate is good for."""
    certificate = x509.load_pem_x509_certificate(settings.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return str(next(name.value for name in names if isinstance(name, x509.DNSName | x509.IPAddress)))


def _context(protocol: ssl._SSLMethod, settings: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = _MINIMUM[settings.minimum]
    context.set_ciphers(CIPHERS)
    try:
        context.load_cert_chain(settings.certificate, settings.key, _no_password)
        context.load_verify_locations(settings.authorities)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(f"tls: {type(error).__name__}: {error}") from error
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _no_password() -> str:
    """A key that asks for a password would make the service wait for a keyboard."""
    raise ValueError("the key needs a password")
