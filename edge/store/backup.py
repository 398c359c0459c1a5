"""Everything the appliance keeps, as one tar file; and back. A backup is consistent, and proven when it is restored.

The database is copied as of one moment; object files never change, so those that it names are all there is to add.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tarfile
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from edge.errors import StoreError
from edge.store.images import referenced_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.store import Store

DATABASE: Final = "calcedge.sqlite"
_SITE: Final = "site.json"
_BLOCK: Final = 1 << 20


def write(store: Store, out: IO[bytes]) -> int:
    """Writes a backup and returns how many objects are in it. `out` needs no seeking: a pipe or a download will do."""
    root = store.database.path.parent
    with tempfile.TemporaryDirectory(prefix="backup-", dir=root) as folder, tarfile.open(fileobj=out, mode="w|") as tar:
        copy = Path(folder) / DATABASE
        store.database.backup(copy)
        tar.add(copy, DATABASE)
        if (root / _SITE).exists():
            tar.add(root / _SITE, _SITE)
        with closing(sqlite3.connect(copy)) as connection:
            names = sorted(referenced_objects(connection))
        for name in names:
            store.objects.prove(name)
            tar.add(store.objects.path(name), f"objects/{name[:2]}/{name}")
    return len(names)


def stream(store: Store) -> Iterator[bytes]:
    """A backup in chunks, made while it is taken: for a download."""
    reading, writing = os.pipe()
    trouble: list[BaseException] = []

    def make() -> None:
        try:
            with os.fdopen(writing, "wb") as out:
                write(store, out)
        except (StoreError, OSError) as error:
            trouble.append(error)

    maker = threading.Thread(target=make, name="backup")
    maker.start()
    try:
        with os.fdopen(reading, "rb") as chunks:
            while chunk := chunks.read(_BLOCK):
                yield chunk
    finally:
        maker.join()
    if trouble:
        raise trouble[0]  # a download that breaks off is seen to be broken


def restore(source: IO[bytes], root: Path) -> int:
    """Restores a backup into an empty folder and returns how many objects it held.

    Raises:
        StoreError: `store-unusable` if the folder holds a store, or the backup is damaged: nothing is put in place.
    """
    if (root / DATABASE).exists():
        raise StoreError("store-unusable", "there is a store already")
    root.mkdir(parents=True, exist_ok=True)
    count = 0
    try:
        with tempfile.TemporaryDirectory(prefix="restore-", dir=root) as folder:
            target = Path(folder)
            with tarfile.open(fileobj=source, mode="r|") as tar:
                for member in tar:
                    if _is_ours(member):
                        tar.extract(member, target, filter="data")
            with closing(sqlite3.connect(target / DATABASE)) as connection:
                if connection.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                    raise StoreError("store-unusable", "the backup's database is damaged")
                names = referenced_objects(connection)
            for name in names:
                _prove(target / "objects" / name[:2] / name, name)
                count += 1
            for part in ("objects", _SITE, DATABASE):  # the database last: without it there is no store
                if (target / part).exists():
                    (target / part).replace(root / part)
    except (tarfile.TarError, sqlite3.Error, OSError, ValueError, OverflowError) as error:  # a damaged tar or database
        raise StoreError("store-unusable", type(error).__name__) from error
    return count


def _is_ours(member: tarfile.TarInfo) -> bool:
    parts = member.name.split("/")
    return member.isfile() and (member.name in {DATABASE, _SITE} or (parts[0] == "objects" and len(parts) == 3))


def _prove(path: Path, name: str) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise StoreError("object-missing", name[:12]) from None
    if found != name:
        raise StoreError("object-corrupt", name[:12])
