"""What the bridge hears, made durable: the sink that stands between the serial link and the store.

The bridge acknowledges an event to the unit only after `persist` has returned; an event that is delivered again is
known by its key (device, boot, sequence) and kept once.
"""

from __future__ import annotations

from collections.abc import Callable
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

    def persist(self, event: ReceivedEvent) -> None:
        """Keeps the event; returns once it is durable.

        Raises:
            NotPersisted: when the store can't take it now: the unit keeps it and sends it again.
        """
        try:
            self._keep(event)
        except (StoreError, OSError) as error:
            raise NotPersisted(type(error).__name__) from error

    def status(self, status: LinkStatus) -> None:
        """Passes the live status on."""
        self._on_status(status)

    def _keep(self, event: ReceivedEvent) -> None:
        at = moment(self._store.clock.now(), event.host_monotonic_ns)
        key = (event.key.device_id, event.key.boot_id, event.key.seq)
        message = event.message
        with self._store.transaction() as tx:
            if isinstance(message, Exposure):
                technique = (
                    message.kvp,
                    message.tube_current_ma,
                    message.exposure_time_ms,
                    message.exposure_mas,
                )
                number = exposures.add(tx, key, technique, int(message.end_code), at, mapped=event.mapped)
                if number is not None:
                    subject = f"exposure:{number}"
                    events.append(tx, at, ACTOR, "exposure", subject, kvp=message.kvp, **_more(event, message))
            elif isinstance(message, StateChange):
                body: dict[str, object] = {"old": message.old.name, "new": message.new.name}
                if exposures.add_unit_event(tx, key, "state", body, at):
                    events.append(tx, at, ACTOR, "unit-state", "unit", **body)
            elif isinstance(message, Fault):
                body = {"fault": message.code.name, "level": message.level.name, "active": message.active}
                told = body | {"text": message.text, "payload": event.payload.hex()}
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
