"""Reads the clinic's worklist by C-FIND and keeps it.

What always holds: only a complete answer takes orders off the list; an answer that breaks off adds what it brought.
Source: PS3.4 annex K.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog
from pydicom.uid import UID
from pynetdicom import build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import time
    ModalityWorklistInformationFind,
)

from edge.errors import DeliveryError
from edge.network.calling import call
from edge.orders.item import query, read_item
from edge.store import events, orders

if TYPE_CHECKING:
    from edge.config import Tls, Worklist
    from edge.store import Store
    from edge.store.orders import OrderFacts

ACTOR: Final = "orders"
MOST: Final = 1000
"""A longer list is cut: nobody picks from it."""
_PENDING: Final = (0xFF00, 0xFF01)
_POLL_S: Final = 0.25

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the worklist said. `code` is why it is not all of it, or None."""

    facts: tuple[OrderFacts, ...]
    code: str | None


class WorklistReader:
    """Asks one worklist, every so often and when a person wants it."""

    def __init__(self, store: Store, settings: Worklist, tls: Tls | None) -> None:
        self._store = store
        self._settings = settings
        self._tls = tls
        self.reachable: bool | None = None
        self.reason: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set."""
        clock, due_s = self._store.clock, 0.0
        while not stop.is_set():
            with self._store.read() as connection:
                wanted = orders.refresh_wanted(connection)
            if wanted or clock.monotonic_s() >= due_s:
                self.refresh()
                due_s = clock.monotonic_s() + self._settings.every_s
            stop.wait(_POLL_S)

    def refresh(self) -> bool:
        """Asks once and keeps the answer. False when it was not complete."""
        answer = self._ask()
        stamp = self._store.clock.now()
        self.reachable, self.reason = answer.code is None, answer.code
        with self._store.transaction() as tx:
            before = orders.freshness(tx)
            listed = [orders.upsert(tx, facts, stamp) for facts in answer.facts]
            if answer.code is None:
                orders.unlist_others(tx, set(listed))
            orders.note_answer(tx, stamp, reason=answer.code)
            orders.want_refresh(tx, wanted=False)
            if before.asked_utc is None or before.reason != answer.code:  # a list that is away for days is told once
                events.append(tx, stamp, ACTOR, "worklist-read", "worklist", orders=len(listed), reason=answer.code)
        return answer.code is None

    def _ask(self) -> Answer:
        today = self._store.clock.now().utc.astimezone().date()
        first = today - timedelta(days=self._settings.days_back)
        last = today + timedelta(days=self._settings.days_ahead)
        facts: list[OrderFacts] = []
        model = UID(ModalityWorklistInformationFind)
        try:
            with call(self._settings, [build_context(model)], self._tls) as line:
                for status, item in line.association.send_c_find(query(self._settings, first, last), model):
                    code = status.Status if "Status" in status else None
                    if code == 0x0000:
                        return Answer(tuple(facts), None)
                    if code not in _PENDING:
                        break
                    order = read_item(item, self._settings) if item is not None else None
                    if order:
                        facts.append(order)
                    if len(facts) >= MOST:
                        return Answer(tuple(facts), None)
        except DeliveryError as error:
            log.warning("worklist not read", code=error.reason.code, why=error.reason.text)
        return Answer(tuple(facts), "worklist-unreachable")
