"""Small releases for tests: real wheels and real bundles, in milliseconds."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.errors import UpdateError
from edge.fleet.depot import Depot
from edge.fleet.documents import Blob, Manifest
from edge.fleet.slots import Kind

MODULE = "tinyapp"


def wheel(files: Mapping[str, str | bytes]) -> bytes:
    """A wheel of these files; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def blob(path: str, content: bytes) -> Blob:
    return Blob(path=path, sha256=hashlib.sha256(content).hexdigest(), length=len(content))


def manifest(
    kind: Kind, release: str, files: Mapping[str, bytes], *, entry: str = MODULE, pulses: Sequence[str] = ("main",)
) -> Manifest:
    return Manifest(
        kind=kind,
        release=release,
        version="1.0.0",
        epoch=1,
        hardware=("any",),
        entry=entry,
        pulses=tuple(pulses),
        blobs=tuple(blob(path, content) for path, content in files.items()),
    )


def download(depot: Depot, files: Mapping[str, bytes]) -> None:
    """As the downloader does it: grows a part, then adopts it."""
    for path, content in files.items():
        one = blob(path, content)
        if depot.has(one) or (depot.store / one.sha256).exists():
            continue
        try:
            _load(depot, one, content)
        except UpdateError:  # what a power cut left of the part was damaged: it is gone now
            _load(depot, one, content)


def _load(depot: Depot, one: Blob, content: bytes) -> None:
    part = depot.part(one)
    start = part.stat().st_size if part.exists() else 0
    half = start + (len(content) - start) // 2
    depot.disk.append(part, content[start:half])
    depot.disk.append(part, content[half:])
    depot.adopt(one)


def install(root: Path, made: Manifest, files: Mapping[str, bytes]) -> None:
    depot = Depot(root)
    download(depot, files)
    depot.install(made)
