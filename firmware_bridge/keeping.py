"""Events on their way to the disk, for drivers whose unit will not send them a second time.

What always holds: an event that was handed out stays here until it is durable, and is offered again until then; at
most `HELD` wait, and what comes on top of them is counted as lost.
"""

from __future__ import annotations

from typing import Final

from firmware_bridge.driver import Action, Persist
from firmware_bridge.link import EventKey, ReceivedEvent

HELD: Final = 1024
_OFFER_AGAIN_NS: Final = 500_000_000


class Keeping:
    """Hands events out and remembers them until they are kept."""

    def __init__(self) -> None:
        self._waiting: dict[EventKey, ReceivedEvent] = {}
        self._refused: set[EventKey] = set()
        self._offered_ns = 0
        self.lost = 0

    @property
    def refused(self) -> bool:
        """Whether something could not be made durable and still waits for it."""
        return bool(self._refused)

    def hand_out(self, event: ReceivedEvent) -> list[Action]:
        """A new event."""
        if len(self._waiting) >= HELD:
            self.lost += 1
            return []
        self._waiting[event.key] = event
        return [Persist(event)]

    def kept(self, key: EventKey) -> None:
        """It is durable."""
        self._waiting.pop(key, None)
        self._refused.discard(key)

    def not_kept(self, key: EventKey) -> None:
        """It could not be made durable now."""
        if key in self._waiting:
            self._refused.add(key)

    def again(self, now_ns: int) -> list[Action]:
        """What could not be kept yet, twice a second."""
        if not self._refused or now_ns - self._offered_ns < _OFFER_AGAIN_NS:
            return []
        self._offered_ns = now_ns
        return [Persist(event) for key, event in self._waiting.items() if key in self._refused]
