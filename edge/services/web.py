"""`calcedge-web`: the technician's page. Reads the store, and writes only what a person asks for."""

from __future__ import annotations

import threading
from typing import Final

from edge.people.register import Register
from edge.people.setup import make_code
from edge.services.process import Context
from edge.services.selftest import examine
from edge.web.app import create_app
from edge.web.server import serve

_BEAT_S: Final = 0.5


def body(context: Context) -> None:
    """Serves until it is told to stop."""

    def beat() -> None:
        while not context.stop.wait(_BEAT_S):
            context.beat({"serving": True})

    beater = threading.Thread(target=beat, name="beat")
    beater.start()
    try:
        register = Register(context.store)
        if not register.is_set_up:
            make_code(context.config)
        app = create_app(context.store, context.config, context.run, register=register, examine=examine)
        serve(app, context.config.web.host, context.config.web.port, context.stop)
    finally:
        context.stop.set()
        beater.join()
