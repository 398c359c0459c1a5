"""The web server: waitress, with more threads than there can be streams, a door for TLS beside it, and a clean stop."""

from __future__ import annotations

import socket
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from waitress import wasyncore  # type: ignore[import-untyped]
from waitress.server import create_server  # type: ignore[import-untyped]

from edge.web.door import Door
from edge.web.live import STREAMS_TOTAL

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from flask import Flask

    from edge.web.certificates import Pair

log = structlog.get_logger()

THREADS: Final = STREAMS_TOTAL + 8
_OUT: Final = 1 << 25
"""Bytes of one answer that wait in memory: a whole film, which would else go through a file on the disk first."""
_LOOP_S: Final = 0.25
"""How long a stop may go unnoticed."""


@dataclass(frozen=True, slots=True)
class Secure:
    """A listening socket for TLS, and which certificate holds now."""

    listener: socket.socket
    pair: Callable[[], Pair]


def serve(app: Flask, host: str, port: int, stop: threading.Event, beat: Callable[[], object] = lambda: None) -> None:
    """Serves until `stop` is set. Every thread it started has ended when it returns.

    Raises:
        OSError: if the port can't be had.
    """
    with listening(host, port) as listener:
        serve_socket(app, listener, stop, beat)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        OSError: if the port can't be had.
    """
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


def serve_socket(
    app: Flask,
    listener: socket.socket,
    stop: threading.Event,
    beat: Callable[[], object] = lambda: None,
    secure: Secure | None = None,
) -> None:
    """Serves on sockets that somebody opened: a test, or the service manager. `beat` is called while it goes on."""
    live = app.extensions["live"]
    sockets: dict[int, object] = {}
    server = create_server(
        app, map=sockets, sockets=[listener], threads=THREADS, ident=None, channel_request_lookahead=1,
        max_request_body_size=1 << 16, outbuf_overflow=_OUT,
    )  # fmt: skip
    door = _door(server, sockets, secure) if secure else None
    live.start()
    darkroom = app.extensions["darkroom"]
    darkroom.warm_up()
    log.info("web-listening", host=server.effective_host, port=int(server.effective_port))
    try:
        while not stop.is_set():
            wasyncore.loop(timeout=_LOOP_S, map=sockets, count=1, use_poll=True)
            beat()
    finally:
        live.close()
        if door:
            door.close()
        darkroom.close()
        server.task_dispatcher.shutdown()
        wasyncore.close_all(sockets)
        log.info("web-stopped")


def _door(server: Any, sockets: dict[int, object], secure: Secure) -> Door:
    """A door that is open: who comes in by it is served like everybody, by a page that knows it is `https`."""
    behind = copy(server.adj)
    behind.url_scheme = "https"

    def admit(end: socket.socket, caller: tuple[str, int]) -> None:
        server.trigger.pull_trigger(lambda: server.channel_class(server, end, caller, behind, map=sockets))

    door = Door(secure.listener, secure.pair, admit)
    door.start()
    return door
