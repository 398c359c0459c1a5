"""The entrance: signing in and out. What it shows holds no patient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import structlog
from flask import Blueprint, Response, abort, g, redirect, render_template, request, url_for

from edge.people.register import LONGEST_SESSION_S, NotAllowed
from edge.people.roles import Role
from edge.web import phrases, words
from edge.web.access import ANYONE, COOKIE, SIGNED_IN, signed_in, who

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

    from edge.people.register import Register
    from edge.web.desk import Desk

log = structlog.get_logger()


def blueprint(desk: Desk, register: Register) -> Blueprint:
    """The routes."""
    entrance = Blueprint("entrance", __name__)

    def door(trouble: str = "", name: str = "", status: int = 200) -> tuple[str, int]:
        names = [one.name for one in register.everybody() if one.active and one.pin]
        if not g.kiosk or "other" in request.values:
            names = []
        page = render_template(
            "sign_in.html", around=desk.around(), names=names, trouble=trouble, name=name, next=inside(request.values)
        )
        return page, status

    @entrance.get("/sign-in")
    @who(ANYONE)
    def sign_in() -> tuple[str, int]:
        return door()

    @entrance.post("/sign-in")
    @who(ANYONE)
    def enter() -> tuple[str, int] | AnyResponse:
        name, secret = request.form.get("name", ""), request.form.get("secret", "")
        try:
            token = register.sign_in(name, secret, kiosk=g.kiosk, address=request.remote_addr or "")
        except NotAllowed as refusal:
            log.info("sign-in-refused", why=refusal.trouble)
            return door(told(refusal), name, 429 if refusal.wait_s else 403)
        return let_in(redirect(inside(request.values) or url_for("pages.now"), 303), token)

    @entrance.get("/enter/<token>")
    @who(ANYONE)
    def follow(token: str) -> tuple[str, int] | AnyResponse:
        session = register.follow(token, kiosk=g.kiosk)
        return let_in(redirect(url_for("pages.now"), 303), session) if session else door(words.LINK_USED, status=403)

    @entrance.post("/sign-out")
    @who(SIGNED_IN)
    def sign_out() -> AnyResponse:
        person = signed_in()
        register.end(person.token, person.name)
        answer = redirect(url_for("entrance.sign_in"), 303)
        answer.delete_cookie(COOKIE)
        answer.headers["Clear-Site-Data"] = '"cache"'
        return answer

    @entrance.post("/active")
    @who(SIGNED_IN)
    def active() -> AnyResponse:
        return Response(status=204)  # the gate has counted it

    return entrance


def told(refusal: NotAllowed) -> str:
    """Why not, in words."""
    if refusal.wait_s:
        return str(phrases.count(words.COUNT_LOCKED, math.ceil(refusal.wait_s / 60)))
    return str(words.NOT_ALLOWED[refusal.trouble])


def role_of(text: str) -> Role:
    """The role that a form names; 400 when there is no such."""
    return Role(text) if text in set(Role) else abort(400)


def let_in(answer: AnyResponse, token: str) -> AnyResponse:
    """Gives the browser its session, for us alone."""
    answer.set_cookie(
        COOKIE, token, max_age=int(LONGEST_SESSION_S), httponly=True, samesite="Strict", secure=request.is_secure
    )
    return answer


def inside(values: object) -> str:
    """Where to go next: a path of ours, or nothing. Never another site (RFC 9700 section 4.11)."""
    wanted = str(getattr(values, "get", dict[str, str]().get)("next", "") or "")
    ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and "\\" not in wanted
    return wanted if ours and wanted.isprintable() else ""
