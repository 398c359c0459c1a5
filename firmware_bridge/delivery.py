"""Which events of a session have arrived, which are durable, and what to tell the unit about them.

What always holds: `ack` names only events that were marked durable, or that the unit itself said it no longer holds;
and what arrives although the unit said so is new all the same: its word is no reason to let an event go.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from firmware_bridge.messages import EventAck

WINDOW: Final = 32
"""An acknowledgement can name this many events beyond the first that is missing."""


_GONE_REMEMBERED: Final = 4096


class Verdict(Enum):
    """What an arriving event is."""

    NEW = "new"
    IN_HAND = "handed out, not yet durable"
    DURABLE = "already durable: its acknowledgement was lost"
    BEYOND = "too far ahead to acknowledge: the unit will send it again"


class Delivery:
    """The host's side of the event ring of one boot.

    `oldest` is the first event that the unit still holds. Events count from 1; a unit that says 0 means the same, and
    an event 0 is taken and confirmed like others.
    """

    def __init__(self, oldest: int) -> None:
        self._upto = self._told = max(oldest, 1) - 1
        self._gone: set[int] = set()
        self._durable: set[int] = set()
        self._in_hand: dict[int, int] = {}

    def arrived(self, seq: int, boot_id: int) -> Verdict:
        """Judges an event that happened in boot `boot_id` and, when it is new, takes it in hand."""
        if seq in self._in_hand:
            return Verdict.IN_HAND
        if seq in self._durable or (self._told < seq <= self._upto and seq not in self._gone):
            return Verdict.DURABLE
        if seq > self._upto + WINDOW:
            return Verdict.BEYOND
        self._in_hand[seq] = boot_id
        return Verdict.NEW

    def persisted(self, seq: int, boot_id: int) -> bool:
        """Marks an event in hand as durable; False if it is not in hand, or in hand for another boot."""
        if self._in_hand.get(seq) != boot_id:
            return False
        del self._in_hand[seq]
        self._gone.discard(seq)
        if seq > self._upto:
            self._durable.add(seq)
        self._advance()
        return True

    def refused(self, seq: int, boot_id: int) -> None:
        """Lets go of an event that could not be made durable: its next delivery is new again."""
        if self._in_hand.get(seq) == boot_id:
            del self._in_hand[seq]

    def released(self, oldest: int) -> int:
        """The unit holds nothing before `oldest` any more: how many events are lost by that."""
        if oldest <= self._upto + 1:
            return 0
        recent = range(max(self._upto + 1, oldest - _GONE_REMEMBERED), oldest)
        known = {seq for seq in self._durable | self._in_hand.keys() if seq < oldest}
        lost = oldest - 1 - self._upto - len(known)
        self._gone = {seq for seq in recent if seq not in known}
        self._upto = oldest - 1
        self._durable = {seq for seq in self._durable if seq >= oldest}
        self._advance()
        return lost

    def first_missing(self, newest: int) -> int | None:
        """The first event up to `newest` that has not arrived, None when all have."""
        seq = self._upto + 1
        while seq in self._durable or seq in self._in_hand:
            seq += 1
        return seq if seq <= newest else None

    def ack(self) -> EventAck:
        """What is durable now."""
        bitmap = 0
        for seq in self._durable:
            bitmap |= 1 << (seq - self._upto - 1)
        return EventAck(self._upto, bitmap)

    def _advance(self) -> None:
        while self._upto + 1 in self._durable:
            self._upto += 1
            self._durable.remove(self._upto)
