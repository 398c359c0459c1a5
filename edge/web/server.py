"""The web server: waitress, with more threads than there can be streams, and a clean stop."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

import structlog
from waitress import wasyncore  # type: ignore[import-untyped]
from waitress.server import create_server  # type: ignore[import-untyped]

from edge.web.live import STREAMS_TOTAL

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from flask import Flask

log = structlog.get_logger()

THREADS: Final = STREAMS_TOTAL + 8
_LOOP_S: Final = 0.25
"""How long a stop may go unnoticed."""


def serve(app: Flask, host: str, port: int, stop: threading.Event, beat: Callable[[], object] = lambda: None) -> None:
    """Serves until `stop` is set. Every thread it started has ended when it returns.

    Raises:
        OSError: if the port can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        serve_socket(app, listener, stop, beat)


def serve_socket(
    app: Flask, listener: socket.socket, stop: threading.Event, beat: Callable[[], object] = lambda: None
) -> None:
    """Serves on a socket that somebody opened: a test, or the service manager. `beat` is called while it goes on."""
    live = app.extensions["live"]
    sockets: dict[int, object] = {}
    server = create_server(
        app, map=sockets, sockets=[listener], threads=THREADS, ident=None, channel_request_lookahead=1,
        max_request_body_size=1 << 16,
    )  # fmt: skip
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
        darkroom.close()
        server.task_dispatcher.shutdown()
        wasyncore.close_all(sockets)
        log.info("web-stopped")
