"""What a person does with orders: picks one for the next exposure, puts it back, ends it.

    open --pick--> picked --finish--> completed
      ^              |  +--discontinue--> discontinued
      +---put back---+

What always holds: one order is picked at most; each act is one transaction with its event, and says who did it; an
order that something was made for is never put back.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from edge.orders.agreement import WORDS
from edge.store import events, orders, performed
from edge.store.orders import OrderState

if TYPE_CHECKING:
    import sqlite3

    from edge.clock import Stamp
    from edge.store import Store
    from edge.store.orders import Order

__all__ = ["TRANSITIONS", "WORDS", "Act", "discontinue", "finish", "pick", "put_back", "refresh", "words"]


class Act(StrEnum):
    """What can be done with an order."""

    PICK = "pick"
    PUT_BACK = "put-back"
    FINISH = "finish"
    DISCONTINUE = "discontinue"


TRANSITIONS: Final[dict[tuple[OrderState, Act], OrderState]] = {
    (OrderState.OPEN, Act.PICK): OrderState.PICKED,
    (OrderState.PICKED, Act.PUT_BACK): OrderState.OPEN,
    (OrderState.PICKED, Act.FINISH): OrderState.COMPLETED,
    (OrderState.PICKED, Act.DISCONTINUE): OrderState.DISCONTINUED,
}

_EVENTS: Final[dict[Act, events.What]] = {
    Act.PICK: "order-picked",
    Act.PUT_BACK: "order-put-back",
    Act.FINISH: "order-completed",
    Act.DISCONTINUE: "order-discontinued",
}


def pick(store: Store, order_id: int, actor: str) -> bool:
    """The next exposure is for this order. One that was picked before is put back, or finished if it was used.

    False when the order is unknown or not open.
    """
    stamp = store.clock.now()
    with store.transaction() as tx:
        order = orders.get(tx, order_id)
        if order is None or (order.state, Act.PICK) not in TRANSITIONS:
            return False
        before = orders.picked(tx)
        if before:
            _do(tx, before, Act.FINISH if _was_used(tx, before) else Act.PUT_BACK, actor, stamp)
        orders.set_picked(tx, order_id, stamp)
        events.append(tx, stamp, actor, _EVENTS[Act.PICK], f"order:{order_id}")
    return True


def put_back(store: Store, actor: str) -> bool:
    """No order is picked any more. False when none was, or when something was made for it already."""
    return _end(store, Act.PUT_BACK, actor)


def finish(store: Store, actor: str) -> bool:
    """What was ordered is done. False when no order is picked."""
    return _end(store, Act.FINISH, actor)


def discontinue(store: Store, actor: str) -> bool:
    """What was ordered is broken off. False when no order is picked."""
    return _end(store, Act.DISCONTINUE, actor)


def refresh(store: Store) -> None:
    """Asks the process that speaks DICOM to read the worklist now."""
    with store.transaction() as tx:
        orders.want_refresh(tx, wanted=True)


def words(difference: str) -> str:
    """What a difference is called for people."""
    return WORDS[difference]


def _end(store: Store, act: Act, actor: str) -> bool:
    with store.transaction() as tx:
        order = orders.picked(tx)
        if order is None or (act is Act.PUT_BACK and _was_used(tx, order)):
            return False
        _do(tx, order, act, actor, store.clock.now())
    return True


def _do(tx: sqlite3.Connection, order: Order, act: Act, actor: str, stamp: Stamp) -> None:
    after = TRANSITIONS[order.state, act]
    orders.set_state(tx, order.id, after, stamp)
    if after is not OrderState.OPEN:
        performed.end(tx, order.id, "COMPLETED" if after is OrderState.COMPLETED else "DISCONTINUED", stamp)
    events.append(tx, stamp, actor, _EVENTS[act], f"order:{order.id}")


def _was_used(tx: sqlite3.Connection, order: Order) -> bool:
    made = any(link.verdict != "refused" for link in orders.links_of_order(tx, order.id))
    return made or performed.of_order(tx, order.id) is not None
