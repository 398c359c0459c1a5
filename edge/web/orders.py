"""The worklist: whom the next exposure is for. It is kept on the appliance, so picking works without a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from flask import Blueprint, redirect, render_template, request, url_for

from edge.orders import desk as orders_desk
from edge.people.roles import Right
from edge.store import orders
from edge.web import words
from edge.web.access import signed_in, who
from edge.web.views import date, moment, person_name

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

    from edge.store.orders import Link, Order
    from edge.web.desk import Desk

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order in words."""

    id: int
    patient: str
    facts: tuple[str, ...]
    side: str
    what: str
    scheduled: str
    picked: bool


@dataclass(frozen=True, slots=True)
class Tie:
    """What the appliance says of an image and its order. `loud`: a person must look."""

    text: str
    do: str
    loud: bool


def row(order: Order) -> OrderRow:
    """An order in words."""
    facts = order.facts
    born = f"{words.BORN} {date(facts.patient_birth_date)}" if facts.patient_birth_date else ""
    number = f"{words.PATIENT_ID} {facts.patient_id}" if facts.patient_id else ""
    return OrderRow(
        order.id,
        person_name(facts.patient_name),
        tuple(filter(None, (number, born, facts.patient_sex))),
        words.ORDER_SIDES[facts.side],
        facts.description,
        facts.scheduled.replace("T", " ")[:16],
        order.state == "picked",
    )


def tie(link: Link | None) -> Tie | None:
    """The verdict on an image and an order in words, or None when there is no order."""
    if link is None:
        return None
    if link.verdict == "agrees":
        return Tie(words.ORDER_AGREES, "", loud=False)
    differences = words.COMMA.join(words.DIFFERENCES[name] for name in link.differences)
    text = words.ORDER_REFUSED if link.verdict == "refused" else words.ORDER_DIFFERS
    return Tie(text.format(differences=differences), words.ORDER_MISMATCH_DO, loud=True)


def fits(one: OrderRow, query: str) -> bool:
    """Whether an order has every word that is looked for."""
    text = " ".join((one.patient, *one.facts, one.what)).casefold()
    return all(word in text for word in query.casefold().split())


def blueprint(desk: Desk) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("orders", __name__)

    @blueprint.get("/orders")
    @who(Right.WORK)
    def worklist() -> str:
        query = request.args.get("q", "")
        with desk.store.read() as connection:
            found = [row(order) for order in orders.listed(connection)]
            fresh = orders.freshness(connection)
        return render_template(
            "orders.html",
            around=desk.around(),
            orders=[one for one in found if fits(one, query)],
            query=query,
            answered=moment(fresh.answered_utc, desk.now()) if fresh.answered_utc else None,
            trouble=words.reason(fresh.reason) if fresh.reason else None,
        )

    @blueprint.post("/orders/<int:order_id>/pick")
    @who(Right.WORK)
    def pick(order_id: int) -> AnyResponse:
        done = orders_desk.pick(desk.store, order_id, signed_in().name)
        log.info("order-pick", order=order_id, done=done)
        return redirect(url_for("pages.now" if done else "orders.worklist"), 303)

    @blueprint.post("/orders/<any('put-back', 'finish', 'discontinue'):act>")
    @who(Right.WORK)
    def end(act: str) -> AnyResponse:
        acts = {
            "put-back": orders_desk.put_back,
            "finish": orders_desk.finish,
            "discontinue": orders_desk.discontinue,
        }
        done = acts[act](desk.store, signed_in().name)
        log.info("order-end", act=act, done=done)
        return redirect(url_for("pages.now"), 303)

    @blueprint.post("/orders/refresh")
    @who(Right.WORK)
    def refresh() -> AnyResponse:
        orders_desk.refresh(desk.store)
        return redirect(url_for("orders.worklist"), 303)

    return blueprint
