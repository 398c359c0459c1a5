"""Whether a disk takes writes: what the permissions and the mount's flags don't always tell."""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Final

from edge.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ASKED_EVERY_S: Final = 5.0


def writable(folder: Path) -> bool:
    """Whether its file system takes writes. Writes nothing itself.

    After an error ext4 refuses every write and looks as if it took them (`errors=remount-ro`, ext4(5); in
    /proc/mounts as `emergency_ro`): only a sync is answered truly.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


class Watched:
    """A folder whose disk is asked every few seconds, aside: on a busy disk an answer takes as long as all its writes.

    Threads may share it; each gets the last answer at once. Only the first is waited for.
    """

    def __init__(self, folder: Path, ask: Callable[[Path], bool] = writable) -> None:
        self._folder = folder
        self._ask = ask
        self._clock = SystemClock()
        self._lock = threading.Lock()
        self._answer = ask(folder)
        self._due_s = self._clock.monotonic_s() + _ASKED_EVERY_S

    def writable(self) -> bool:
        """The last answer. Has the disk asked again when that is old."""
        if self._clock.monotonic_s() >= self._due_s and self._lock.acquire(blocking=False):
            threading.Thread(target=self._look, name="disk", daemon=True).start()
        return self._answer

    def _look(self) -> None:
        try:
            self._answer = self._ask(self._folder)
            self._due_s = self._clock.monotonic_s() + _ASKED_EVERY_S
        finally:
            self._lock.release()


@cache
def watched(folder: Path) -> Watched:
    """The one for a folder."""
    return Watched(folder)
