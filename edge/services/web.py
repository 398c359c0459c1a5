"""`calcedge-web`: the technician's page. Reads the store, and writes only what a person asks for."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import structlog

from edge.errors import StoreError
from edge.people.register import Register
from edge.people.setup import make_code
from edge.services.errands import Asker
from edge.services.manager import inherited_listeners
from edge.services.memory import give_back, share_arenas
from edge.services.process import Beat, Context
from edge.store import Store
from edge.web.app import create_app
from edge.web.certificates import current
from edge.web.closed import serve_closed
from edge.web.server import Secure, listening, serve_socket

if TYPE_CHECKING:
    import socket
    import threading

    from edge.config import Config, Web
    from edge.errors import Reason

_GIVE_BACK_S: Final = 30.0
_TLS: Final = "tls"
"""The name of the socket for tablets, as its unit has it."""

log = structlog.get_logger()


def body(context: Context) -> None:
    """Serves until it is told to stop, on the service manager's sockets where it has any."""
    due_s = 0.0
    share_arenas()

    def beat() -> None:
        nonlocal due_s
        context.beat({"serving": True})
        now_s = context.store.clock.monotonic_s()
        if now_s >= due_s:
            give_back()  # thirty threads that each drew a page keep more between them than one needs
            due_s = now_s + _GIVE_BACK_S

    register = Register(context.store)
    if not register.is_set_up:
        make_code(context.config)
    examine = Asker(context.run, context.store.clock, context.stop)
    app = create_app(context.store, context.config, context.run, register=register, examine=examine)
    config, clock = context.config, context.store.clock
    with ExitStack() as stack:
        listeners = inherited_listeners() or _listeners(config.web)
        for _, listener in listeners:
            stack.enter_context(listener)
        plain = next(listener for name, listener in listeners if name != _TLS)
        tls = next((listener for name, listener in listeners if name == _TLS), None)
        if (config.web.tls is None) != (tls is None):  # the service manager opens what its units name
            log.error("web-tls-has-no-socket" if config.web.tls else "web-tls-is-not-configured")
        secure = Secure(tls, lambda: current(config, clock.now().utc)) if config.web.tls and tls else None
        serve_socket(app, plain, context.stop, beat, secure)


def closed(reason: Reason, config: Config, stop: threading.Event, beat: Beat) -> None:
    """Serves the reason why there is no page, until there can be one again."""

    def over() -> bool:
        beat({"serving": False})
        return stop.is_set() or _opens(config)

    with ExitStack() as stack:
        listeners = inherited_listeners() or _listeners(config.web)
        for _, listener in listeners:
            stack.enter_context(listener)
        serve_closed(reason, next(listener for name, listener in listeners if name != _TLS), over)


def _opens(config: Config) -> bool:
    try:
        Store.open(config.data).close()
    except StoreError:
        return False
    return True


def _listeners(web: Web) -> list[tuple[str, socket.socket]]:
    """The page's own sockets: plain, and for TLS where that is wanted."""
    secure = [(_TLS, listening(web.tls.host, web.tls.port))] if web.tls else []
    return [("plain", listening(web.host, web.port)), *secure]
