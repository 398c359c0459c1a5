"""What can be asked for: every POST route. Each goes through the table of `edge.flow` and leaves an audit event.

A page with JavaScript gets JSON and shows it on the button; a page without it is sent back to where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from flask import Blueprint, jsonify, redirect, render_template, request, url_for

from edge import flow
from edge.people.roles import Right
from edge.web import phrases, words
from edge.web.access import signed_in, who
from edge.web.numbers import number

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

    from edge.web.desk import Desk

log = structlog.get_logger()


def blueprint(desk: Desk) -> Blueprint:
    """The routes, acting on the store of `desk`."""
    actions = Blueprint("actions", __name__)

    @actions.post("/images/<int:image_id>/analyse-again")
    @who(Right.WORK)
    def analyse_again(image_id: int) -> tuple[AnyResponse | str, int] | AnyResponse:
        done = flow.analyse_again(desk.store, image_id, signed_in().name)
        log.info("analyse-again", image=image_id, done=done)
        return _answer(desk, words.ANALYSE_ASKED if done else words.ANALYSE_NOT_POSSIBLE, done=done)

    @actions.post("/parcels/send-again")
    @who(Right.WORK)
    def send_again() -> tuple[AnyResponse | str, int] | AnyResponse:
        actor = signed_in().name
        asked = request.form.getlist("parcel", type=number)
        sent = [parcel for parcel in desk.resendable(asked) if flow.send_again(desk.store, parcel, actor)]
        log.info("send-again", parcels=sent)
        return _answer(desk, phrases.send_asked(len(sent)) if sent else words.SEND_NOTHING, done=bool(sent))

    return actions


def _answer(desk: Desk, text: str, *, done: bool) -> tuple[AnyResponse | str, int] | AnyResponse:
    status = 200 if done else 409
    if request.accept_mimetypes.best == "application/json":
        return jsonify({"ok": done, "text": text}), status
    if done:
        return redirect(url_for("pages.now"), 303)
    return render_template("message.html", around=desk.around(), text=text, do=words.PAGE_NOT_FOUND_DO), status
