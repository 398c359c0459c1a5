"""Who may speak to the page, and how browsers must treat it.

What always holds:

- a request's `Host` is an address, this machine or the configured name: a foreign name that was made to point here
  (DNS rebinding) gets nothing;
- a command comes from our own page: same origin by `Sec-Fetch-Site` or `Origin`, and a token made from the cookies of
  this visitor and session, which other sites can't read;
- no inline script or style runs, no other site is asked for anything, and no page with patient data is kept on disk.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from flask import Blueprint, abort, g, request

if TYPE_CHECKING:
    from flask import Response

    from edge.config import Config

COOKIE: Final = "calcedge_visitor"
SESSION: Final = "calcedge_session"
FIELD: Final = "token"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_STRICT: Final = f"max-age={365 * 86_400}"
"""RFC 6797. Subdomains are others' business: the name is the clinic's."""
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer" browsers send a plain form's origin as "null"
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """The rules above, for one application. The secret lives as long as the process."""

    def __init__(self, config: Config) -> None:
        own = config.web.tls.names if config.web.tls else ()
        self._names = {config.web.host.lower(), "localhost", socket.gethostname().lower(), *map(str.lower, own)}
        self._secret = secrets.token_bytes(32)

    def blueprint(self) -> Blueprint:
        """Puts the rules around every request of the application."""
        blueprint = Blueprint("guard", __name__)
        blueprint.before_app_request(self.check)
        blueprint.after_app_request(self.seal)
        return blueprint

    def check(self) -> None:
        """Refuses a request from elsewhere."""
        if not self._knows(request.host):
            abort(403)
        cookie = request.cookies.get(COOKIE, "")
        g.visitor = cookie if len(cookie) == 32 and cookie.isalnum() else secrets.token_hex(16)
        if request.method not in _SAFE_METHODS and not (self._same_origin() and self._has_token()):
            abort(403)

    def token(self) -> str:
        """The token that this visitor's forms carry."""
        whose = f"{g.visitor}.{request.cookies.get(SESSION, '')}"
        return hmac.digest(self._secret, whose.encode(), "sha256").hex()

    def seal(self, response: Response) -> Response:
        """Adds the headers; what has no rule of its own is not kept anywhere."""
        response.headers.update(_HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        if request.is_secure:
            response.headers["Strict-Transport-Security"] = _STRICT
        visitor = g.get("visitor")
        if visitor and response.mimetype == "text/html" and request.cookies.get(COOKIE) != visitor:
            response.set_cookie(COOKIE, visitor, httponly=True, samesite="Strict", secure=request.is_secure)
        return response

    def _knows(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or name.removesuffix(".local") in self._names or _is_address(name)

    def _same_origin(self) -> bool:
        site = request.headers.get("Sec-Fetch-Site")
        origin = request.headers.get("Origin")
        if site is not None and site != "same-origin":
            return False
        return origin == f"{request.scheme}://{request.host}" if origin is not None else site is not None

    def _has_token(self) -> bool:
        return hmac.compare_digest(request.form.get(FIELD, "").encode(), self.token().encode())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
