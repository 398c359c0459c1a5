"""The door for enrolment: where boxes ask for their certificates. TLS only, and nothing else is behind it.

A box that has no trust yet knows this door by the fingerprint of the fleet's authority, which its one-time token
carries. `/authority` gives the authority's certificate to anybody: the box compares it before it says anything.
What always holds: a peer that says nothing, or too much, holds up nobody else.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from socket import socket
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog
from flask import Flask, Response, request

from edge.errors import UpdateError
from edge.fleet.admin.authority import Authority

_MOST_BYTES: Final = 100_000
_PATIENCE_S: Final = 15.0
_PEM: Final = "application/x-pem-file"

log = structlog.get_logger()


def create_door(authority: Authority) -> Flask:
    """What is behind the door: a first certificate for a token, a further one for an earlier one."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _MOST_BYTES

    @app.get("/authority")
    def own() -> Response:
        return Response(authority.certificate, mimetype=_PEM)

    @app.post("/enrol")
    def enrol() -> Response:
        body = request.get_json()
        return _answer(lambda: authority.enrol(str(body["request"]).encode(), str(body["token"])))

    @app.post("/renew")
    def renew() -> Response:
        body = request.get_json()
        return _answer(
            lambda: authority.renew(
                str(body["request"]).encode(), str(body["certificate"]).encode(), bytes.fromhex(str(body["signature"]))
            )
        )

    return app


def _answer(make: Callable[[], bytes]) -> Response:
    try:
        return Response(make(), mimetype=_PEM)
    except (UpdateError, KeyError, TypeError, ValueError):
        # To a stranger, no more is said.
        return Response("refused\n", status=HTTPStatus.FORBIDDEN, mimetype="text/plain")


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Says nothing of who came: a refusal is all that a stranger may cause."""


class Door(ThreadingMixIn, WSGIServer):
    """A server for a few boxes at a time. `serve_forever` until `shutdown`."""

    daemon_threads = True

    def __init__(self, authority: Authority, host: str, port: int) -> None:
        super().__init__((host, port), _Handler)
        self._context = authority.server_context()
        self.set_app(create_door(authority))

    def finish_request(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """Begins TLS in the peer's own thread."""
        assert isinstance(request, socket)
        request.settimeout(_PATIENCE_S)
        with self._context.wrap_socket(request, server_side=True) as line:
            super().finish_request(line, client_address)

    def handle_error(self, *_: Any) -> None:
        """A peer that speaks no TLS, or hangs up, is no error of ours."""
        log.info("a peer left the door")
