"""The unit's port: a pseudo-terminal behind a stable link.

What always holds: the link leads to the present terminal of this process (it is swapped whole) or nowhere, even after
kill -9; a host may come, go or never read, and the simulator neither blocks nor fails - what nobody reads is lost, as
on a real line.
"""

from __future__ import annotations

import fcntl
import os
import select
import termios
import tty
from pathlib import Path
from typing import Final

_INPUT_SPEED: Final = 4
_OUTPUT_SPEED: Final = 5
"""Places in what tcgetattr(3) gives."""
_BAUDS: Final = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()
}


class Terminal:
    """One serial port that can be unplugged and plugged in again. `baud`: its speed until a host sets another."""

    def __init__(self, link: Path, baud: int = 115_200) -> None:
        self._link = link
        self._speed = {value: code for code, value in _BAUDS.items()}[baud]
        self._master = -1
        self._slave = -1

    @property
    def plugged(self) -> bool:
        """Whether the port is there."""
        return self._master >= 0

    @property
    def readable(self) -> tuple[int, ...]:
        """What select(2) can wait on for the host's bytes."""
        return (self._master,) if self.plugged else ()

    @property
    def host_baud(self) -> int:
        """The speed to which a host has set the port; 0 when there is no port."""
        if not self.plugged:
            return 0
        return _BAUDS.get(termios.tcgetattr(self._slave)[_OUTPUT_SPEED], 0)

    def plug(self) -> None:
        """A new device appears behind the link.

        Raises:
            OSError: if the link can't be made, or something that is no link is in its place.
        """
        if self._link.exists() and not self._link.is_symlink():
            raise FileExistsError(f"{self._link} is not a link")
        self._master, self._slave = os.openpty()  # our slave end keeps the settings, and reads from failing
        tty.setraw(self._slave)
        settings = termios.tcgetattr(self._slave)
        settings[_INPUT_SPEED] = settings[_OUTPUT_SPEED] = self._speed
        termios.tcsetattr(self._slave, termios.TCSANOW, settings)
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

    def reenumerate(self) -> None:
        """Another device takes the place of this one behind the link, without a moment in between."""
        old = (self._slave, self._master)
        self.plug()
        for descriptor in old:
            if descriptor >= 0:
                os.close(descriptor)

    def seize(self, *, held: bool) -> None:
        """Another program holds the port as its own, or lets it go (flock(2), which exclusive openers respect).

        Raises:
            BlockingIOError: if a host holds the port: only a port that was just plugged in can be seized.
        """
        if self.plugged:
            fcntl.flock(self._slave, fcntl.LOCK_EX | fcntl.LOCK_NB if held else fcntl.LOCK_UN)

    def read(self, wait_s: float) -> bytes:
        """What the host sent, waiting that long for it."""
        if not select.select(self.readable, [], [], wait_s)[0]:
            return b""
        try:
            return os.read(self._master, 65_536)
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
