"""The unit's port: a pseudo-terminal behind a stable link.

What always holds: the link leads to the present terminal of this process (it is swapped whole) or nowhere, even after
kill -9; a host may come, go or never read, and the simulator neither blocks nor fails - what nobody reads is lost, as
on a real line.
"""

from __future__ import annotations

import os
import select
import tty
from pathlib import Path


class Terminal:
    """One serial port that can be unplugged and plugged in again."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self._master = -1
        self._slave = -1

    @property
    def plugged(self) -> bool:
        """Whether the port is there."""
        return self._master >= 0

    def plug(self) -> None:
        """A new device appears behind the link.

        Raises:
            OSError: if the link can't be made, or something that is no link is in its place.
        """
        if self._link.exists() and not self._link.is_symlink():
            raise FileExistsError(f"{self._link} is not a link")
        self._master, self._slave = os.openpty()  # our slave end keeps the settings, and reads from failing
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        fresh = self._link.with_name(f".{self._link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self._target())
        fresh.replace(self._link)

    def unplug(self) -> None:
        """The device vanishes."""
        if not self.plugged:
            return
        if self._link.is_symlink() and str(self._link.readlink()) == self._target():
            self._link.unlink(missing_ok=True)
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1

    def read(self, wait_s: float) -> bytes:
        """What the host sent, waiting that long for it."""
        if not self.plugged:
            select.select([], [], [], wait_s)
            return b""
        readable, _, _ = select.select([self._master], [], [], wait_s)
        try:
            return os.read(self._master, 65_536) if readable else b""
        except (BlockingIOError, OSError):
            return b""

    def write(self, data: bytes) -> None:
        """Puts bytes on the line."""
        if not self.plugged or not data:
            return
        try:
            os.write(self._master, data)
        except OSError:
            return  # full, because nobody reads: the bytes are lost

    def _target(self) -> str:
        # By the process and not by /dev/pts/N: that number is soon another's, and a host that follows the link of a
        # killed simulator would talk to a stranger.
        return f"/proc/{os.getpid()}/fd/{self._slave}"
