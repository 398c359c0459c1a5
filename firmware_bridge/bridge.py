"""The bridge: carries bytes between the port and the session, and events to the sink.

What always holds:

- An event is acknowledged to the unit only after `EventSink.persist` has returned for it. Kill the bridge at any
  moment: what was not acknowledged is delivered again, so the sink must be idempotent on `ReceivedEvent.key`.
- A port that fails is closed at once and opened again for as long as the bridge runs.
- Nothing is ever sent that is not in `messages.TO_UNIT`; losing the link changes nothing on the unit.
"""

from __future__ import annotations

import threading
from typing import Protocol

from firmware_bridge.link import EventKey, LinkCounters, LinkReason, LinkState, LinkStatus, ReceivedEvent

__all__ = [
    "Bridge",
    "EventKey",
    "EventSink",
    "LinkCounters",
    "LinkReason",
    "LinkState",
    "LinkStatus",
    "NotPersisted",
    "ReceivedEvent",
]


class NotPersisted(Exception):  # noqa: N818 - a state of affairs, not a fault of the bridge
    """Raised by a sink that can't make an event durable now. The unit keeps it and sends it again."""


class EventSink(Protocol):
    """Where events go. Both calls come from the thread that runs the bridge, one at a time."""

    def persist(self, event: ReceivedEvent) -> None:
        """Returns only once the event is durable. Must accept an event that it already has, and keep one.

        Raises:
            NotPersisted: if it can't be made durable now. Any other exception ends the bridge, unacknowledged.
        """
        ...

    def status(self, status: LinkStatus) -> None:
        """The live status: at every change of the link or of the unit's state, and each second. Must be quick."""
        ...


class Bridge:
    """One link to one unit.

    Args:
        port_path: the serial port, or a stable link to it.
        sink: where events and the status go.
    """

    def __init__(self, port_path: str, sink: EventSink) -> None:
        self._port_path = port_path
        self._sink = sink

    def run(self, stop: threading.Event) -> None:
        """Runs until `stop` is set; returns within half a second of that, a running `persist` aside."""
        self._sink.status(LinkStatus(LinkState.DOWN, LinkReason.PORT_ABSENT))
        stop.wait()
