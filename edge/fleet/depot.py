"""The releases on a box's disk, by content: a part that two releases share is kept and downloaded once.

    blobs/<sha256>.part        a download that may go on
    blobs/<sha256>             a verified download
    store/<sha256>/            a wheel, unpacked and compiled; or a model's bundle
    releases/<kind>-<release>.json   the verified manifest, written last

What always holds: whatever has its final name is whole and durable, and a manifest lies under `releases/` only if
every part it names does. So `installed` needs to look at names only.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import py_compile
import shutil
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

from pydantic import ValidationError

from edge.errors import UpdateError
from edge.fleet import durable
from edge.fleet.documents import Blob, Manifest, dump
from edge.fleet.durable import Disk, PosixDisk
from edge.fleet.installed import bundle_name
from edge.fleet.slots import Kind

RESERVE_BYTES: Final = 64_000_000
"""Kept free whatever an update needs."""
_UNPACKED: Final = 4
"""Wheels take up to so many times their size when they are unpacked and compiled, taken together."""
MOST_INSIDE: Final = 64
"""No wheel is more than so many times larger inside: one of pure tables comes to 23."""
_LONGEST_NAME: Final = 200
"""Of a file in a wheel: file systems end at 255 bytes."""
_ZIP_ERRORS: Final = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError, OverflowError, RuntimeError,
    ValueError, struct.error,
)  # fmt: skip
"""What zipfile raises on bytes that are not what they claim to be."""


class Depot:
    """The releases on this box."""

    def __init__(self, root: Path, disk: Disk | None = None) -> None:
        self.root = root
        self.disk = disk or PosixDisk()
        self.blobs = root / "blobs"
        self.store = root / "store"
        self.releases = root / "releases"
        for folder in (self.blobs, self.store, self.releases):
            durable.folder(self.disk, folder)

    def sweep(self) -> None:
        """Removes what a power cut left half made. Downloads stay: they go on."""
        for folder in (self.store, self.releases):
            for entry in folder.iterdir():
                if entry.suffix in (".new", ".tmp"):
                    self.disk.remove_tree(entry) if entry.is_dir() else self.disk.unlink(entry)

    # -- blobs --

    def part(self, blob: Blob) -> Path:
        """Where the blob's download grows."""
        return self.blobs / f"{blob.sha256}.part"

    def has(self, blob: Blob) -> bool:
        """Whether the blob is here, verified."""
        return (self.blobs / blob.sha256).exists()

    def adopt(self, blob: Blob) -> None:
        """Makes a finished download into a blob.

        Raises:
            UpdateError: `update-damaged` if its bytes are not the signed ones; the download is gone then.
        """
        part = self.part(blob)
        with part.open("rb") as file:
            right = hashlib.file_digest(file, "sha256").hexdigest() == blob.sha256
        if not right or part.stat().st_size != blob.length:
            self.disk.unlink(part)
            raise UpdateError("update-damaged", blob.sha256[:12])
        self.disk.sync(part)
        self.disk.rename(part, self.blobs / blob.sha256)
        self.disk.sync_folder(self.blobs)

    def missing(self, manifest: Manifest) -> tuple[Blob, ...]:
        """The blobs still to download. Parts that are unpacked already need none."""
        if manifest.kind is Kind.MODEL and (self.store / _bundle_name(manifest)).exists():
            return ()
        wanted = {blob.sha256: blob for blob in manifest.blobs}
        return tuple(
            blob
            for blob in wanted.values()
            if not self.has(blob) and not (manifest.kind is Kind.APPLICATION and (self.store / blob.sha256).exists())
        )

    def check_room(self, manifest: Manifest) -> None:
        """Room for everything, before the first byte.

        Raises:
            UpdateError: `update-no-room`.
        """
        parts = {blob.sha256: self.part(blob) for blob in self.missing(manifest)}
        there = sum(path.stat().st_size for path in parts.values() if path.exists())
        download = sum(blob.length for blob in self.missing(manifest)) - there
        unpacked = download * _UNPACKED if manifest.kind is Kind.APPLICATION else 0
        free = shutil.disk_usage(self.root).free
        if free < download + unpacked + RESERVE_BYTES:
            needed_mb = (download + unpacked + RESERVE_BYTES) // 1_000_000
            raise UpdateError("update-no-room", f"{needed_mb} MB needed, {free // 1_000_000} MB free")

    # -- releases --

    def install(self, manifest: Manifest) -> None:
        """Unpacks a release whose blobs are here. Does again only what a power cut left undone.

        Raises:
            UpdateError: `update-damaged` if a wheel is not one.
        """
        if manifest.kind is Kind.MODEL:
            self._bundle(manifest)
        else:
            for blob in manifest.blobs:
                self._unpack(blob)
        durable.replace(self.disk, self._manifest_path(manifest.kind, manifest.release), dump(manifest))

    def installed(self, kind: Kind, release: str) -> Manifest | None:
        """The manifest of an installed release."""
        try:
            return Manifest.model_validate_json(self._manifest_path(kind, release).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def bundle(self, manifest: Manifest) -> Path:
        """Where an installed model's bundle lies."""
        return self.store / _bundle_name(manifest)

    def wheels(self, manifest: Manifest) -> tuple[Path, ...]:
        """The folders that go in front of the search path of an installed application."""
        return tuple(self.store / blob.sha256 for blob in manifest.blobs)

    def collect(self, kept: Iterable[tuple[Kind, str]], downloading: Iterable[Blob] = ()) -> None:
        """Removes releases that nobody keeps, then parts that no release names."""
        names = {self._manifest_path(kind, release) for kind, release in kept}
        gone = [path for path in sorted(self.releases.glob("*.json")) if path not in names]
        for path in gone:
            self.disk.unlink(path)
        if gone:
            self.disk.sync_folder(self.releases)  # no manifest may outlive its parts
        manifests = [Manifest.model_validate_json(path.read_bytes()) for path in self.releases.glob("*.json")]
        stored = {_bundle_name(m) for m in manifests if m.kind is Kind.MODEL}
        stored |= {blob.sha256 for m in manifests if m.kind is Kind.APPLICATION for blob in m.blobs}
        for entry in sorted(self.store.iterdir()):
            if entry.name not in stored:
                self._remove_folder(entry)
        linked = {blob.sha256 for m in manifests if m.kind is Kind.MODEL for blob in m.blobs}
        coming = {blob.sha256 for blob in downloading}
        for entry in sorted(self.blobs.iterdir()):
            if entry.name not in linked | coming and entry.name.removesuffix(".part") not in coming:
                self.disk.unlink(entry)

    def _remove_folder(self, entry: Path) -> None:
        # A removal that is cut short must not leave half a folder under a final name.
        doomed = entry.with_suffix(".tmp")
        if doomed != entry:
            self.disk.rename(entry, doomed)
            self.disk.sync_folder(self.store)
        self.disk.remove_tree(doomed)

    def _manifest_path(self, kind: Kind, release: str) -> Path:
        return self.releases / f"{kind}-{release}.json"

    def _bundle(self, manifest: Manifest) -> None:
        target = self.bundle(manifest)
        if target.exists():
            return
        temporary = target.with_suffix(".tmp")
        self.disk.remove_tree(temporary)
        self.disk.make_folder(temporary)
        folders = {temporary}
        for blob in manifest.blobs:
            path = temporary / blob.path
            folders |= self._folders(temporary, path.parent)
            self.disk.link(self.blobs / blob.sha256, path)
        self._name(temporary, folders, target)

    def _unpack(self, blob: Blob) -> None:
        target = self.store / blob.sha256
        if target.exists():
            return
        temporary = target.with_suffix(".tmp")
        self.disk.remove_tree(temporary)
        self.disk.make_folder(temporary)
        folders = {temporary}
        for name, content in wheel_files((self.blobs / blob.sha256).read_bytes(), blob.length * MOST_INSIDE):
            path = temporary / name
            folders |= self._folders(temporary, path.parent)
            for file, data in ((path, content), *_compiled(path, content, name)):
                folders |= self._folders(temporary, file.parent)
                self.disk.write(file, data)
                self.disk.sync(file)
        self._name(temporary, folders, target)
        self.disk.unlink(self.blobs / blob.sha256)

    def _folders(self, top: Path, folder: Path) -> set[Path]:
        made = set()
        while folder != top:
            made.add(folder)
            folder = folder.parent
        for missing in sorted(made):
            if not missing.exists():
                self.disk.make_folder(missing)
        return made

    def _name(self, temporary: Path, folders: set[Path], target: Path) -> None:
        for made in sorted(folders):
            self.disk.sync_folder(made)
        self.disk.rename(temporary, target)
        self.disk.sync_folder(self.store)


def _bundle_name(manifest: Manifest) -> str:
    return bundle_name((blob.path, blob.sha256) for blob in manifest.blobs)


def wheel_files(wheel: bytes, most_bytes: int) -> list[tuple[str, bytes]]:
    """The files of a wheel.

    Raises:
        UpdateError: `update-damaged` if it is no wheel, holds a path that leads out of it, or is far larger inside.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if sum(entry.file_size for entry in entries) > most_bytes:
                raise UpdateError("update-damaged", "a wheel that is too large inside")
            for entry in entries:
                path = PurePosixPath(entry.filename)
                if path.is_absolute() or ".." in path.parts or "\0" in entry.filename or len(path.name) > _LONGEST_NAME:
                    raise UpdateError("update-damaged", "a wheel with a path that leads out of it")
            return [(entry.filename, archive.read(entry)) for entry in entries]
    except _ZIP_ERRORS as error:
        raise UpdateError("update-damaged", "not a wheel") from error


def _compiled(path: Path, source: bytes, name: str) -> tuple[tuple[Path, bytes], ...]:
    """The byte code of a module. One that doesn't compile has none; the preflight finds out."""
    if path.suffix != ".py":
        return ()
    with tempfile.TemporaryDirectory() as folder:
        module, cache = Path(folder) / path.name, Path(folder) / "code"
        module.write_bytes(source)
        try:
            py_compile.compile(
                str(module),
                str(cache),
                dfile=name,
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except py_compile.PyCompileError:
            return ()
        code = cache.read_bytes()
    return ((path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc", code),)
