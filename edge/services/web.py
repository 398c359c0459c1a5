"""`calcedge-web`: the technician's page. Reads the store, and writes only what a person asks for."""

from __future__ import annotations

from edge.people.register import Register
from edge.people.setup import make_code
from edge.services.errands import Asker
from edge.services.manager import inherited_listener
from edge.services.process import Context
from edge.web.app import create_app
from edge.web.server import serve, serve_socket


def body(context: Context) -> None:
    """Serves until it is told to stop, on the service manager's socket where it has one."""

    def beat() -> None:
        context.beat({"serving": True})

    register = Register(context.store)
    if not register.is_set_up:
        make_code(context.config)
    examine = Asker(context.run, context.store.clock, context.stop)
    app = create_app(context.store, context.config, context.run, register=register, examine=examine)
    listener = inherited_listener()
    if listener is not None:
        serve_socket(app, listener, context.stop, beat)
    else:
        serve(app, context.config.web.host, context.config.web.port, context.stop, beat)
