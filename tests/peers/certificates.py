"""Certificates for tests, made by openssl: an authority, and nodes signed by it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from edge.config import Tls


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a folder of its own."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Authority:
        """A fresh one."""
        folder.mkdir(parents=True)
        _openssl("req", "-x509", *_KEY, "-keyout", folder / "ca.key", "-out", folder / "ca.pem",
                 "-subj", "/CN=test authority", "-days", "2")  # fmt: skip
        return cls(folder)

    @property
    def certificate(self) -> Path:
        """The authority's own certificate."""
        return self.folder / "ca.pem"

    def node(self, name: str, *, days: int = 2) -> Tls:
        """A node's settings, with a certificate for 127.0.0.1 and localhost."""
        key, request, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        more = self.folder / f"{name}.ext"
        more.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n", encoding="ascii")
        _openssl("req", "-new", *_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.folder / "ca.key",
                 "-CAcreateserial", "-out", certificate, "-days", str(days), "-extfile", more)  # fmt: skip
        return Tls(certificate=certificate, key=key, authorities=self.certificate)


_KEY = ("-newkey", "rsa:2048", "-nodes", "-sha256")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)
