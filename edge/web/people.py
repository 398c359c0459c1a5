"""The admin's page of people: who may sign in, as what; new secrets; whoever left may no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from flask import Blueprint, render_template, request

from edge.people.register import NotAllowed
from edge.people.roles import Right, Role
from edge.web import words
from edge.web.access import signed_in, who
from edge.web.entrance import role_of, told

if TYPE_CHECKING:
    from edge.people.register import Register
    from edge.web.desk import Desk

log = structlog.get_logger()


def blueprint(desk: Desk, register: Register) -> Blueprint:
    """The routes."""
    people = Blueprint("people", __name__)

    def page(trouble: str = "", done: str = "") -> str:
        return render_template(
            "people.html",
            around=desk.around(),
            accounts=register.everybody(),
            roles=list(Role),
            trouble=trouble,
            done=done,
        )

    @people.get("/people")
    @who(Right.MANAGE)
    def everybody() -> str:
        return page()

    @people.post("/people")
    @who(Right.MANAGE)
    def add() -> tuple[str, int]:
        form = request.form
        name, role = form.get("name", ""), role_of(form.get("role", ""))
        try:
            number = register.add(
                name, role, password=form.get("password", ""), pin=form.get("pin", ""), actor=signed_in().name
            )
        except NotAllowed as refusal:
            return page(told(refusal)), 400
        log.info("account-added", account=number, role=role)
        return page(done=words.PEOPLE_ADDED.format(name=name)), 200

    @people.post("/people/<int:account_id>")
    @who(Right.MANAGE)
    def change(account_id: int) -> tuple[str, int]:
        form = request.form
        active = {"stop": False, "resume": True}.get(form.get("standing", ""))
        role = role_of(form["role"]) if form.get("role") else None
        current = next((one for one in register.everybody() if one.id == account_id), None)
        if current is not None and role == current.role:
            role = None
        try:
            register.change(
                account_id,
                role=role,
                password=form.get("password", ""),
                pin=form.get("pin", ""),
                active=active,
                actor=signed_in().name,
            )
        except NotAllowed as refusal:
            return page(told(refusal)), 400
        log.info("account-changed", account=account_id)
        return page(done=words.PEOPLE_CHANGED.format(name=current.name if current else "")), 200

    return people
