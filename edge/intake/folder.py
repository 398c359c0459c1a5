"""The watched folder: a drop box for units and people that have no DICOM network.

A file is taken once it has kept its size and time for two looks in a row, unless its name says that it is unfinished
(`.part`, `.tmp`, a leading dot). It is copied durably into the store first and only then moved to `received/`
beside it, so that a plug pulled at any moment loses nothing; the same file seen twice is one image.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from edge.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from edge.intake.receive import Reception
    from edge.store.objects import Objects

_UNFINISHED: Final = (".part", ".tmp", ".crdownload")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Look:
    size: int
    mtime_ns: int


class WatchedFolder:
    """One folder. `look` is called again and again, at least half a second apart."""

    def __init__(self, folder: Path, reception: Reception, objects: Objects) -> None:
        self._folder = folder
        self._done = folder / "received"
        self._reception = reception
        self._objects = objects
        self._seen: dict[Path, _Look] = {}
        self._taken: dict[Path, _Look] = {}
        objects.sweep_incoming("folder")

    def look(self) -> int:
        """Takes every file that has come to rest. Returns how many images were new."""
        looks = {path: _Look(stat.st_size, stat.st_mtime_ns) for path, stat in self._files()}
        at_rest = [path for path, now in looks.items() if self._seen.get(path) == now != self._taken.get(path)]
        self._seen = looks
        return sum(self._take(path, looks[path]) for path in sorted(at_rest))

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            entries = [e for e in self._folder.iterdir() if e.is_file() and not e.name.startswith(".")]
            return [(entry, entry.stat()) for entry in entries if entry.suffix not in _UNFINISHED]
        except OSError as error:
            # A drive that is not plugged in, or a file taken away between two calls: look again next time.
            log.info("drop folder not readable", error=type(error).__name__)
            return []

    def _take(self, path: Path, look: _Look) -> bool:
        temporary = self._objects.temporary("folder")
        try:
            shutil.copyfile(path, temporary)
            received = self._reception.receive(temporary, "folder", None)
        except StoreError as error:
            log.error("image left in the folder", code=error.reason.code)
            return False
        except OSError as error:
            temporary.unlink(missing_ok=True)
            log.warning("file left in the folder", error=type(error).__name__)
            return False
        self._clear(path, look)
        return received.new

    def _clear(self, path: Path, look: _Look) -> None:
        try:
            self._done.mkdir(exist_ok=True)
            path.rename(self._done / path.name)
        except OSError as error:
            # A drive that can't be written: the file stays, and is not copied again at every look.
            self._taken[path] = look
            log.info("taken file can't be moved away", error=type(error).__name__)
