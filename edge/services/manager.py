"""What the service manager is told and what it hands over: sd_notify(3) and sd_listen_fds(3), without a library.

What always holds: outside systemd both do nothing. The watchdog is fed by the loop that does the work (`Beat`), never
by a thread of its own, so that a process that hangs is found.
"""

from __future__ import annotations

import os
import socket
from typing import Final

_FIRST_DESCRIPTOR: Final = 3


def notify(*states: str) -> None:
    """Tells the service manager, for instance `READY=1`; silent when there is none or it doesn't listen."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        try:
            line.sendto("\n".join(states).encode(), address)
        except OSError:
            # Life goes on without a manager; if it still waits for us, its watchdog acts.
            return


def inherited_listeners() -> list[tuple[str, socket.socket]]:
    """The listening sockets that the service manager opened for this process, by name (FileDescriptorName=)."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ.get("LISTEN_FDS", "0"))
    names = os.environ["LISTEN_FDNAMES"].split(":") if "LISTEN_FDNAMES" in os.environ else ["unknown"] * count
    return [(name, socket.socket(fileno=_FIRST_DESCRIPTOR + number)) for number, name in enumerate(names[:count])]
