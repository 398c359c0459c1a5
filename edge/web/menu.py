"""The menu: what else there is, as large tiles, and only what who asks may use; the bar's links; the language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import Blueprint, abort, current_app, g, redirect, render_template, request, url_for

from edge.people.roles import Right, may
from edge.web import words
from edge.web.access import ANYONE, LANGUAGE_COOKIE, SIGNED_IN, access_of, who
from edge.web.entrance import inside

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

    from edge.config import Config
    from edge.people.register import Person, Register
    from edge.web.desk import Desk

_KEEP_LANGUAGE_S: Final = 365 * 86_400
_TILES: Final = (
    ("upkeep.connections", "CONNECTIONS"),
    ("upkeep.state", "HEALTH"),
    ("people.everybody", "PEOPLE"),
    ("settings.form", "SETTINGS"),
    ("upkeep.audit", "AUDIT"),
    ("upkeep.keeping", "KEEPING"),
    ("pages.about", "NAV_ABOUT"),
    ("pages.errors", "ERRORS_ALL"),
)
"""Route, and the word on its tile."""


def blueprint(desk: Desk, register: Register) -> Blueprint:
    """The routes."""
    menu = Blueprint("menu", __name__)

    @menu.get("/menu")
    @who(SIGNED_IN)
    def tiles() -> str:
        return render_template("menu.html", around=desk.around(), tiles=_for(g.person))

    @menu.post("/language")
    @who(ANYONE)
    def speak() -> AnyResponse:
        code = request.form.get("language", "")
        if code not in words.languages():
            abort(404)
        if g.person:
            register.change(g.person.id, language=code, actor=g.person.name)
        answer = redirect(inside(request.values) or url_for("pages.now"), 303)
        answer.set_cookie(
            LANGUAGE_COOKIE, code, max_age=_KEEP_LANGUAGE_S, httponly=True, samesite="Lax", secure=request.is_secure
        )
        return answer

    return menu


def navigation(config: Config) -> list[tuple[str, str]]:
    """The links of the bar: route and word."""
    orders = [("orders.worklist", words.NAV_ORDERS)] if config.worklist is not None else []
    bar = [("pages.now", words.NAV_NOW), ("pages.images", words.NAV_IMAGES), *orders, ("menu.tiles", words.NAV_MENU)]
    return [(route, word) for route, word in bar if route in current_app.view_functions]


def _for(person: Person) -> list[tuple[str, str]]:
    return [(route, getattr(words, word)) for route, word in _TILES if _open(route, person)]


def _open(route: str, person: Person) -> bool:
    if route not in current_app.view_functions:
        return False
    access = access_of(route)
    return access == SIGNED_IN or (isinstance(access, Right) and may(person.role, access))
