"""Tells the clinic's system what is done for its orders: MPPS by N-CREATE and N-SET, durably and in order.

What always holds: a step's N-SET never goes before its N-CREATE was taken; what could not be told is told later;
what was refused is held with the status. Images and reports never wait for it. Source: PS3.4 annex F.7.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pydicom.uid import UID
from pynetdicom import build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import time
    ModalityPerformedProcedureStep,
)

from edge.errors import DeliveryError
from edge.network.calling import call
from edge.orders import steps
from edge.store import events, exposures, images, orders, performed

if TYPE_CHECKING:
    import sqlite3

    from pydicom import Dataset

    from edge.config import PerformedSteps, Tls
    from edge.network.calling import Call
    from edge.store import Store
    from edge.store.orders import Order
    from edge.store.performed import PerformedStep

ACTOR: Final = "orders"
FIRST_DELAY_S: Final = 2.0
LONGEST_DELAY_S: Final = 300.0
_POLL_S: Final = 0.25
_DUPLICATE: Final = 0x0111
_PROCESSING_FAILURE: Final = 0x0110
_NO_LONGER: Final = 0xA710
"""Error ID of PS3.4 section F.7.2.2.2: the step is final already."""
_LATER: Final = (0x0213, 0xA700)
"""Out of resources: told again later."""


class Teller:
    """Tells one system."""

    def __init__(self, store: Store, settings: PerformedSteps, tls: Tls | None) -> None:
        self._store = store
        self._settings = settings
        self._tls = tls

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set."""
        while not stop.is_set():
            self.step()
            stop.wait(_POLL_S)

    def step(self) -> bool:
        """Tells what is due. False when nothing was."""
        with self._store.read() as connection:
            due = performed.due(connection, self._store.clock.now())
        if not due:
            return False
        left = list(due)
        try:
            with call(self._settings, [build_context(UID(ModalityPerformedProcedureStep))], self._tls) as line:
                while left:
                    with line.within(self._settings.timeout_s):
                        status = self._tell(line, left[0])
                    self._settle(left.pop(0), status)
        except DeliveryError as error:
            for step in left:
                self._failed(step, error)
        return True

    def _tell(self, line: Call, step: PerformedStep) -> Dataset:
        with self._store.read() as connection:
            order = orders.get(connection, step.order_id)
            assert order is not None, "a foreign key"
            done = _done(connection, order)
        association, model = line.association, UID(ModalityPerformedProcedureStep)
        if not association.is_established:
            raise DeliveryError("destination-unreachable", "the connection broke off")
        if step.state == "begin":
            message = steps.create(order, step, self._settings.calling_title, _local(step.started_utc))
            return association.send_n_create(message, model, step.sop_instance_uid)[0]
        assert step.outcome is not None
        ended = _local(order.ended_utc) if order.ended_utc else self._store.clock.now().utc.astimezone()
        message = steps.end(order, step.outcome, done, ended)
        return association.send_n_set(message, model, UID(step.sop_instance_uid))[0]

    def _settle(self, step: PerformedStep, status: Dataset) -> None:
        if "Status" not in status:
            self._failed(step, DeliveryError("destination-unreachable", "no answer"))
            return
        code = int(status.Status)
        known = step.state == "begin" and code == _DUPLICATE
        final = step.state == "end" and code == _PROCESSING_FAILURE and status.get("ErrorID") == _NO_LONGER
        if code in (0x0000, 0x0001, 0x0107, 0x0116) or code >> 12 == 0xB or known or final:
            with self._store.transaction() as tx:
                performed.told(tx, step)
                events.append(
                    tx, self._store.clock.now(), ACTOR, "step-told", f"order:{step.order_id}", message=step.state
                )
        else:
            self._failed(step, DeliveryError("mpps-rejected", f"status 0x{code:04X}", final=code not in _LATER))

    def _failed(self, step: PerformedStep, error: DeliveryError) -> None:
        stamp = self._store.clock.now()
        delay_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(step.attempts, 16))
        code, text = error.reason.code, error.reason.text
        with self._store.transaction() as tx:
            performed.failed(tx, step, stamp, delay_s=delay_s, reason=code, detail=text, held=error.final)
            if error.final:
                events.append(tx, stamp, ACTOR, "step-held", f"order:{step.order_id}", reason=code)


def _done(connection: sqlite3.Connection, order: Order) -> steps.Done:
    linked = [link.image_id for link in orders.links_of_order(connection, order.id) if link.verdict != "refused"]
    found = [images.get(connection, image_id) for image_id in linked]
    told = []
    if order.picked_boot and order.picked_ns is not None:
        told = [
            exposure
            for exposure in exposures.of_boot(connection, order.picked_boot, order.picked_ns)
            if order.ended_ns is None or not order.picked_ns < order.ended_ns <= exposure.at_ns
        ]
    return steps.Done([image.header.identity for image in found if image and image.header], told)


def _local(utc: str) -> datetime:
    return datetime.fromisoformat(utc).astimezone()
