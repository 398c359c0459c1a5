"""What the link tells its owner: events with their keys, and the live status."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from firmware_bridge.messages import Event, UnitState


@dataclass(frozen=True, slots=True)
class EventKey:
    """Names one event of one unit for ever. Two deliveries with one key are the same event."""

    device_id: str
    boot_id: int
    """1 to 2**53 - 1: the boot of the unit in which the event happened."""
    seq: int


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One event, as handed out to be made durable.

    `host_monotonic_ns` counts on CLOCK_BOOTTIME: the moment of the event by the time mapping when `mapped`, else
    the moment of arrival. For an exposure the moment is its beginning. `replayed` means that the unit sent it
    before, or kept it through an outage. `payload` is the message's CBOR as received.
    """

    key: EventKey
    message: Event
    device_tick: int
    host_monotonic_ns: int
    mapped: bool
    replayed: bool
    payload: bytes = b""


class LinkState(StrEnum):
    """How the link is."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


class LinkReason(StrEnum):
    """Why the link is not up."""

    NONE = "none"
    PORT_ABSENT = "port-absent"
    PORT_BUSY = "port-busy"
    PORT_DENIED = "port-denied"
    PORT_LOST = "port-lost"
    NO_HELLO = "no-hello"
    SILENT = "silent"
    INCOMPATIBLE = "incompatible"
    NOT_DURABLE = "not-durable"


@dataclass(frozen=True, slots=True)
class LinkCounters:
    """Counts since the bridge started."""

    frames_good: int = 0
    bad_cobs: int = 0
    bad_crc: int = 0
    bad_header: int = 0
    overlong: int = 0
    bad_message: int = 0
    unknown_message: int = 0
    foreign_session: int = 0
    events_new: int = 0
    events_repeated: int = 0
    events_lost: int = 0
    """Events that the unit says it no longer holds and that never arrived."""
    replays_asked: int = 0
    sessions: int = 0
    ports_opened: int = 0


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The link now. Of the unit: what it last said, None until it has said it on this link."""

    link: LinkState
    reason: LinkReason
    device_id: str | None = None
    boot_id: int | None = None
    firmware: str | None = None
    capabilities: tuple[str, ...] = ()
    unit_state: UnitState | None = None
    interlock_closed: bool | None = None
    last_heartbeat_ns: int | None = None
    """CLOCK_BOOTTIME of the last heartbeat's arrival."""
    round_trip_ns: int | None = None
    """The best recent round trip of a time request."""
    counters: LinkCounters = field(default_factory=LinkCounters)
