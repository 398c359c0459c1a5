"""What lies ready to run on this box, read from names alone. Standard library only: the boot loader looks here.

`model_release` is the seam to the analysis: which bundle to load now, and how to notice that it is another one.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge.fleet.slots import FACTORY, Kind, Slot
from edge.fleet.statefile import StateFile

FACTORY_PULSES: Final = ("bridge", "dicom", "analyze", "web")


@dataclass(frozen=True, slots=True)
class Application:
    """An application that can be started. `wheels` go in front of the search path, in order."""

    release: str
    entry: str = "edge"
    wheels: tuple[Path, ...] = ()
    pulses: tuple[str, ...] = FACTORY_PULSES
    memory_mb: int | None = None

    def command(self, *arguments: str) -> list[str]:
        """Starts it with these arguments."""
        return [sys.executable, "-m", self.entry, *arguments]

    def environment(self) -> dict[str, str]:
        """Its search path: its wheels, then the image's modules, never the working folder.

        Nothing is written beside the modules: they were compiled when they were installed.
        """
        inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        path = {"PYTHONPATH": os.pathsep.join(map(str, self.wheels))} if self.wheels else {}
        fixed = {"PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1", "CALCEDGE_RELEASE": self.release}
        return inherited | path | fixed


@dataclass(frozen=True, slots=True)
class ModelRelease:
    """A model that can be loaded."""

    release: str
    bundle: Path


class Installed:
    """The installed releases under an update folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def application(self, release: str) -> Application | None:
        """An application release, None when it isn't (wholly) here. The factory's always is."""
        if release == FACTORY:
            return Application(FACTORY)
        manifest = self._manifest(Kind.APPLICATION, release)
        if manifest is None:
            return None
        wheels = tuple(self._root / "store" / blob["sha256"] for blob in manifest["blobs"])
        if not all(wheel.is_dir() for wheel in wheels):
            return None
        memory_mb = int(manifest["needs"]["memory_mb"])
        return Application(release, manifest["entry"], wheels, tuple(manifest["pulses"]), memory_mb)

    def startable(self, slot: Slot) -> Application:
        """What to start. A good release that is not here any more is never waited for."""
        for name in (slot.running, slot.good, slot.last, FACTORY):
            found = self.application(name) if name else None
            if found:
                return found
        raise AssertionError("the factory's release is always here")

    def model(self, release: str) -> ModelRelease | None:
        """A model release, None when it isn't here. The factory's lies elsewhere and is not known here."""
        manifest = self._manifest(Kind.MODEL, release)
        if manifest is None:
            return None
        bundle = self._root / "store" / bundle_name((b["path"], b["sha256"]) for b in manifest["blobs"])
        return ModelRelease(release, bundle) if bundle.is_dir() else None

    def _manifest(self, kind: Kind, release: str) -> dict[str, Any] | None:
        try:
            body = json.loads((self._root / "releases" / f"{kind}-{release}.json").read_bytes())
        except (OSError, ValueError):
            return None
        return body if isinstance(body, dict) else None


def model_release(root: Path, factory: Path) -> ModelRelease:
    """The model to load now: the one on trial, else the good one, else the one before, else the factory's."""
    slot = StateFile(root).read().slots[Kind.MODEL]
    installed = Installed(root)
    for name in (slot.running, slot.good, slot.last):
        found = installed.model(name) if name not in (None, FACTORY) else None
        if found:
            return found
        if name == FACTORY:
            break
    return ModelRelease(FACTORY, factory)


class Models:
    """Follows which model to run. `touched` costs one look at a file's date."""

    def __init__(self, root: Path, factory: Path) -> None:
        self._root = root
        self._factory = factory
        self._mark = self._look()
        self.current = model_release(root, factory)

    def touched(self) -> bool:
        """Whether the state was written since `changed` last looked."""
        return self._look() != self._mark

    def changed(self) -> bool:
        """Whether another model is to be run now; `current` names it then."""
        mark = self._look()
        if mark == self._mark:
            return False
        self._mark = mark
        before, self.current = self.current, model_release(self._root, self._factory)
        return self.current != before

    def _look(self) -> tuple[int, int]:
        try:
            stat = (self._root / "state.json").stat()
        except OSError:
            return 0, 0
        return stat.st_ino, stat.st_mtime_ns


def bundle_name(files: Iterable[tuple[str, str]]) -> str:
    """A bundle's folder is named by which bytes lie in it, and where: pairs of path and SHA-256."""
    return hashlib.sha256(json.dumps(sorted(map(list, files))).encode()).hexdigest()
