"""The one page of a fresh appliance: it makes the first admin, for whoever knows the set-up code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from flask import Blueprint, abort, g, redirect, render_template, request, url_for

from edge.people.register import NotAllowed
from edge.people.setup import code_fits, forget_code
from edge.web import words
from edge.web.access import ANYONE, who
from edge.web.entrance import let_in, told

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

    from edge.people.register import Register
    from edge.web.desk import Desk

log = structlog.get_logger()


def blueprint(desk: Desk, register: Register) -> Blueprint:
    """The routes."""
    first_run = Blueprint("first_run", __name__)

    def first(trouble: str = "", status: int = 200) -> tuple[str, int]:
        return render_template("set_up.html", around=None, trouble=trouble, form=request.form), status

    @first_run.get("/set-up")
    @who(ANYONE)
    def set_up() -> tuple[str, int] | AnyResponse:
        return redirect(url_for("pages.now"), 303) if register.is_set_up else first()

    @first_run.post("/set-up")
    @who(ANYONE)
    def make_admin() -> tuple[str, int] | AnyResponse:
        form = request.form
        if register.is_set_up:
            abort(403)
        if not code_fits(desk.config, form.get("code", ""), request.remote_addr or "", desk.store.clock.monotonic_s()):
            return first(words.SET_UP_CODE_WRONG, 403)
        if form.get("password", "") != form.get("again", ""):
            return first(words.PASSWORDS_DIFFER, 400)
        try:
            register.set_up(form.get("name", ""), form.get("password", ""), form.get("pin", ""))
            token = register.sign_in(form.get("name", ""), form["password"], kiosk=g.kiosk, address="")
        except NotAllowed as refusal:
            return first(told(refusal), 400)
        forget_code(desk.config)
        log.info("set-up")
        return let_in(redirect(url_for("pages.now"), 303), token)

    return first_run
