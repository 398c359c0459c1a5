"""The bridge: carries bytes between the port and the driver, and events to the sink.

What always holds:

- An event is acknowledged to the unit only after `EventSink.persist` has returned for it. Kill the bridge at any
  moment: what was not acknowledged is delivered again, so the sink must be idempotent on `ReceivedEvent.key`.
- A port that fails is closed at once and opened again for as long as the bridge runs.
- What a full line brings is taken in gulps: `COLLECT_S` at a time, made durable at once, acknowledged at once. Only
  while the moment of an arrival counts is each byte read as it comes.
- Nothing is ever sent that is not in `messages.TO_UNIT` or, to a generator that is polled, in the list of
  `spellman.guard`; losing the link changes nothing on the unit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

from firmware_bridge.driver import Action, ClosePort, Driver, Persist, Send
from firmware_bridge.link import EventKey, LinkCounters, LinkReason, LinkState, LinkStatus, ReceivedEvent
from firmware_bridge.plan import Plan
from firmware_bridge.port import Backoff, Port, PortLost, PortOpener

__all__ = [
    "Bridge",
    "EventKey",
    "EventSink",
    "LinkCounters",
    "LinkReason",
    "LinkState",
    "LinkStatus",
    "NotPersisted",
    "Plan",
    "ReceivedEvent",
]


COLLECT_S: Final = 0.02
"""While bytes keep coming they collect for so long. Half of what a unit's window of eight exposures takes on the line
(44 ms at 115200 baud), so that the unit never waits for an acknowledgement; a fifth of its patience (100 ms)."""


class NotPersisted(Exception):  # noqa: N818 - a state of affairs, not a fault of the bridge
    """Raised by a sink that can't make an event durable now. The unit keeps it and sends it again."""


class EventSink(Protocol):
    """Where events go. Both calls come from the thread that runs the bridge, one at a time."""

    def persist(self, arrived: Sequence[ReceivedEvent]) -> None:
        """Returns only once every one of these events is durable. Must accept one that it already has, and keep one.

        Raises:
            NotPersisted: if they can't be made durable now: all of them will be delivered again. Any other exception
                ends the bridge, unacknowledged.
        """
        ...

    def status(self, status: LinkStatus) -> None:
        """The live status: when the link changes, when the unit does (ten times a second at most), and each second.

        Must be quick.
        """
        ...


class Bridge:
    """One link to one unit.

    Args:
        port_path: the serial port, or a stable link to it.
        sink: where events and the status go.
        open_port: how to open it; the plan's own way by default.
        plan: how to take part in the link: a session with a unit of our own link by default.
    """

    def __init__(
        self, port_path: str, sink: EventSink, open_port: PortOpener | None = None, plan: Plan | None = None
    ) -> None:
        self._port_path = port_path
        self._sink = sink
        self._plan = plan or Plan()
        self._open_port = open_port or self._plan.open_port

    def run(self, stop: threading.Event) -> None:
        """Runs until `stop` is set; returns within half a second of that, a running `persist` aside.

        May be called again after it returned: each run is a session of its own.
        """
        run = _Run(self._port_path, self._sink, self._open_port, self._plan.driver())
        try:
            while not stop.is_set():
                if wait_s := run.turn():
                    stop.wait(wait_s)
        finally:
            run.close()


class _Run:
    """One run: the driver, the port while there is one, and what the sink was last told."""

    def __init__(self, path: str, sink: EventSink, open_port: PortOpener, driver: Driver) -> None:
        self._path = path
        self._sink = sink
        self._open_port = open_port
        self._driver = driver
        self._port: Port | None = None
        self._backoff = Backoff()
        self._told: LinkStatus | None = None
        self._told_ns = self._looked_ns = 0
        self._collecting = False

    def turn(self) -> float:
        """Opens the port, or reads it once. Seconds to wait before the next turn: the read itself waits."""
        wait_s, was_up = 0.0, self._driver.up
        try:
            if self._port is None:
                self._port = self._open_port(self._path)
                self._do(self._port, self._driver.port_opened(_now_ns()))
            else:
                self._read(self._port)
        except PortLost as lost:
            self.close()
            self._driver.port_lost(lost.reason, _now_ns())
            wait_s = self._backoff.next_s()
        self._tell(at_once=self._port is None or self._driver.up is not was_up)
        return wait_s

    def _read(self, port: Port) -> None:
        if self._collecting:
            port.collect(COLLECT_S)
        data = port.read()
        now_ns = _now_ns()  # of the arrival: a slow sink must not look like a silent unit
        self._do(port, [*self._driver.feed(data, now_ns), *self._driver.tick(now_ns)])
        self._collecting = bool(data) and not self._driver.expects(now_ns)

    def close(self) -> None:
        """Lets go of the port."""
        if self._port is not None:
            self._port.close()
            self._port = None
            self._collecting = False

    def _do(self, port: Port, actions: Sequence[Action]) -> None:
        """Does what the driver says: first what is to be sent, then events become durable, then they are acknowledged.

        A port that fails in between is no reason to drop an event that has arrived.
        """
        lost = _send(port, actions)
        if events := [action.event for action in actions if isinstance(action, Persist)]:
            acknowledgements = self._persist(events)
            lost = lost or _send(port, acknowledgements)
        closing = next((PortLost(action.reason) for action in actions if isinstance(action, ClosePort)), None)
        if (gone := lost or closing) is not None:
            raise gone
        if self._driver.up:
            self._backoff.reset()

    def _persist(self, events: Sequence[ReceivedEvent]) -> Sequence[Action]:
        keys = [event.key for event in events]
        try:
            self._sink.persist(events)
        except NotPersisted:
            self._driver.events_refused(keys)
            return ()
        return self._driver.events_persisted(keys)

    def _tell(self, *, at_once: bool) -> None:
        now_ns = _now_ns()
        if not at_once and now_ns - self._looked_ns < _LOOK_EVERY_NS:
            return  # while the line is full, the status is not worth a look for each gulp
        self._looked_ns = now_ns
        status = self._driver.status()
        if self._told is None or now_ns - self._told_ns >= _TELL_EVERY_NS or _gist(status) != _gist(self._told):
            self._told, self._told_ns = status, now_ns
            self._sink.status(status)


def _send(port: Port, actions: Sequence[Action]) -> PortLost | None:
    """Sends what there is to send, in one write; None when the port took it."""
    data = b"".join(action.data for action in actions if isinstance(action, Send))
    try:
        if data:
            port.write(data)
    except PortLost as lost:
        return lost
    return None


def _gist(status: LinkStatus) -> LinkStatus:
    """What of a status is news at once; the rest can wait for the second."""
    return replace(status, counters=LinkCounters(), last_heartbeat_ns=None, round_trip_ns=None)


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


_TELL_EVERY_NS: Final = 1_000_000_000
_LOOK_EVERY_NS: Final = 100_000_000
