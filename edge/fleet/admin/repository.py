"""The repository: a folder of static files, written so that whoever reads it meanwhile sees the old or the new state.

    metadata/N.root.json N.targets.json N.releases.json N.rollouts.json N.snapshot.json timestamp.json
    targets/releases/<kind>/<sha256>.<release>.json     manifests
    targets/releases/blobs/<sha256>                     what they name
    targets/rollouts/<sha256>.<fleet>.json              rollout documents

`python -m http.server` can serve it, or any object store or CDN. Files are written in the order of TUF: files,
delegated roles, targets, snapshot, timestamp last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from securesystemslib.exceptions import Error, StorageError
from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from edge.clock import Clock
from edge.errors import UpdateError
from edge.fleet import durable
from edge.fleet.admin.keys import Keyring
from edge.fleet.durable import PosixDisk
from edge.fleet.trust import TIMESTAMP_VALIDITY

VALIDITY: Final[Mapping[str, timedelta]] = {
    "root": timedelta(days=365),
    "targets": timedelta(days=365),
    "releases": timedelta(days=180),
    "rollouts": timedelta(days=60),
    "snapshot": TIMESTAMP_VALIDITY,
    "timestamp": TIMESTAMP_VALIDITY,
}
PATHS: Final[Mapping[str, list[str]]] = {"releases": ["releases/*/*"], "rollouts": ["rollouts/*"]}
"""The two delegated roles, and the only files each may sign."""
_COMPACT: Final = JSONSerializer(compact=True)


class FleetRepository:
    """One fleet's repository, on the admin's machine.

    Args:
        folder: the admin's folder; the repository itself is `repo` in it.
        clock: for expiries.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.root = folder / "repo"
        self.pending_folder = folder / "pending"
        self.keys = Keyring.load(folder)
        self._clock = clock
        self._disk = PosixDisk()

    @classmethod
    def create(cls, folder: Path, clock: Clock) -> FleetRepository:
        """Makes keys and an empty repository.

        Raises:
            UpdateError: `fleet-repository` when there is one already.
        """
        if (folder / "keys.json").exists():
            raise UpdateError("fleet-repository", "there is a fleet in this folder already")
        Keyring.create(folder)
        made = cls(folder, clock)
        made._first()
        return made

    # -- reading --

    def newest(self, role: str) -> Metadata[Any]:
        """A role's published metadata.

        Raises:
            UpdateError: `fleet-repository`.
        """
        try:
            return Metadata.from_file(str(self._path(role, self._version(role))))
        except (RepositoryError, StorageError, OSError, ValueError) as error:
            raise UpdateError("fleet-repository", role) from error

    def targets(self, role: str) -> Mapping[str, TargetFile]:
        """The files that a delegated role has signed."""
        signed = self.newest(role).signed
        assert isinstance(signed, Targets)
        return signed.targets

    def content(self, role: str, path: str) -> bytes | None:
        """A signed file's bytes."""
        info = self.targets(role).get(path)
        return self._target_path(path, info.hashes["sha256"]).read_bytes() if info else None

    # -- writing --

    def add_blob(self, content: bytes) -> str:
        """Puts bytes under their hash."""
        name = hashlib.sha256(content).hexdigest()
        path = self.root / "targets" / "releases" / "blobs" / name
        durable.folder(self._disk, path.parent)
        if not path.exists():
            durable.replace(self._disk, path, content)
        return name

    def propose(self, role: str, path: str, content: bytes) -> None:
        """Adds a file to what waits for the role's signatures. Signatures given before are void."""
        if not any(_matches(pattern, path) for pattern in PATHS[role]):
            raise UpdateError("fleet-repository", f"{role} may not sign {path}")
        info = TargetFile.from_data(path, content)
        target = self._target_path(path, info.hashes["sha256"])
        durable.folder(self._disk, target.parent)
        durable.replace(self._disk, target, content)
        metadata = self.pending(role) or self._next(role)
        assert isinstance(metadata.signed, Targets)
        metadata.signed.targets[path] = info
        metadata.signatures.clear()
        self._save_pending(role, metadata)

    def pending(self, role: str) -> Metadata[Any] | None:
        """What waits for a role's signatures."""
        path = self.pending_folder / f"{role}.json"
        return Metadata.from_file(str(path)) if path.exists() else None

    def sign(self, role: str, signer: Signer) -> int:
        """Adds a signature to what waits, and publishes it when there are enough.

        Returns:
            How many signatures are still missing.

        Raises:
            UpdateError: `fleet-repository` when nothing waits, `fleet-keys` when the key doesn't belong to the role.
        """
        metadata = self.pending(role)
        if metadata is None:
            raise UpdateError("fleet-repository", f"nothing waits for a signature of {role}")
        if signer.public_key.keyid not in {key.public.keyid for key in self.keys.roles[_owner(role)]}:
            raise UpdateError("fleet-keys", f"this key doesn't sign {role}")
        _sign(metadata, signer)
        self._save_pending(role, metadata)
        missing = self._missing(role, metadata)
        if missing == 0:
            self._publish(role, metadata)
            self.freshen(force=True)
            (self.pending_folder / f"{role}.json").unlink()
        return missing

    def renew(self, role: str) -> int:
        """Proposes the role's metadata anew, with a new expiry, and signs with every key that is here."""
        if role in ("snapshot", "timestamp"):
            self.freshen(force=True)
            return 0
        self._save_pending(role, self.pending(role) or self._next(role))
        missing = 1
        for signer in self.keys.signers(_owner(role)):
            missing = self.sign(role, signer)
            if missing == 0:
                break
        return missing

    def rotate(self, name: str, token: str | None = None) -> int:
        """Puts another key in the place of one that was lost or stolen; needs a threshold of the root's keys.

        A root's own change is signed by enough keys of the old root and of the new one: a box that slept through
        any number of changes follows them one by one from the root that came with it.

        Args:
            name: the key.
            token: where the other key is on a token; without it, a fresh one is made in a file.

        Returns:
            How many signatures the role's metadata still needs.

        Raises:
            UpdateError: `fleet-keys`.
        """
        role, old = self.keys.find(name)
        before, after = self.keys, self.keys.replaced(name, token)
        delegator = "targets" if role in PATHS else "root"
        metadata = self._next(delegator)
        for held in ("root", "targets") if role == "root" else (role,):
            metadata.signed.revoke_key(old.public.keyid, held)
            metadata.signed.add_key(after.find(name)[1].public, held)
        self._sign_all(delegator, metadata, before, after)
        renewed = {delegator: metadata}
        self.keys = after
        if role == "root":
            targets = self._next("targets")
            self._sign_all("targets", targets)
            renewed = {"targets": targets, **renewed}
        after.save()
        for changed, signed in renewed.items():
            self._publish(changed, signed)
        (self.pending_folder / f"{role}.json").unlink(missing_ok=True)
        if role != "root":
            return self.renew(role)
        self.freshen(force=True)
        return 0

    def disagreements(self) -> Sequence[str]:
        """Roles whose published keys are not those of `keys.json`: a change of a key was cut short."""
        root, targets = self.newest("root").signed, self.newest("targets").signed
        assert isinstance(root, Root)
        assert isinstance(targets, Targets)
        assert targets.delegations is not None
        assert targets.delegations.roles is not None
        published = {**root.roles, **targets.delegations.roles}
        known = {role: {key.public.keyid for key in self.keys.roles[_owner(role)]} for role in published}
        return [role for role, one in published.items() if set(one.keyids) != known[role]]

    def freshen(self, *, force: bool = False) -> None:
        """Signs snapshot and timestamp anew; nightly, and after every change."""
        snapshot = self._next("snapshot")
        assert isinstance(snapshot.signed, Snapshot)
        wanted = {f"{role}.json": self._version(role) for role in ("targets", *PATHS)}
        there = {name: info.version for name, info in snapshot.signed.meta.items()}
        if force or wanted != there:
            snapshot.signed.meta = {name: MetaFile(version) for name, version in wanted.items()}
            self._sign_all("snapshot", snapshot)
            self._publish("snapshot", snapshot)
        timestamp = self._next("timestamp")
        assert isinstance(timestamp.signed, Timestamp)
        timestamp.signed.snapshot_meta = MetaFile(self._version("snapshot"))
        self._sign_all("timestamp", timestamp)
        self._publish("timestamp", timestamp)

    # -- how --

    def _first(self) -> None:
        expires = {role: self._expiry(role) for role in VALIDITY}
        root = Root(expires=expires["root"], consistent_snapshot=True)
        for role in ("root", "targets", "snapshot", "timestamp"):
            for key in self.keys.roles[_owner(role)]:
                root.add_key(key.public, role)
            root.roles[role].threshold = self.keys.thresholds[_owner(role)]
        delegated = {
            role: DelegatedRole(role, [], self.keys.thresholds[role], terminating=True, paths=paths)
            for role, paths in PATHS.items()
        }
        targets = Targets(expires=expires["targets"], delegations=Delegations({}, roles=delegated))
        for role in PATHS:
            for key in self.keys.roles[role]:
                targets.add_key(key.public, role)
        empty = {role: Targets(expires=expires[role]) for role in PATHS}
        for role, signed in {"root": root, **empty, "targets": targets}.items():
            metadata: Metadata[Any] = Metadata(signed)
            self._sign_all(role, metadata)
            self._publish(role, metadata)
        self.freshen(force=True)

    def _sign_all(self, role: str, metadata: Metadata[Any], *rings: Keyring) -> None:
        """Signs with every key of the role that is here; with several rings, as each of them asks."""
        metadata.signatures.clear()
        for ring in rings or (self.keys,):
            for signer in ring.signers(_owner(role)):
                _sign(metadata, signer)
        for ring in rings or (self.keys,):
            if missing := self._missing(role, metadata, ring):
                raise UpdateError("fleet-keys", f"{missing} more signatures of {role} are needed")

    def _missing(self, role: str, metadata: Metadata[Any], ring: Keyring | None = None) -> int:
        ring = ring or self.keys
        known = {key.public.keyid: key.public for key in ring.roles[_owner(role)]}
        good = 0
        for keyid, signature in metadata.signatures.items():
            try:
                known[keyid].verify_signature(signature, metadata.signed_bytes)
                good += 1
            except (KeyError, Error):
                continue
        return max(0, ring.thresholds[_owner(role)] - good)

    def _next(self, role: str) -> Metadata[Any]:
        if self._path(role, self._version(role)).exists():
            metadata = self.newest(role)
            metadata.signatures.clear()
            metadata.signed.version += 1
        else:
            metadata = Metadata({"snapshot": Snapshot(meta={}), "timestamp": Timestamp()}[role])
        metadata.signed.expires = self._expiry(role)
        return metadata

    def _publish(self, role: str, metadata: Metadata[Any]) -> None:
        if self._missing(role, metadata):
            raise UpdateError("fleet-keys", f"{role} has too few signatures")
        self._write(role, metadata)

    def _write(self, role: str, metadata: Metadata[Any]) -> None:
        path = self._path(role, metadata.signed.version)
        durable.folder(self._disk, path.parent)
        durable.replace(self._disk, path, metadata.to_bytes(_COMPACT))

    def _save_pending(self, role: str, metadata: Metadata[Any]) -> None:
        durable.folder(self._disk, self.pending_folder)
        durable.replace(self._disk, self.pending_folder / f"{role}.json", metadata.to_bytes(_COMPACT))

    def _expiry(self, role: str) -> datetime:
        return (self._clock.now().utc + VALIDITY[role]).replace(microsecond=0)

    def _version(self, role: str) -> int:
        if role == "timestamp":
            return 0
        found = (self.root / "metadata").glob(f"*.{role}.json")
        return max((int(path.name.split(".")[0]) for path in found), default=0)

    def _path(self, role: str, version: int) -> Path:
        return self.root / "metadata" / ("timestamp.json" if role == "timestamp" else f"{version}.{role}.json")

    def _target_path(self, path: str, sha256: str) -> Path:
        folder, _, name = path.rpartition("/")
        return self.root / "targets" / folder / f"{sha256}.{name}"


def _sign(metadata: Metadata[Any], signer: Signer) -> None:
    """Adds a signature.

    Raises:
        UpdateError: `fleet-keys` when the key can't be used: a token that isn't there, or a wrong PIN.
    """
    try:
        metadata.sign(signer, append=True)
    except RepositoryError as error:
        raise UpdateError("fleet-keys", type(error.__cause__ or error).__name__) from error


def _owner(role: str) -> str:
    return "root" if role == "targets" else role


def _matches(pattern: str, path: str) -> bool:
    return DelegatedRole._is_target_in_pathpattern(path, pattern)  # noqa: SLF001 - exactly the boxes' rule
