"""A wire between two nodes that can be cut after any byte, drip, fall silent, or end TLS before a peer without it."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import Literal, Self

Way = Literal["there", "back"]
"""`there`: from who called to the peer behind; `back`: its answers."""


@dataclass(frozen=True)
class Fault:
    """What happens once `after` bytes have gone one way.

    `cut` closes both ends, `silence` swallows all that comes after, `drip` lets a byte through every `pause_s`.
    """

    way: Way
    after: int
    kind: Literal["cut", "silence", "drip"] = "cut"
    pause_s: float = 0.05


class Wire:
    """Listens on `port` and calls `behind` for each connection. Use as a context manager.

    `faults` are used up: the first for the first connection, and so on; then the wire is good. `carried` counts bytes
    of the last connection.
    """

    def __init__(self, port: int, behind: int, *faults: Fault | None, tls: ssl.SSLContext | None = None) -> None:
        self._behind = behind
        self._faults = list(faults)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", port))
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self.carried: dict[Way, int] = {"there": 0, "back": 0}
        self.connections = 0

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="wire", daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            fault = self._faults.pop(0) if self._faults else None
            self.connections += 1
            self._start(self._serve, caller, fault)

    def _serve(self, caller: socket.socket, fault: Fault | None) -> None:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            near = stack.enter_context(self._tls.wrap_socket(caller, server_side=True) if self._tls else caller)
            peer = stack.enter_context(socket.create_connection(("127.0.0.1", self._behind), 5))
            self.carried = {"there": 0, "back": 0}
            self._pump(near, peer, fault)
        caller.close()

    def _pump(self, caller: socket.socket, peer: socket.socket, fault: Fault | None) -> None:
        ways: dict[socket.socket, tuple[socket.socket, Way]] = {caller: (peer, "there"), peer: (caller, "back")}
        while not self._closing.is_set():
            waiting = [s for s in ways if isinstance(s, ssl.SSLSocket) and s.pending()]
            for source in waiting or select.select(list(ways), [], [], 0.1)[0]:
                target, way = ways[source]
                data = source.recv(65536)
                if not data or not self._pass(data, target, way, fault):
                    return

    def _pass(self, data: bytes, target: socket.socket, way: Way, fault: Fault | None) -> bool:
        if fault is None or fault.way != way:
            target.sendall(data)
        else:
            left = max(0, fault.after - self.carried[way])
            target.sendall(data[:left])
            rest = data[left:]
            if fault.kind == "cut" and len(data) >= left:
                return False
            if fault.kind == "drip":
                for byte in rest:
                    target.sendall(bytes((byte,)))
                    if self._closing.wait(fault.pause_s):
                        return False
        self.carried[way] += len(data)
        return True
