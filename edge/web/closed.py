"""The page while there is no store to read: why, and what to do, in the language that is asked for; nothing else.

`/health` answers as it does otherwise, so that who watches it by program is told too. Every answer is a 503.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response, jsonify, request
from waitress import wasyncore  # type: ignore[import-untyped]
from waitress.server import create_server  # type: ignore[import-untyped]

from edge.web import words

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from edge.errors import Reason

_THREADS: Final = 4
_LOOP_S: Final = 0.5
_AGAIN_S: Final = 5
"""After so long a browser asks again by itself."""


def create_closed_app(reason: Reason) -> Flask:
    """An application that tells one reason, whatever it is asked."""
    app = Flask(__name__, static_folder=None)

    @app.get("/health")
    def health() -> tuple[Any, int]:
        return jsonify({"ok": False, "down": [], "problems": [reason.code]}), 503

    @app.route("/", defaults={"_path": ""})
    @app.route("/<path:_path>")
    def told(_path: str) -> Response:
        words.speak(request.accept_languages.best_match(words.languages().keys(), words.DEFAULT))
        said = words.reason(reason.code)
        page = (
            f'<!doctype html><html lang="{words.spoken()}" dir="{words.DIRECTION}"><meta charset="utf-8">'
            f'<meta http-equiv="refresh" content="{_AGAIN_S}"><title>{escape(words.PRODUCT)}</title>'
            f"<h1>{escape(said.text)}</h1><p>{escape(said.do)}</p></html>"
        )
        return Response(page, 503, headers={"Retry-After": str(_AGAIN_S)})

    return app


def serve_closed(reason: Reason, listener: socket.socket, over: Callable[[], bool]) -> None:
    """Serves that until `over` says so, which is asked twice a second."""
    sockets: dict[int, object] = {}
    server = create_server(
        create_closed_app(reason), map=sockets, sockets=[listener], threads=_THREADS, ident=None,
        max_request_body_size=1 << 16,
    )  # fmt: skip
    try:
        while not over():
            wasyncore.loop(timeout=_LOOP_S, map=sockets, count=1, use_poll=True)
    finally:
        server.task_dispatcher.shutdown()
        wasyncore.close_all(sockets)
