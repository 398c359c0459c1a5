"""The unit's memory of events that the host has not confirmed.

What always holds: an event stays until it is acknowledged, through resets (the memory is non-volatile) and for as
long as there is room; when there is none, the oldest change of state goes first, an exposure last, and each loss is
counted. At most `WINDOW` events are under way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

from firmware_bridge.messages import Event, EventAck, StateChange

WINDOW: Final = 8
CAPACITY: Final = 256
_FIRST_RETRY_NS: Final = 100_000_000
_LAST_RETRY_NS: Final = 2_000_000_000


@dataclass(slots=True)
class _Entry:
    seq: int
    boot_id: int
    event: Event
    due_ns: int = 0
    retry_ns: int = _FIRST_RETRY_NS
    sent: bool = False


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event to send now; `replay` when it was sent before or belongs to an earlier boot."""

    seq: int
    event: Event
    replay: bool


class EventRing:
    """Events in order, each sent again until acknowledged: after 100 ms, then doubling up to 2 s."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries: dict[int, _Entry] = {}
        self._capacity = capacity
        self.newest = 0
        self.lost = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def oldest(self) -> int:
        """The oldest event still held; newest + 1 when there is none."""
        return next(iter(self._entries), self.newest + 1)

    def append(self, event: Event, boot_id: int) -> int:
        """Takes an event in; its sequence number."""
        if len(self._entries) >= self._capacity:
            del self._entries[self._least_worth()]
            self.lost += 1
        self.newest += 1
        self._entries[self.newest] = _Entry(self.newest, boot_id, event)
        return self.newest

    def acknowledge(self, ack: EventAck) -> None:
        """Lets go of what the host has kept."""
        nameable = list(takewhile(lambda seq: seq <= ack.upto + 32, self._entries))
        for seq in nameable:
            if seq <= ack.upto or ack.bitmap >> (seq - ack.upto - 1) & 1:
                del self._entries[seq]

    def replay(self, first: int) -> None:
        """Makes everything from `first` on due at once."""
        for entry in self._entries.values():
            if entry.seq >= first:
                entry.due_ns, entry.retry_ns = 0, _FIRST_RETRY_NS

    def due(self, now_ns: int, boot_id: int) -> list[Outgoing]:
        """What is to be sent now, oldest first."""
        outgoing = []
        for entry in self._window():
            if entry.due_ns > now_ns:
                continue
            earlier = entry.boot_id != boot_id
            event = replace(entry.event, boot_id=entry.boot_id) if earlier else entry.event
            outgoing.append(Outgoing(entry.seq, event, replay=entry.sent or earlier))
            entry.sent = True
            entry.due_ns, entry.retry_ns = now_ns + entry.retry_ns, min(2 * entry.retry_ns, _LAST_RETRY_NS)
        return outgoing

    def next_due_ns(self) -> int | None:
        """When `due` has something next, None when all is confirmed."""
        return min((entry.due_ns for entry in self._window()), default=None)

    def _least_worth(self) -> int:
        """The oldest change of state; only when there is none, the oldest of all."""
        states = (entry.seq for entry in self._entries.values() if isinstance(entry.event, StateChange))
        return next(states, self.oldest)

    def _window(self) -> Iterator[_Entry]:
        for _, entry in zip(range(WINDOW), self._entries.values(), strict=False):
            yield entry
