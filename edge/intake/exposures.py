"""What the bridge hears, made durable: the sink that stands between the serial link and the store.

The bridge acknowledges events to the unit only after `persist` has returned; what one read of the line brought is one
transaction. An event that is delivered again is known by its key (device, boot, sequence) and kept once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from edge.clock import Stamp
from edge.errors import StoreError
from edge.store import Store, events, exposures
from firmware_bridge.bridge import LinkStatus, NotPersisted, ReceivedEvent
from firmware_bridge.messages import Exposure, Fault, StateChange

ACTOR: Final = "bridge"


class DurableSink:
    """The bridge's `EventSink` over a store. `on_status` is told how the link is."""

    def __init__(self, store: Store, on_status: Callable[[LinkStatus], None]) -> None:
        self._store = store
        self._on_status = on_status

    def persist(self, arrived: Sequence[ReceivedEvent]) -> None:
        """Keeps the events in one transaction; returns once they are durable.

        Raises:
            NotPersisted: when the store can't take them now: the unit keeps them and sends them again.
        """
        now = self._store.clock.now()
        try:
            with self._store.transaction() as tx:
                for event in arrived:
                    _keep(tx, event, moment(now, event.host_monotonic_ns))
        except (StoreError, OSError) as error:
            raise NotPersisted(type(error).__name__) from error

    def status(self, status: LinkStatus) -> None:
        """Passes the live status on."""
        self._on_status(status)


def _keep(tx: sqlite3.Connection, event: ReceivedEvent, at: Stamp) -> None:
    key = (event.key.device_id, event.key.boot_id, event.key.seq)
    match event.message:
        case Exposure() as exposure:
            technique = (exposure.kvp, exposure.tube_current_ma, exposure.exposure_time_ms, exposure.exposure_mas)
            number = exposures.add(tx, key, technique, int(exposure.end_code), at, mapped=event.mapped)
            if number is not None:
                subject = f"exposure:{number}"
                events.append(tx, at, ACTOR, "exposure", subject, kvp=exposure.kvp, **_more(event, exposure))
        case StateChange(old=old, new=new):
            body: dict[str, object] = {"old": old.name, "new": new.name}
            if exposures.add_unit_event(tx, key, "state", body, at):
                events.append(tx, at, ACTOR, "unit-state", "unit", **body)
        case Fault() as fault:
            body = {"fault": fault.code.name, "level": fault.level.name, "active": fault.active}
            told = body | {"text": fault.text, "payload": event.payload.hex()}
            if exposures.add_unit_event(tx, key, "fault", told, at):
                events.append(tx, at, ACTOR, "unit-fault", "unit", **body)


def _more(event: ReceivedEvent, exposure: Exposure) -> dict[str, object]:
    """What the table has no column for. The counts of a polled generator outlive a scale that was set up wrongly."""
    more: dict[str, object] = {"device": event.key.device_id, "source": exposure.source.name}
    if exposure.accuracy_ms is not None:
        more["accuracy_ms"] = exposure.accuracy_ms
    if exposure.pulses is not None:
        more["pulses"] = exposure.pulses
    if event.payload.isascii() and event.payload[:1].isdigit():
        more["counts"] = event.payload.decode("ascii")
    return more


def moment(now: Stamp, monotonic_ns: int) -> Stamp:
    """The stamp of another moment of this boot, told from this one."""
    return Stamp(
        utc=now.utc + timedelta(microseconds=(monotonic_ns - now.monotonic_ns) / 1000),
        trusted=now.trusted,
        boot=now.boot,
        monotonic_ns=monotonic_ns,
    )
