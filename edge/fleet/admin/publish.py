"""Turns a model's bundle or an application's wheels into a release, and proposes it to the keepers of the keys.

A model's bundle is checked as a box will check it: manifest, hashes, golden images and their results, the validation
report, the least application version.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge.detector import bundle as bundles
from edge.detector.golden import EXPECTED
from edge.errors import UpdateError
from edge.fleet.admin.repository import FleetRepository
from edge.fleet.depot import MOST_INSIDE, wheel_files
from edge.fleet.documents import Blob, Manifest, Needs, dump
from edge.fleet.installed import FACTORY_PULSES
from edge.fleet.slots import Kind

REPORT: Final = "evaluation.json"
_WHEEL_NAME: Final = re.compile(
    r"^(?P<name>[^-]+)-(?P<version>[^-]+)(-\d[^-]*)?-(?P<python>[^-]+)-(?P<abi>[^-]+)-(?P<machine>[^-]+)\.whl$"
)
"""As in PyPA's binary distribution format."""
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+")


def model_release(repository: FleetRepository, folder: Path, release: str, *, epoch: int) -> Manifest:
    """Proposes a model's bundle.

    Raises:
        ModelError: if it is not a sound bundle.
        UpdateError: `fleet-repository` if it lacks its golden results or its validation report.
    """
    bundle = bundles.load(folder)
    for needed in (EXPECTED, REPORT):
        if not (folder / needed).is_file():
            raise UpdateError("fleet-repository", f"the bundle lacks {needed}")
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    least = re.search(rb'"least_application":\s*"([0-9.]+)"', files[bundles.MANIFEST])
    manifest = Manifest(
        kind=Kind.MODEL,
        release=release,
        version=bundle.model.version,
        epoch=epoch,
        hardware=("any",),
        needs=Needs(application=least[1].decode() if least else "0.0.0"),
        pulses=("analyze",),
        blobs=tuple(_blob(repository, path, content) for path, content in files.items()),
    )
    return _propose(repository, manifest)


def application_release(
    repository: FleetRepository,
    wheels: Sequence[Path],
    release: str,
    *,
    epoch: int,
    entry: str = "edge",
    pulses: tuple[str, ...] = FACTORY_PULSES,
    memory_mb: int = 2048,
) -> Manifest:
    """Proposes an application's wheels, the application's own first.

    Raises:
        UpdateError: `update-damaged` or `fleet-repository` for what is no wheel.
    """
    names = [found for path in wheels if (found := _WHEEL_NAME.match(path.name))]
    version = _VERSION.match(names[0]["version"]) if names else None
    if len(names) < len(wheels) or version is None:
        raise UpdateError("fleet-repository", "give wheels with their usual names, the application's own first")
    for path in wheels:
        content = path.read_bytes()
        wheel_files(content, len(content) * MOST_INSIDE)  # as a box will
    machines = {_machine(name["machine"]) for name in names} - {"any"}
    pythons = {name["python"] for name in names if name["abi"] == name["python"]}  # others serve later ones, too
    if len(machines) > 1 or len(pythons) > 1:
        raise UpdateError("fleet-repository", "these wheels are for different machines or Pythons")
    manifest = Manifest(
        kind=Kind.APPLICATION,
        release=release,
        version=version[0],
        epoch=epoch,
        hardware=tuple(machines) or ("any",),
        python=pythons.pop() if pythons else "any",
        entry=entry,
        needs=Needs(memory_mb=memory_mb),
        pulses=pulses,
        blobs=tuple(_blob(repository, path.name, path.read_bytes()) for path in wheels),
    )
    return _propose(repository, manifest)


def _propose(repository: FleetRepository, manifest: Manifest) -> Manifest:
    path = f"releases/{manifest.kind}/{manifest.release}.json"
    known = repository.content("releases", path)
    if known is not None and known != dump(manifest):
        raise UpdateError("fleet-repository", f"{manifest.release} was published with other content: take a new name")
    repository.propose("releases", path, dump(manifest))
    return manifest


def _blob(repository: FleetRepository, path: str, content: bytes) -> Blob:
    return Blob(path=path, sha256=repository.add_blob(content), length=len(content))


def _machine(tag: str) -> str:
    """`manylinux_2_28_x86_64` -> `x86_64`."""
    found = re.search(r"(x86_64|aarch64|armv7l)$", tag)
    return found[1] if found else "any"
