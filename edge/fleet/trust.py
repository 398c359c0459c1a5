"""What the repository says, verified: python-tuf does the verifying, this module draws the consequences.

What always holds: the trust begins with the root that came with the box (`bootstrap`), never with what lies in the
cache; a rollout document counts only if the `rollouts` role signed it, a manifest only if `releases` did; a verified
timestamp proves that it is not earlier than its making, and that time is never forgotten. The cache is synced before
anything is decided by it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from tuf.api.exceptions import (
    DownloadError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    RepositoryError,
    SlowRetrievalError,
)
from tuf.api.metadata import Metadata, TargetFile, Timestamp
from tuf.ngclient import Updater, UpdaterConfig

from edge.clock import Stamp
from edge.errors import UpdateError
from edge.fleet.documents import Manifest, Rollout
from edge.fleet.durable import PosixDisk
from edge.fleet.fetcher import Fetcher
from edge.fleet.slots import Kind

TIMESTAMP_VALIDITY: Final = timedelta(days=14)
"""How long the publisher's timestamps are valid: made no earlier than this before they expire."""
MOST_DOCUMENT_BYTES: Final = 1_000_000
_KEPT_DOCUMENTS: Final = 8
_Shape = TypeVar("_Shape", bound=BaseModel)
_CONFIG: Final = UpdaterConfig(app_user_agent="calcedge")


@dataclass(frozen=True, slots=True)
class Repository:
    """One copy of the repository. Which one is asked makes no difference to what is believed."""

    url: str

    @property
    def metadata(self) -> str:
        """Where the signed metadata lies."""
        return f"{self.url.rstrip('/')}/metadata/"

    @property
    def targets(self) -> str:
        """Where the files lie."""
        return f"{self.url.rstrip('/')}/targets/"

    def blob(self, sha256: str) -> str:
        """Where a blob lies. Its hash is in a signed manifest; no metadata of its own is needed."""
        return f"{self.targets}releases/blobs/{sha256}"


class Trust:
    """One box's view of the repository. One instance a check: python-tuf's client refreshes once.

    Args:
        folder: the metadata cache.
        bootstrap: the root that came with the box.
        repository: which copy to ask.
        fetcher: brings bytes.
    """

    def __init__(self, folder: Path, bootstrap: bytes, repository: Repository, fetcher: Fetcher) -> None:
        self._folder = folder
        self._repository = repository
        self._fetcher = fetcher
        folder.mkdir(parents=True, exist_ok=True)
        with _told():
            self._updater = Updater(
                str(folder), repository.metadata, fetcher=fetcher, config=_CONFIG, bootstrap=bootstrap
            )

    def refresh(self, now: Stamp, floor_time: str) -> str:
        """Brings the metadata up to date.

        Returns:
            The new time floor: it is later than this.

        Raises:
            UpdateError: why the repository is not believed, or not reached.
        """
        try:
            with _told():
                self._updater.refresh()
        finally:
            sync_tree(self._folder)
        timestamp = self._timestamp()
        floor = _time(floor_time)
        if timestamp.signed.expires <= floor:
            raise UpdateError("update-clock-behind" if now.utc < floor else "update-expired")
        proven = timestamp.signed.expires - TIMESTAMP_VALIDITY
        if now.trusted:
            proven = min(proven, now.utc)  # one stolen key can't push the floor into the future
        floor = max(floor, proven)
        return floor.isoformat()

    def rollout(self, fleet: str) -> Rollout | None:
        """What the fleet's admin wants; None while she wants nothing.

        Raises:
            UpdateError: if the document can't be had or believed.
        """
        try:
            return self._document(f"rollouts/{fleet}.json", Rollout, "update-missing")
        except UpdateError as error:
            if error.reason.code == "update-missing":
                return None
            raise

    def manifest(self, kind: Kind, release: str) -> Manifest:
        """What a release is.

        Raises:
            UpdateError: `update-not-signed` when the release keys didn't sign such a release.
        """
        manifest = self._document(f"releases/{kind}/{release}.json", Manifest, "update-not-signed")
        if (manifest.kind, manifest.release) != (kind, release):
            raise UpdateError("update-not-signed", "a manifest under another name")
        return manifest

    def _document(self, path: str, shape: type[_Shape], missing: str) -> _Shape:
        with _told():
            info = self._updater.get_targetinfo(path)
            sync_tree(self._folder)
            if info is None or info.length > MOST_DOCUMENT_BYTES:
                raise UpdateError(missing, path)
            content = self._content(info)
        try:
            return shape.model_validate_json(content)
        except ValidationError as error:
            raise UpdateError("update-untrusted", f"{path} has a shape that this application doesn't know") from error

    def _content(self, info: TargetFile) -> bytes:
        cached = self._folder / "documents" / next(iter(info.hashes.values()))
        try:
            content = cached.read_bytes()
            info.verify_length_and_hashes(content)
        except (OSError, RepositoryError):
            folder, _, name = info.path.rpartition("/")
            prefixed = f"{folder}/{next(iter(info.hashes.values()))}.{name}"
            content = self._fetcher.download_bytes(self._repository.targets + prefixed, info.length)
            info.verify_length_and_hashes(content)
            cached.parent.mkdir(exist_ok=True)
            for old in sorted(cached.parent.iterdir(), key=os.path.getmtime)[:-_KEPT_DOCUMENTS]:
                old.unlink()
            cached.write_bytes(content)
        return content

    def _timestamp(self) -> Metadata[Timestamp]:
        return Metadata[Timestamp].from_file(str(self._folder / "timestamp.json"))


def cached_sound(folder: Path, bootstrap: bytes) -> bool:
    """Whether this code can still read the cache and the root: an updater that can't would be the last one."""
    try:
        Metadata.from_bytes(bootstrap)
        for path in folder.glob("*.json"):
            json.loads(path.read_bytes())
    except (ValueError, OSError, RepositoryError):
        return False
    return True


def sync_tree(folder: Path) -> None:
    """python-tuf replaces its files without syncing them; here they become durable."""
    disk = PosixDisk()
    for path in sorted(folder.rglob("*")):
        if not path.is_symlink() and path.is_file():
            disk.sync(path)
    for path in (folder, *(entry for entry in folder.rglob("*") if entry.is_dir())):
        disk.sync_folder(path)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text) if text else datetime.min.replace(tzinfo=UTC)


_CODES: Final[Sequence[tuple[type[Exception], str]]] = (
    (ExpiredMetadataError, "update-expired"),
    (DownloadLengthMismatchError, "update-untrusted"),
    (SlowRetrievalError, "update-slow"),
    (DownloadError, "update-unreachable"),
    (RepositoryError, "update-untrusted"),
)
"""The first that fits."""


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Says what python-tuf found in our words."""
    try:
        yield
    except (DownloadError, RepositoryError, ValueError) as error:
        code = next((code for kind, code in _CODES if isinstance(error, kind)), "update-untrusted")
        raise UpdateError(code, type(error).__name__) from error
