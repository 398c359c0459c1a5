"""A small ext4 file system in a file: it can be filled, made read-only, and copied as a pulled plug would leave it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_BALLAST: Final = "ballast"
_BLOCK: Final = 1024


@dataclass(frozen=True, slots=True)
class Disk:
    """A mounted file system."""

    image: Path
    top: Path

    def fill(self, leave: int) -> None:
        """Takes room away until so many bytes are left, to the block."""
        self.make_room()
        chunk = self.free()
        with (self.top / _BALLAST).open("wb") as ballast:
            while (chunk := min(chunk, (self.free() - leave) // _BLOCK * _BLOCK)) >= _BLOCK:
                try:
                    os.posix_fallocate(ballast.fileno(), ballast.seek(0, os.SEEK_END), chunk)
                except OSError:
                    chunk //= 2  # the map of the ballast's own blocks needs some too

    def make_room(self) -> None:
        """Gives the room back that was taken away."""
        (self.top / _BALLAST).unlink(missing_ok=True)
        os.sync()

    def free(self) -> int:
        """Bytes that anybody may still write."""
        return shutil.disk_usage(self.top).free

    def remount(self, how: str) -> None:
        """`ro` or `rw`."""
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.top)], check=True)

    def pull_the_plug(self, copy: Path) -> None:
        """Copies what has reached the disk by now. What is still on its way there is lost."""
        shutil.copyfile(self.image, copy)


@contextlib.contextmanager
def disk(folder: Path, size: int) -> Iterator[Disk]:
    """A fresh file system for the length of the block. No share of it is kept for root, who runs tests."""
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], check=True)
    with mounted(image, folder / "disk") as top:
        yield Disk(image, top)


@contextlib.contextmanager
def mounted(image: Path, where: Path) -> Iterator[Path]:
    """Mounts an image for the length of the block; its journal is replayed as at a boot."""
    where.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(where)], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)
