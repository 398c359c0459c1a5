"""Keeps the open associations: how many, how long each has been idle, and that a dead one leaves nothing behind.

What always holds: when an association's threads have ended, its socket is closed (the library forgets to when the peer
was first); one that is idle for too long is ended, also when its peer is in the middle of a message; when all places
are taken, the one that has been idle longest gives way, so that forgotten associations never starve a sender.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from pynetdicom import evt

from edge.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pynetdicom.association import Association
    from pynetdicom.events import Event, EventHandlerType

LEAST_IDLE_S: Final = 1.0
"""An association on which something arrived within this time is at work, and never gives way."""
_GRACE_S: Final = 5.0
"""The library ends idle associations politely; what is still there so long after is cut off."""

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Guest:
    association: Association
    connection: socket.socket | None
    heard_s: float
    working: bool = False
    cut: bool = False


class Keeper:
    """The associations of one server."""

    def __init__(self, places: int, idle_s: float) -> None:
        self._places = places
        self._idle_s = idle_s
        self._clock = SystemClock()
        self._lock = threading.Lock()
        self._guests: dict[Association, _Guest] = {}

    @property
    def handlers(self) -> list[EventHandlerType]:
        """What the server must tell."""
        return [(evt.EVT_CONN_OPEN, self._opened), (evt.EVT_DATA_RECV, self._heard)]

    def __len__(self) -> int:
        """How many associations are open."""
        with self._lock:
            return len(self._guests)

    @contextlib.contextmanager
    def working(self, association: Association) -> Iterator[None]:
        """For as long as we work for an association it is not idle."""
        guest = self._guests.get(association)
        if guest:
            guest.working = True
        try:
            yield
        finally:
            if guest:
                guest.heard_s = self._clock.monotonic_s()
                guest.working = False

    def make_room(self) -> bool:
        """Whether there is a place for one more; when there is none, the idlest is asked to leave.

        True also when nobody can be asked: then the newcomer is told that the limit is reached, and tries later.
        """
        self.tidy()
        with self._lock:
            if len(self._guests) < self._places:
                return True
            if any(guest.cut for guest in self._guests.values()):
                return False  # a place is about to be free
            idle = [guest for guest in self._guests.values() if self._idleness_s(guest) >= LEAST_IDLE_S]
            if not idle:
                return True
            idlest = max(idle, key=self._idleness_s)
        log.warning("idle association gives way", idle_s=round(self._idleness_s(idlest), 1))
        self._cut(idlest)
        return False

    def tidy(self) -> None:
        """Closes what dead associations left, and cuts off what has been idle for too long."""
        with self._lock:
            guests = list(self._guests.values())
        for guest in guests:
            if _has_ended(guest.association):
                with self._lock:
                    del self._guests[guest.association]
                if guest.connection:
                    guest.connection.close()
            elif not guest.cut and self._idleness_s(guest) > self._idle_s + _GRACE_S:
                self._cut(guest)

    def close(self) -> None:
        """Cuts every association off and waits until they have ended."""
        with self._lock:
            guests = list(self._guests.values())
        for guest in guests:
            self._cut(guest)
        for guest in guests:
            guest.association.join(_GRACE_S)
        self.tidy()

    def _opened(self, event: Event) -> None:
        line = event.assoc.dul.socket
        guest = _Guest(event.assoc, line.socket if line else None, self._clock.monotonic_s())
        with self._lock:
            self._guests[event.assoc] = guest

    def _heard(self, event: Event) -> None:
        guest = self._guests.get(event.assoc)
        if guest:
            guest.heard_s = self._clock.monotonic_s()

    def _idleness_s(self, guest: _Guest) -> float:
        return 0.0 if guest.working else self._clock.monotonic_s() - guest.heard_s

    @staticmethod
    def _cut(guest: _Guest) -> None:
        guest.cut = True
        if guest.connection:
            with contextlib.suppress(OSError):
                guest.connection.shutdown(socket.SHUT_RDWR)


def _has_ended(association: Association) -> bool:
    """Whether an association that was started has no thread left. One that is about to start has `ident` None."""
    return association.ident is not None and not association.is_alive() and not association.dul.is_alive()
