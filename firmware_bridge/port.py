"""The serial port: the only place, the simulator aside, that touches a tty.

What always holds: whatever goes wrong with a port is a `PortLost`, and never anything else. pyserial 3.5 shows a
pulled plug in four ways (SerialException with and without errno, plain OSError, and termios.error, which is not an
OSError); all of them end here. No call blocks for longer than its timeout.
"""

from __future__ import annotations

import errno
import random
import termios
from collections.abc import Callable
from typing import Final, Protocol

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
    """A port by pyserial: raw, exclusive, DTR and RTS low (some boards take them as a reset)."""

    def __init__(self, path: str) -> None:
        self._serial = serial.Serial(baudrate=BAUD, timeout=READ_WAIT_S, write_timeout=_WRITE_WAIT_S, exclusive=True)
        self._serial.port = path
        self._serial.dtr = False
        self._serial.rts = False
        try:
            self._serial.open()
        except (OSError, termios.error, ValueError) as error:
            self.close()
            raise PortLost(_REASONS.get(getattr(error, "errno", None) or 0, LinkReason.PORT_LOST)) from None

    def read(self) -> bytes:
        """What has arrived; one wait, one read."""
        try:
            first: bytes = self._serial.read(1)
            return first + self._serial.read(self._serial.in_waiting) if first else first
        except (OSError, termios.error, TypeError):  # TypeError: pyserial's answer to a close in between
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
