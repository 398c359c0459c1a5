"""The watched folder: a drop box for units and people that have no DICOM network.

A file is taken once it has kept its size and time for two looks in a row, unless its name says that it is unfinished
(`.part`, `.tmp`, a leading dot). It is copied durably into the store first and only then moved to `received/`
beside it, so that a plug pulled at any moment loses nothing; the same file seen twice is one image.

Whoever may write there is a sender and no more: links are not followed (a link to a file of the appliance would have it
forwarded as an image), and pipes and devices are not opened.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from edge.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from edge.intake.receive import Reception
    from edge.store.objects import Objects

_UNFINISHED: Final = (".part", ".tmp", ".crdownload")
_CHUNK: Final = 1 << 20

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
            names = [e for e in self._folder.iterdir() if not e.name.startswith(".") and e.suffix not in _UNFINISHED]
            looks = [(entry, entry.stat(follow_symlinks=False)) for entry in names]
            return [(entry, found) for entry, found in looks if stat.S_ISREG(found.st_mode)]
        except OSError as error:
            # A drive that is not plugged in, or a file taken away between two calls: look again next time.
            log.info("drop folder not readable", error=type(error).__name__)
            return []

    def _take(self, path: Path, look: _Look) -> bool:
        temporary = self._objects.temporary("folder")
        try:
            _copy(path, temporary)
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


def _copy(path: Path, target: Path) -> None:
    """Copies a plain file.

    Raises:
        OSError: it is something else by now, or can't be read or written.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as source:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a plain file")
        with target.open("wb") as copy:
            shutil.copyfileobj(source, copy, _CHUNK)
