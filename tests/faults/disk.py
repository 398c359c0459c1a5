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
BLOCK: Final = 4096
"""As boxes have. With smaller ones SQLite's shared index has holes: who fills one on a full disk is ended by SIGBUS."""
SMALL: Final = 96_000_000
"""Room for a line and its journal; a life leaves more than half of it behind."""
_MOUNT: Final = "loop,errors=remount-ro"


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
            while (chunk := min(chunk, (self.free() - leave) // BLOCK * BLOCK)) >= BLOCK:
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
        """`ro` or `rw`; who has a file open for writing prevents the first."""
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.top)], check=True)

    def fail(self) -> None:
        """An error in the file system, as the kernel meets it: nothing is written any more, whoever has what open."""
        found = subprocess.run(["findmnt", "-no", "SOURCE", str(self.top)], check=True, capture_output=True, text=True)
        Path(f"/sys/fs/ext4/{Path(found.stdout.strip()).name}/trigger_fs_error").write_text("1", encoding="ascii")

    def mend(self) -> None:
        """What a boot does after that: unmounted, checked, mounted again. Nobody may have anything open."""
        subprocess.run(["umount", str(self.top)], check=True)
        checked = subprocess.run(["fsck.ext4", "-y", "-f", str(self.image)], check=False, capture_output=True)
        assert checked.returncode in (0, 1), checked.stdout  # nothing wrong, or all mended: fsck(8)
        subprocess.run(["mount", "-o", _MOUNT, str(self.image), str(self.top)], check=True)

    def pull_the_plug(self, copy: Path) -> None:
        """Copies what has reached the disk by now. What is still on its way there is lost."""
        shutil.copyfile(self.image, copy)


@contextlib.contextmanager
def disk(folder: Path, size: int = SMALL) -> Iterator[Disk]:
    """A fresh file system for the length of the block. No share of it is kept for root, who runs tests."""
    folder.mkdir(parents=True, exist_ok=True)
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-b", str(BLOCK), str(image)], check=True)
    with mounted(image, folder / "disk") as top:
        yield Disk(image, top)


@contextlib.contextmanager
def mounted(image: Path, where: Path) -> Iterator[Path]:
    """Mounts an image for the length of the block; its journal is replayed as at a boot."""
    where.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", _MOUNT, str(image), str(where)], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)
