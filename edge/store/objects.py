"""Object files, named by the SHA-256 of their bytes.

What always holds: a file under `objects/` is complete and durable (temporary file, fsync, rename, fsync of the
folder, and of the folder above it) before anybody learns its name. What can't be written is a `StoreError` and leaves
nothing behind. Files under `incoming/` are unfinished and belong to nobody after a restart.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

PUT: Final = "put"
"""What the names of unfinished files begin with that `put` writes."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CHUNK: Final = 1 << 20
_ORPHAN_AGE_S: Final = 3600
_PREAMBLE: Final = 128
_META_START: Final = _PREAMBLE + 4
_GROUP_LENGTH: Final = b"\x02\x00\x00\x00UL\x04\x00"


@dataclass(frozen=True, slots=True)
class Digest:
    """What a file holds: SHA-256 of all of it, and of the DICOM data set behind the file meta group."""

    object: str
    dataset: str
    size: int


def digest(path: Path) -> Digest:
    """Reads a file once. A file without DICOM file meta is all data set (PS3.10 section 7.1)."""
    whole = hashlib.sha256()
    with path.open("rb") as file:
        head = file.read(_META_START + 12)
        whole.update(head)
        start = _dataset_start(head)
        inner = hashlib.sha256(head[start:])
        skip = max(0, start - len(head))
        size = len(head)
        while chunk := file.read(_CHUNK):
            whole.update(chunk)
            inner.update(chunk[skip:] if skip else chunk)
            skip = max(0, skip - len(chunk))
            size += len(chunk)
    return Digest(whole.hexdigest(), inner.hexdigest(), size)


def _dataset_start(head: bytes) -> int:
    if head[_PREAMBLE:_META_START] != b"DICM" or head[_META_START:-4] != _GROUP_LENGTH:
        return 0
    return _META_START + 12 + int.from_bytes(head[-4:], "little")


class Objects:
    """The object files of one store."""

    def __init__(self, root: Path) -> None:
        self.root = root / "objects"
        self.incoming = root / "incoming"
        self._synced: set[Path] = set()
        with _written():
            for folder in (self.root, self.incoming):
                folder.mkdir(parents=True, exist_ok=True)
            _fsync(root)

    def path(self, name: str) -> Path:
        """Where the object called `name` lies, whether it exists or not."""
        return self.root / name[:2] / name

    def temporary(self, prefix: str) -> Path:
        """A fresh name under `incoming/`."""
        return self.incoming / f"{prefix}-{secrets.token_hex(8)}"

    def put(self, content: bytes) -> str:
        """Stores bytes durably and returns their name.

        Raises:
            StoreError: `disk-full` or `store-unusable`.
        """
        name = hashlib.sha256(content).hexdigest()
        temporary = self.temporary(PUT)
        with _written(temporary):
            temporary.write_bytes(content)
            _fsync(temporary)
            self._rename(temporary, name)
        return name

    def adopt(self, temporary: Path) -> Digest:
        """Makes a finished file on the same file system into an object, durably. The file is gone after.

        Syncing waits for the disk and hashing for a processor: they are done side by side.

        Raises:
            StoreError: `disk-full` or `store-unusable`.
        """
        with _written(temporary):
            with ThreadPoolExecutor(1) as pool:
                synced = pool.submit(_fsync, temporary)
                found = digest(temporary)
                synced.result()
            self._rename(temporary, found.object)
        return found

    def _rename(self, temporary: Path, name: str) -> None:
        target = self.path(name)
        if target.parent not in self._synced:  # it may be there, and its own name not durable yet
            target.parent.mkdir(exist_ok=True)
            _fsync(self.root)
            self._synced.add(target.parent)
        temporary.rename(target)
        _fsync(target.parent)

    def read(self, name: str) -> bytes:
        """The object's bytes, proven by its name.

        Raises:
            StoreError: `object-missing` or `object-corrupt`.
        """
        with _readable(name):
            content = self.path(name).read_bytes()
        if hashlib.sha256(content).hexdigest() != name:
            raise StoreError("object-corrupt", name[:12])
        return content

    def prove(self, name: str) -> None:
        """Reads the object through and compares it with its name, without keeping it in memory.

        Raises:
            StoreError: `object-missing` or `object-corrupt`.
        """
        with _readable(name), self.path(name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != name:
            raise StoreError("object-corrupt", name[:12])

    def free_bytes(self) -> int:
        """Room left on the file system."""
        return shutil.disk_usage(self.root).free

    def sweep_incoming(self, prefix: str) -> None:
        """Removes what an earlier life of the one process that uses `prefix` left unfinished; later, when it can't."""
        for leftover in self.incoming.glob(f"{prefix}*"):
            with contextlib.suppress(OSError):
                leftover.unlink(missing_ok=True)

    def sweep_orphans(self, referenced: Collection[str]) -> int:
        """Removes objects that nobody refers to: a crash between file and row. Young ones may be on their way.

        The age is read off the file system's own clock, by writing to it; where nothing can be written, all stays.
        """
        marker = self.temporary(PUT)
        try:
            marker.touch()
            now_s = marker.stat().st_mtime
            marker.unlink()
        except OSError:
            return 0
        removed = 0
        for entry in self.root.glob("*/*"):
            if entry.name not in referenced and now_s - entry.stat().st_mtime > _ORPHAN_AGE_S:
                entry.unlink()
                removed += 1
        return removed


@contextlib.contextmanager
def _written(temporary: Path | None = None) -> Iterator[None]:
    """What the disk refuses is told in our words, and leaves no file behind."""
    try:
        yield
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        code = "disk-full" if error.errno in _FULL else "store-unusable"
        raise StoreError(code, errno.errorcode.get(error.errno or 0, type(error).__name__)) from error


@contextlib.contextmanager
def _readable(name: str) -> Iterator[None]:
    """A file that isn't there is missing; one that the disk can't give any more is corrupt."""
    try:
        yield
    except FileNotFoundError:
        raise StoreError("object-missing", name[:12]) from None
    except OSError as error:
        raise StoreError("object-corrupt", f"{name[:12]}, {type(error).__name__}") from error


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
