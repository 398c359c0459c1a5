"""Whether a disk takes writes: what the permissions and the mount's flags don't always tell."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


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
