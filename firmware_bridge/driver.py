"""What the bridge asks of whoever understands the unit, and what it does in return.

Three drivers share this seam: `session` talks with a unit that speaks our own link, `listen` overhears one, and
`spellman.driver` polls a generator of that family. None of them knows a port or a clock: the owner tells what happened
and does what they answer.

What always holds: a driver's methods never raise, whatever the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from firmware_bridge.link import EventKey, LinkReason, LinkStatus, ReceivedEvent


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes to the port."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Persist:
    """Make this event durable, then call `events_persisted`; or `events_refused`."""

    event: ReceivedEvent


@dataclass(frozen=True, slots=True)
class ClosePort:
    """Close the port and open it again."""

    reason: LinkReason


Action = Send | Persist | ClosePort


class Driver(Protocol):
    """One end of a link. All times are CLOCK_BOOTTIME nanoseconds, given by the owner."""

    @property
    def up(self) -> bool:
        """Whether the unit is heard: if its port fails, it is opened again at once."""
        ...

    def port_opened(self, now_ns: int) -> list[Action]:
        """The port is open."""
        ...

    def port_lost(self, reason: LinkReason, now_ns: int) -> list[Action]:
        """The port could not be opened, or failed and is closed."""
        ...

    def feed(self, data: bytes, now_ns: int) -> list[Action]:
        """Bytes came from the port at `now_ns`."""
        ...

    def tick(self, now_ns: int) -> list[Action]:
        """Time passed. Called at least every 50 ms."""
        ...

    def expects(self, now_ns: int) -> bool:
        """Whether bytes must be read the moment they come: something is on its way whose arrival is measured."""
        ...

    def events_persisted(self, keys: Sequence[EventKey]) -> list[Action]:
        """The events with these keys are durable."""
        ...

    def events_refused(self, keys: Sequence[EventKey]) -> None:
        """The events could not be made durable now."""
        ...

    def status(self) -> LinkStatus:
        """The link now."""
        ...
