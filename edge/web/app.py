"""Puts the page together: a Flask application over one store, one configuration and one run folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
from flask import Flask, Response, g, render_template
from flask.globals import request_ctx

import edge
from edge.errors import StoreError
from edge.people import site
from edge.people.register import Register
from edge.web import (
    actions,
    entrance,
    exports,
    feeds,
    first_run,
    menu,
    orders,
    pages,
    people,
    phrases,
    problems,
    settings,
    thresholds,
    trust,
    upkeep,
    words,
)
from edge.web.access import Gate, allowed
from edge.web.darkroom import Darkroom
from edge.web.desk import Desk
from edge.web.guard import Guard
from edge.web.live import Live
from edge.web.numbers import RowNumber
from edge.web.pictures import Pictures
from edge.web.upkeep import Examine, nothing

if TYPE_CHECKING:
    from types import TracebackType

    from werkzeug.exceptions import HTTPException

    from edge.config import Config
    from edge.runtime import RunFolder
    from edge.store import Store

log = structlog.get_logger()

_STATIC_AGE_S: Final = 86_400
"""Static files carry the software's version in their address, so they may be kept."""
_WORDS_OF: Final = {403: "PAGE_REFUSED", 500: "PAGE_FAILED"}
"""The sentence for an HTTP status, and with `_DO` what to do; `PAGE_NOT_FOUND` for the rest."""


class Site(Flask):
    """Flask, except that a failure is logged without its values: they may be a patient's."""

    def log_exception(
        self,
        exc_info: tuple[type, BaseException, TracebackType] | tuple[None, None, None],
    ) -> None:
        """Logs what failed and where, by names and lines only."""
        kind, _, trace = exc_info
        places = []
        while trace is not None:
            places.append(f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}")
            trace = trace.tb_next
        log.error("page-failed", error=kind.__name__ if kind else "", places=places[-6:])


def create_app(
    store: Store,
    config: Config,
    run: RunFolder,
    release_version: str | None = None,
    *,
    register: Register | None = None,
    examine: Examine = nothing,
) -> Flask:
    """The page's application. `serve` starts and stops what lives beside it (`extensions["live"]`).

    `release_version` names the model release that is configured; it is shown until the detector says what it runs.
    `register` knows the people; one over the same store by default. `examine` runs the self-test.
    """
    app = Site(__name__, static_folder="static", template_folder="templates")
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = _STATIC_AGE_S
    app.url_map.converters["int"] = RowNumber
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    live = Live(store, run, config)
    darkroom = Darkroom(store.objects)
    guard = Guard(config)
    register = register or Register(store)
    gate = Gate(store, config, register)
    desk = Desk(store, config, run, live, Pictures(store.objects), darkroom, edge.__version__, release_version)
    app.extensions["live"] = live
    app.extensions["darkroom"] = darkroom
    app.extensions["register"] = register
    app.register_blueprint(guard.blueprint())
    app.register_blueprint(gate.blueprint())
    app.register_blueprint(entrance.blueprint(desk, register))
    app.register_blueprint(first_run.blueprint(desk, register))
    app.register_blueprint(menu.blueprint(desk, register))
    app.register_blueprint(people.blueprint(desk, register))
    app.register_blueprint(settings.blueprint(desk))
    app.register_blueprint(thresholds.blueprint(desk, settings.page))
    app.register_blueprint(trust.blueprint(desk, settings.page))
    app.register_blueprint(upkeep.blueprint(desk, register, examine))
    app.register_blueprint(pages.blueprint(desk))
    app.register_blueprint(exports.blueprint(desk))
    if config.worklist is not None:
        app.register_blueprint(orders.blueprint(desk))
    app.register_blueprint(feeds.blueprint(desk))
    app.register_blueprint(actions.blueprint(desk))

    @app.before_request
    def remember_version() -> None:
        g.version = live.version  # before anything is read: what changes later must look newer

    @app.context_processor
    def common() -> dict[str, Any]:
        return {
            "w": words,
            "language": words.spoken(),
            "languages": words.languages(),
            "person": g.get("person"),
            "may": allowed,
            "kiosk": g.get("kiosk", False),
            "site": site.read(store),
            "navigation": lambda: menu.navigation(config),
            "p": phrases,
            "version": g.get("version", ""),
            "token": guard.token,
            "software": desk.software,
            "known": problems.known,
        }

    @app.errorhandler(403)
    @app.errorhandler(404)
    @app.errorhandler(405)
    @app.errorhandler(500)
    def message(error: HTTPException) -> Response:
        code = error.code or 500
        name = _WORDS_OF.get(code, "PAGE_NOT_FOUND")
        text, do = getattr(words, name), getattr(words, f"{name}_DO")
        if request_ctx.url_adapter is None:  # a Host that makes no address: no page can be drawn for it
            return Response(f"{text}\n{do}\n", code, mimetype="text/plain")
        return Response(render_template("message.html", around=None, text=text, do=do), code)

    @app.errorhandler(StoreError)
    def store_failed(error: StoreError) -> tuple[str, int]:
        log.error("store-failed", code=error.reason.code)
        told = words.detailed(error.reason)
        return render_template("message.html", around=None, text=told.text, do=told.do), 500

    return app
