"""Everything that an update writes goes through here, so that tests can cut the power at every step.

`Disk` is the seam: `PosixDisk` is the real one; the tests' one records each step, enumerates what a power cut may leave
of the steps so far, and checks that every such disk starts a good release. Standard library only.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """The few things that change a disk. Only `sync` and `sync_folder` make anything durable."""

    def write(self, path: Path, content: bytes) -> None:
        """Creates or overwrites a file."""

    def append(self, path: Path, content: bytes) -> None:
        """Adds to the end of a file, creating it."""

    def truncate(self, path: Path, size: int) -> None:
        """Cuts a file to `size` bytes."""

    def sync(self, path: Path) -> None:
        """Makes a file's content durable (not its name)."""

    def sync_folder(self, path: Path) -> None:
        """Makes the names in a folder durable."""

    def rename(self, old: Path, new: Path) -> None:
        """Gives a file or folder its name, replacing a file of that name."""

    def link(self, old: Path, new: Path) -> None:
        """Gives a file a second name."""

    def make_folder(self, path: Path) -> None:
        """Makes one folder; its parent is there."""

    def unlink(self, path: Path) -> None:
        """Removes a file's name, if it is there."""

    def remove_tree(self, path: Path) -> None:
        """Removes a folder and all in it, if it is there."""


class PosixDisk:
    """The file system."""

    def write(self, path: Path, content: bytes) -> None:
        """See `Disk`."""
        path.write_bytes(content)

    def append(self, path: Path, content: bytes) -> None:
        """See `Disk`."""
        with path.open("ab") as file:
            file.write(content)

    def truncate(self, path: Path, size: int) -> None:
        """See `Disk`."""
        os.truncate(path, size)

    def sync(self, path: Path) -> None:
        """See `Disk`."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def sync_folder(self, path: Path) -> None:
        """See `Disk`."""
        self.sync(path)

    def rename(self, old: Path, new: Path) -> None:
        """See `Disk`."""
        old.replace(new)

    def link(self, old: Path, new: Path) -> None:
        """See `Disk`."""
        new.hardlink_to(old)

    def make_folder(self, path: Path) -> None:
        """See `Disk`."""
        path.mkdir(exist_ok=True)

    def unlink(self, path: Path) -> None:
        """See `Disk`."""
        path.unlink(missing_ok=True)

    def remove_tree(self, path: Path) -> None:
        """See `Disk`."""
        shutil.rmtree(path, ignore_errors=True)


def replace(disk: Disk, path: Path, content: bytes) -> None:
    """Replaces a file so that a power cut leaves the old or the new content, and durably the new one on return."""
    temporary = path.with_name(path.name + ".new")
    disk.write(temporary, content)
    disk.sync(temporary)
    disk.rename(temporary, path)
    disk.sync_folder(path.parent)


def folder(disk: Disk, path: Path) -> None:
    """Makes a folder and its missing parents, durably."""
    if path.is_dir():
        return
    folder(disk, path.parent)
    disk.make_folder(path)
    disk.sync_folder(path.parent)
