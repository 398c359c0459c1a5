"""The serial port: the only place, the simulator aside, that touches a tty.

`SerialPort` reads and writes; `ListeningPort` has a descriptor that the kernel opened for reading only, so that no
mistake of this program can send a byte through it.

What always holds: whatever goes wrong with a port is a `PortLost`, and never anything else. pyserial 3.5 shows a
pulled plug in four ways (SerialException with and without errno, plain OSError, and termios.error, which is not an
OSError); all of them end here. No call blocks for longer than its timeout.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import select
import struct
import termios
from collections.abc import Callable
from typing import Final, NoReturn, Protocol

import serial

from firmware_bridge.link import LinkReason

BAUD: Final = 115_200
READ_WAIT_S: Final = 0.05
_WRITE_WAIT_S: Final = 0.25
_REASONS: Final = {
    errno.ENOENT: LinkReason.PORT_ABSENT,
    errno.ENODEV: LinkReason.PORT_ABSENT,
    errno.ENXIO: LinkReason.PORT_ABSENT,
    errno.EACCES: LinkReason.PORT_DENIED,
    errno.EPERM: LinkReason.PORT_DENIED,
    errno.EBUSY: LinkReason.PORT_BUSY,
    errno.EAGAIN: LinkReason.PORT_BUSY,  # another process holds it exclusively
}


class PortLost(Exception):  # noqa: N818 - what happened, a normal event of this link
    """The port can't be opened or has failed."""

    def __init__(self, reason: LinkReason) -> None:
        self.reason = reason
        super().__init__(reason.value)


class Port(Protocol):
    """An open port. Every call may raise PortLost; after that only `close` may be called."""

    def collect(self, seconds: float) -> None:
        """Lets bytes collect for so long; returns at once when the other end hangs up."""
        ...

    def read(self) -> bytes:
        """What has arrived, waiting up to `READ_WAIT_S` for the first byte; empty when nothing came."""
        ...

    def write(self, data: bytes) -> None:
        """Gives all of `data` to the driver."""
        ...

    def close(self) -> None:
        """Lets go of the port. Never raises."""
        ...


PortOpener = Callable[[str], Port]
"""Opens a port by its path, or raises PortLost."""


class SerialPort:
    """A port by pyserial: 8N1, raw, exclusive, DTR and RTS low (some boards take them as a reset)."""

    def __init__(self, path: str, baud: int = BAUD) -> None:
        self._serial = serial.Serial(baudrate=baud, timeout=READ_WAIT_S, write_timeout=_WRITE_WAIT_S, exclusive=True)
        self._serial.port = path
        self._serial.dtr = False
        self._serial.rts = False
        try:
            self._serial.open()
        except (OSError, termios.error, ValueError) as error:
            self.close()
            raise PortLost(_REASONS.get(getattr(error, "errno", None) or 0, LinkReason.PORT_LOST)) from None

    def collect(self, seconds: float) -> None:
        """Waits, unless the other end hangs up."""
        _collect(self.fileno(), seconds)

    def read(self) -> bytes:
        """What has arrived; one wait, one read. Past pyserial, which would wait and read twice."""
        return _read(self.fileno())

    def fileno(self) -> int:
        """The descriptor."""
        try:
            return self._serial.fileno()
        except OSError:  # closed
            raise PortLost(LinkReason.PORT_LOST) from None

    def write(self, data: bytes) -> None:
        """Gives `data` to the driver; a stalled line counts as lost."""
        try:
            self._serial.write(data)
        except (OSError, termios.error):
            raise PortLost(LinkReason.PORT_LOST) from None

    def close(self) -> None:
        """Closes at once: a descriptor kept open on a pulled plug can wedge the hub."""
        try:
            self._serial.close()
        except (OSError, termios.error):
            self._serial.fd = None


class ListeningPort:
    """A port for the ears only: O_RDONLY, 8N1, raw, exclusive. Receiving needs one wire, and this uses no other.

    The kernel raises DTR and RTS when it opens any port; they are lowered at once where the driver has them.
    """

    def __init__(self, path: str, baud: int = BAUD) -> None:
        self._fd: int | None = None
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as pyserial does it: they see each other
            _make_raw(self._fd, baud)
        except (OSError, termios.error) as error:
            self.close()
            raise PortLost(_REASONS.get(error.args[0], LinkReason.PORT_LOST)) from None
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._fd, termios.TIOCMBIC, struct.pack("I", termios.TIOCM_DTR | termios.TIOCM_RTS))

    def collect(self, seconds: float) -> None:
        """Waits, unless the other end hangs up."""
        _collect(self.fileno(), seconds)

    def read(self) -> bytes:
        """What has arrived; one wait, one read."""
        return _read(self.fileno())

    def write(self, data: bytes) -> NoReturn:
        """There is no way to write. A driver that tries is wrong, and the bridge ends."""
        raise PermissionError(errno.EBADF, f"{len(data)} bytes for a port that is open for reading only")

    def fileno(self) -> int:
        """The descriptor."""
        if self._fd is None:
            raise PortLost(LinkReason.PORT_LOST)
        return self._fd

    def close(self) -> None:
        """Closes at once."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)


def _collect(fd: int, seconds: float) -> None:
    poll = select.poll()
    poll.register(fd, 0)  # of what may happen, only a hang-up ends the wait
    poll.poll(seconds * 1000)


def _read(fd: int) -> bytes:
    try:
        ready, _, _ = select.select([fd], [], [], READ_WAIT_S)
        data = os.read(fd, _READ_BYTES) if ready else None
    except BlockingIOError:
        return b""
    except (OSError, ValueError):  # the latter: a close in between
        raise PortLost(LinkReason.PORT_LOST) from None
    if data == b"":
        raise PortLost(LinkReason.PORT_LOST)  # the other end hung up
    return data or b""


def _make_raw(fd: int, baud: int) -> None:
    speed = getattr(termios, f"B{baud}")
    *_, characters = termios.tcgetattr(fd)
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    control = termios.CS8 | termios.CREAD | termios.CLOCAL
    termios.tcsetattr(fd, termios.TCSANOW, [termios.IGNBRK, 0, control, 0, speed, speed, characters])
    termios.tcflush(fd, termios.TCIFLUSH)


_READ_BYTES: Final = 4096


class Backoff:
    """How long to wait before the next attempt to open: 50 ms for five seconds, then doubling to 2 s, with jitter."""

    def __init__(self) -> None:
        self._attempts = 0

    def next_s(self) -> float:
        """The next wait."""
        self._attempts += 1
        doubled = max(0, self._attempts - _QUICK_ATTEMPTS)
        return min(_QUICK_S * 2.0 ** min(doubled, 16), _SLOW_S) * random.uniform(0.8, 1.0)  # noqa: S311 - not a secret

    def reset(self) -> None:
        """The port works again."""
        self._attempts = 0


_QUICK_S: Final = 0.05
_SLOW_S: Final = 2.0
_QUICK_ATTEMPTS: Final = 100
