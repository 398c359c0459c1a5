"""What the link tells its owner: events with their keys, and the live status.

What always holds: None means *not known*; nothing that the unit has not said looks as if it were fine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from firmware_bridge.messages import Event, Exposure, FaultCode, Level, UnitState


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


class Mode(StrEnum):
    """How the bridge takes part in the link."""

    SESSION = "session"
    """It confirms what it has kept and asks for the time."""
    LISTEN = "listen"
    """It opens the port for reading only and never sends a byte."""
    POLL = "poll"
    """It asks, by a list of read requests, and concludes from the answers what happened."""


class LinkState(StrEnum):
    """How the link is."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


class LinkReason(StrEnum):
    """Why the link is not up, or what is wrong with it while it is."""

    NONE = "none"
    PORT_ABSENT = "port-absent"
    PORT_BUSY = "port-busy"
    PORT_DENIED = "port-denied"
    PORT_LOST = "port-lost"
    NO_HELLO = "no-hello"
    SILENT = "silent"
    INCOMPATIBLE = "incompatible"
    NOT_DURABLE = "not-durable"
    OTHER_UNIT = "other-unit"
    """Up, with a unit that is not the one expected on this port."""
    NOT_NAMED = "not-named"
    """Listening: frames are heard, but not yet the HELLO that says whose they are."""
    WRONG_BAUD = "wrong-baud"
    """Bytes come and never make a frame: the other end has another speed, or is no unit of this kind."""
    NOT_UNDERSTOOD = "not-understood"
    """Good frames come that this profile's table doesn't explain."""


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
    reconnects: int = 0
    """How often the port was opened again after the first time."""
    resyncs: int = 0
    """How often a good frame followed bytes that were none."""
    gaps: int = 0
    """Holes seen in the numbering of events; what a replay fills was late, not lost."""
    frames_missed: int = 0
    """Frames that the unit numbered and that never arrived (events are counted by `gaps`)."""
    implausible: int = 0
    """Messages inside every range that contradict themselves or what was said before."""
    timeouts: int = 0
    """Polling: requests without an answer."""
    refusals: int = 0
    """Polling: requests that the generator refused."""


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault that the unit told of and has not yet called over. `text` is the unit's own, printable ASCII."""

    code: FaultCode
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class LastExposure:
    """The exposure that began last, of those heard since the bridge started, and when (CLOCK_BOOTTIME)."""

    message: Exposure
    host_monotonic_ns: int


@dataclass(frozen=True, slots=True)
class Programmed:
    """What the next exposure is set to, as far as it can be asked."""

    kvp: float
    tube_current_ma: float | None = None
    exposure_time_ms: float | None = None


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
    mode: Mode = Mode.SESSION
    profile: str = "own"
    expected_device_id: str | None = None
    """The unit that belongs on this port by configuration."""
    anode_heat_percent: int | None = None
    anode_heat_ok: bool | None = None
    battery_percent: int | None = None
    battery_charging: bool | None = None
    active_faults: tuple[ActiveFault, ...] = ()
    last_exposure: LastExposure | None = None
    programmed: Programmed | None = None
