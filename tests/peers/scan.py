"""A stranger on the network: which ports answer, and what listens according to the kernel."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import selectors
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_AT_ONCE: Final = 500
_PATIENCE_S: Final = 1.0
_LISTENS: Final = {"tcp": "0A", "udp": "07", "raw": "07"}
"""States in /proc/net: LISTEN, and CLOSE as a socket without a peer has it (proc(5))."""


def free_port() -> int:
    """A port that nobody listens at just now."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def open_tcp(host: str, ports: Iterable[int] = range(1, 65536)) -> list[int]:
    """The ports at which a connection is taken. One that answers nothing within a second counts as closed."""
    found: list[int] = []
    with selectors.DefaultSelector() as waiting:
        for port in ports:
            line = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            outcome = line.connect_ex((host, port))
            if outcome == errno.EINPROGRESS:
                waiting.register(line, selectors.EVENT_WRITE, port)
            else:
                line.close()
                found += [port] if outcome == 0 else []
            if len(waiting.get_map()) >= _AT_ONCE:
                found += _answered(waiting)
        found += _answered(waiting)
    return sorted(found)


def _answered(waiting: selectors.BaseSelector) -> list[int]:
    found: list[int] = []
    while waiting.get_map() and (ready := waiting.select(_PATIENCE_S)):
        for key, _ in ready:
            line = key.fileobj
            assert isinstance(line, socket.socket)
            if line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                found.append(key.data)
            waiting.unregister(line)
            line.close()
    for key in list(waiting.get_map().values()):
        waiting.unregister(key.fileobj)
        with contextlib.closing(key.fileobj):  # type: ignore[type-var]  # a socket
            pass
    return found


def listening(net: Path) -> list[str]:
    """What listens in a network namespace, as `tcp 127.0.0.1:8080`. `net`: its `/proc/PID/net`."""
    found = []
    for kind, state in _LISTENS.items():
        for family in ("", "6"):
            with contextlib.suppress(FileNotFoundError):
                lines = (net / f"{kind}{family}").read_text(encoding="ascii").splitlines()[1:]
                fields = [line.split() for line in lines]
                found += [f"{kind} {_address(field[1])}" for field in fields if field[3] == state]
    return sorted(found)


def _address(field: str) -> str:
    """`0100007F:1F90` as `127.0.0.1:8080`: words of four bytes in the machine's order."""
    host, port = field.split(":")
    raw = b"".join(bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8))
    return f"{ipaddress.ip_address(raw)}:{int(port, 16)}"
