"""Who signs what. Public keys and where the private ones are; never the private ones themselves.

A key is a file (`file2:PATH`) or on a PKCS#11 token (`hsm:ID?label=TOKEN`): whatever `securesystemslib` can open by its
address. For tokens the environment names the token's library, `PYKCS11LIB`, and may give its PIN, `CALCEDGE_PIN`.
"""

from __future__ import annotations

import getpass
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from securesystemslib.exceptions import Error, KeyMismatchError, UnsupportedLibraryError
from securesystemslib.signer import CryptoSigner, HSMSigner, Key, Signer, SSlibKey

from edge.errors import UpdateError

OWNERS: Final[Mapping[str, tuple[int, int]]] = {
    "root": (2, 3),
    "releases": (2, 2),
    "rollouts": (1, 1),
    "snapshot": (1, 1),
    "timestamp": (1, 1),
}
"""Threshold and number of keys that `fleet init` makes. The root's keys sign `targets` too."""
_FILE: Final = "file2:"
_TOKEN: Final = "hsm:"  # noqa: S105 - a scheme


@dataclass(frozen=True, slots=True)
class NamedKey:
    """One key. `address` says where its private part is."""

    name: str
    public: Key
    address: str


@dataclass(frozen=True, slots=True)
class Keyring:
    """The public keys of a fleet, by role, in `keys.json`."""

    folder: Path
    thresholds: Mapping[str, int]
    roles: Mapping[str, tuple[NamedKey, ...]]

    @classmethod
    def create(cls, folder: Path, owners: Mapping[str, tuple[int, int]] = OWNERS) -> Keyring:
        """Makes key files, readable by their owner only. Offline ones are to be carried away then."""
        keys = folder / "keys"
        keys.mkdir(parents=True, mode=0o700)
        roles: dict[str, tuple[NamedKey, ...]] = {}
        for role, (_, count) in owners.items():
            names = [f"{role}-{number}" if count > 1 else role for number in range(1, count + 1)]
            roles[role] = tuple(_make(keys / f"{name}.pem", name) for name in names)
        ring = cls(folder, {role: threshold for role, (threshold, _) in owners.items()}, roles)
        ring.save()
        return ring

    @classmethod
    def load(cls, folder: Path) -> Keyring:
        """Reads `keys.json`.

        Raises:
            UpdateError: `fleet-keys`.
        """
        try:
            body = json.loads((folder / "keys.json").read_bytes())
            roles = {
                role: tuple(
                    NamedKey(item["name"], SSlibKey.from_dict(item["keyid"], dict(item["public"])), item["address"])
                    for item in entry["keys"]
                )
                for role, entry in body.items()
            }
            return cls(folder, {role: entry["threshold"] for role, entry in body.items()}, roles)
        except (OSError, ValueError, KeyError) as error:
            raise UpdateError("fleet-keys", f"no fleet in {folder.name}") from error

    def save(self) -> None:
        """Writes `keys.json`."""
        body = {
            role: {
                "threshold": self.thresholds[role],
                "keys": [
                    {
                        "name": key.name,
                        "keyid": key.public.keyid,
                        "address": key.address,
                        "public": key.public.to_dict(),
                    }
                    for key in keys
                ],
            }
            for role, keys in self.roles.items()
        }
        (self.folder / "keys.json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")

    def find(self, name: str) -> tuple[str, NamedKey]:
        """A key and its role, by its name.

        Raises:
            UpdateError: `fleet-keys`.
        """
        for role, keys in self.roles.items():
            for key in keys:
                if key.name == name:
                    return role, key
        raise UpdateError("fleet-keys", f"no key is called {name}")

    def replaced(self, name: str, token: str | None = None) -> Keyring:
        """The ring with another key in the place of one: a fresh file's, or the one on a token. Not saved.

        Raises:
            UpdateError: `fleet-keys` when there is no such key on the token.
        """
        role, old = self.find(name)
        if token is None:
            new = _make(self.folder / "keys" / f"{name}-{secrets.token_hex(3)}.pem", name)
        else:
            new = NamedKey(name, _on_token(token), token)
        keys = tuple(new if key == old else key for key in self.roles[role])
        return Keyring(self.folder, self.thresholds, {**self.roles, role: keys})

    def signer(self, name: str) -> Signer:
        """Opens a private key.

        Raises:
            UpdateError: `fleet-keys` when it is not here, or another.
        """
        return self._open(self.find(name)[1])

    def signers(self, role: str) -> Sequence[Signer]:
        """Every private key of a role that is here."""
        found = []
        for key in self.roles[role]:
            try:
                found.append(self._open(key))
            except UpdateError:
                continue
        return found

    def _open(self, key: NamedKey) -> Signer:
        address = key.address
        if address.startswith(_FILE) and not Path(address.removeprefix(_FILE)).is_absolute():
            address = _FILE + str((self.folder / address.removeprefix(_FILE)).resolve())
        if address.startswith(_TOKEN) and _on_token(address).keyid != key.public.keyid:
            raise UpdateError("fleet-keys", f"{key.name}: another key is on the token")
        try:
            return Signer.from_priv_key_uri(address, key.public, _secret)
        except (OSError, ValueError, KeyMismatchError, UnsupportedLibraryError, Error) as error:
            raise UpdateError("fleet-keys", key.name) from error


def _make(path: Path, name: str) -> NamedKey:
    signer = CryptoSigner.generate_ed25519()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(signer.private_bytes)
    return NamedKey(name, signer.public_key, f"{_FILE}keys/{path.name}")


def _on_token(address: str) -> Key:
    """The public key at a token's address.

    Raises:
        UpdateError: `fleet-keys`.
    """
    parts = urlsplit(address)
    label = dict(parse_qsl(parts.query)).get("label")
    try:
        _, key = HSMSigner.import_(int(parts.path) if parts.path else None, label, _secret)
    except (ValueError, UnsupportedLibraryError, RuntimeError) as error:
        raise UpdateError("fleet-keys", f"{address}: {error}") from error
    return key


def _secret(what: str) -> str:
    return os.environ.get("CALCEDGE_PIN") or getpass.getpass(f"{what}: ")
