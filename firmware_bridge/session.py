"""The host's end of the link: rules only, no I/O, no clock of its own.

The owner tells the session what happened (the port opened or failed, bytes came, time passed, an event is durable)
and does what it answers: send these bytes, make this event durable, close the port. `states.TABLE` is the whole life
of a session, one line for each state and input.

    unit                              host
    HELLO            ------------->
                     <-------------   TIME_REQ, HELLO_ACK
    TIME_RSP         ------------->
    EXPOSURE seq 7   ------------->   Persist(event 7) ... events_persisted([7])
                     <-------------   EVENT_ACK upto 7

What always holds:

- An event is acknowledged only after `events_persisted` (or when the unit itself says that it no longer holds it).
- An event is handed out at most once at a time, and not again once it is durable (unless the unit had said that it was
  gone: then rather twice than never; the sink knows it by its key).
- No bytes make it raise.
- An event that arrives whole is never dropped for its content: one that can't be read is handed out as a Fault
  with `FaultCode.UNREADABLE_EVENT` and its bytes, or it would block the unit's ring for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from firmware_bridge.delivery import Delivery, Verdict
from firmware_bridge.driver import Action, ClosePort, Persist, Send
from firmware_bridge.frame import Frame, FrameFlag
from firmware_bridge.frame import encode as encode_frame
from firmware_bridge.link import EventKey, LinkCounters, LinkReason, LinkState, LinkStatus, Mode, ReceivedEvent
from firmware_bridge.live import Live
from firmware_bridge.messages import (
    PROTOCOL,
    TYPE_OF,
    Event,
    Exposure,
    Fault,
    FaultCode,
    Heartbeat,
    Hello,
    HelloAck,
    Message,
    ReplayReq,
    StateChange,
    TimeReq,
    TimeRsp,
    encode,
)
from firmware_bridge.reading import Line, believed
from firmware_bridge.states import TABLE, Do, Input, State
from firmware_bridge.timemap import TimeKeeper, TimeMap

__all__ = ["DEGRADED_AFTER_NS", "DOWN_AFTER_NS", "LINK_OF", "Action", "ClosePort", "Persist", "Send", "Session"]

_MS: Final = 1_000_000
DEGRADED_AFTER_NS: Final = 2_400 * _MS
DOWN_AFTER_NS: Final = 5_000 * _MS
"""Heartbeats come each second. A silent unit is seen within 2.5 s, the 50 ms of a turn included."""
_ASK_EVERY_NS: Final = 500 * _MS
_ASK_AGAIN_NS: Final = 100 * _MS
_REPLAY_AGAIN_NS: Final = 250 * _MS
_CLOCK_GRACE_NS: Final = 1_000 * _MS
"""So long after meeting a unit its events may wait for its time: it sends them again."""
_NO_SESSION: Final = 0
_COUNTED: Final = (
    "foreign_session",
    "events_new",
    "events_repeated",
    "events_lost",
    "replays_asked",
    "sessions",
    "ports_opened",
    "gaps",
)
_BOOTS_REMEMBERED: Final = 4
_TALKING: Final = (State.UP, State.DEGRADED)
LINK_OF: Final = {
    State.CLOSED: LinkState.DOWN,
    State.GREETING: LinkState.DOWN,
    State.UP: LinkState.UP,
    State.DEGRADED: LinkState.DEGRADED,
}


class _Given(NamedTuple):
    """What an action is told: when, and the frame and its message if there was one."""

    now_ns: int
    frame: Frame | None = None
    message: Any = None


@dataclass(slots=True)
class _Unit:
    """What is known of the unit in its present boot."""

    hello: Hello
    delivery: Delivery
    time: TimeKeeper
    met_ns: int
    live: Live = field(default_factory=Live)
    tick: int = 0
    gap: int = 0
    """The last hole that was counted."""

    @property
    def session(self) -> int:
        return self.hello.boot_id & 0xFFFF


class Session:
    """The link to one port, a `Driver`. `expected_id` is the unit that belongs there; another one is named as such."""

    def __init__(self, expected_id: str | None = None) -> None:
        self._expected_id = expected_id
        self._state = State.CLOSED
        self._reason = LinkReason.PORT_ABSENT
        self._line = Line()
        self._unit: _Unit | None = None
        self._earlier_times: dict[int, TimeMap] = {}
        self._counts: dict[str, int] = dict.fromkeys(_COUNTED, 0)
        self._heard_ns = 0
        self._asked_ns = -_ASK_EVERY_NS
        self._replay_asked_ns = -_REPLAY_AGAIN_NS
        self._sent = 0
        self._durable = True
        self._repeated = False
        """Whether something came again that is durable: its acknowledgement was lost."""
        self._acts: Final[dict[Do, Callable[[_Given], list[Action]]]] = {
            Do.NOTHING: self._nothing,
            Do.GREET: self._greet,
            Do.WELCOME: self._welcome,
            Do.REFUSE: self._refuse,
            Do.LISTEN: self._listen,
            Do.FOREIGN: self._foreign,
            Do.FALL_SILENT: self._fall_silent,
            Do.GIVE_UP: self._give_up,
        }

    # -- what the owner calls ----------------------------------------------------------------------------------

    def port_opened(self, now_ns: int) -> list[Action]:
        """The port is open."""
        self._line.reset()
        self._heard_ns = now_ns
        self._counts["ports_opened"] += 1
        return self._step(Input.OPENED, _Given(now_ns))

    def port_lost(self, reason: LinkReason, now_ns: int) -> list[Action]:
        """The port could not be opened, or failed and is closed."""
        actions = self._step(Input.LOST, _Given(now_ns))
        self._reason = reason
        return actions

    def feed(self, data: bytes, now_ns: int) -> list[Action]:
        """Bytes came from the port at `now_ns`."""
        actions: list[Action] = []
        for frame in self._line.feed(data):
            if self._state is State.CLOSED:
                break
            self._heard_ns = now_ns
            actions += self._frame(frame, now_ns)
        if self._repeated and self._unit is not None and self._state in _TALKING:
            actions.append(self._send(self._unit.delivery.ack()))
        self._repeated = False
        return actions

    def tick(self, now_ns: int) -> list[Action]:
        """Time passed. Call at least every 50 ms."""
        silent_ns = now_ns - self._heard_ns
        if silent_ns > DOWN_AFTER_NS:
            return self._step(Input.SILENT, _Given(now_ns))
        actions = self._step(Input.LATE, _Given(now_ns)) if silent_ns > DEGRADED_AFTER_NS else []
        if self._state is State.GREETING and now_ns - self._asked_ns >= _ASK_EVERY_NS:
            actions += self._ask(now_ns)
        if self._state in _TALKING and self._unit is not None and self._unit.time.due(now_ns):
            actions.append(self._send(self._unit.time.ask(now_ns)))
        return actions

    def expects(self, now_ns: int) -> bool:
        """While nobody was met, and while the unit is asked for its time."""
        return self._state is not State.UP or self._unit is None or self._unit.time.waits(now_ns)

    def events_persisted(self, keys: Sequence[EventKey]) -> list[Action]:
        """The events with these keys are durable: acknowledge them together."""
        self._durable = True
        unit = self._unit
        if unit is None:
            return []
        ours = [key for key in keys if key.device_id == unit.hello.device_id]
        marked = [unit.delivery.persisted(key.seq, key.boot_id) for key in ours]
        return [self._send(unit.delivery.ack())] if any(marked) and self._state in _TALKING else []

    def events_refused(self, keys: Sequence[EventKey]) -> None:
        """The events could not be made durable: the unit will send them again."""
        self._durable = False
        for key in keys:
            if self._unit is not None and key.device_id == self._unit.hello.device_id:
                self._unit.delivery.refused(key.seq, key.boot_id)

    @property
    def state(self) -> State:
        """Where the session is."""
        return self._state

    @property
    def up(self) -> bool:
        """Whether the unit is heard."""
        return self._state is State.UP

    def status(self) -> LinkStatus:
        """The link now."""
        unit = self._unit
        hello = unit.hello if unit else None
        return LinkStatus(
            link=LINK_OF[self._state],
            reason=self._why(),
            device_id=hello.device_id if hello else None,
            boot_id=hello.boot_id if hello else None,
            firmware=hello.firmware if hello else None,
            capabilities=hello.capabilities if hello else (),
            round_trip_ns=unit.time.map.best_round_trip_ns if unit else None,
            counters=LinkCounters(
                reconnects=max(0, self._counts["ports_opened"] - 1), **self._line.line_counts(), **self._counts
            ),
            mode=Mode.SESSION,
            expected_device_id=self._expected_id,
            **(unit.live if unit else Live()).facts(),
        )

    def _why(self) -> LinkReason:
        if self._state is not State.UP:
            greeting = self._reason in (LinkReason.NO_HELLO, LinkReason.SILENT) and self._state is not State.DEGRADED
            return LinkReason.WRONG_BAUD if greeting and self._line.garbled else self._reason
        if not self._durable:
            return LinkReason.NOT_DURABLE
        assert self._unit is not None
        other = self._expected_id not in (None, self._unit.hello.device_id)
        return LinkReason.OTHER_UNIT if other else LinkReason.NONE

    # -- the table's actions -----------------------------------------------------------------------------------

    def _nothing(self, _: _Given) -> list[Action]:
        return []

    def _greet(self, given: _Given) -> list[Action]:
        self._reason = LinkReason.NO_HELLO
        return self._ask(given.now_ns)

    def _give_up(self, _: _Given) -> list[Action]:
        self._reason = LinkReason.SILENT
        return [ClosePort(LinkReason.SILENT)]

    def _fall_silent(self, _: _Given) -> list[Action]:
        self._reason = LinkReason.SILENT
        return []

    def _refuse(self, _: _Given) -> list[Action]:
        self._reason = LinkReason.INCOMPATIBLE
        return []

    def _foreign(self, given: _Given) -> list[Action]:
        self._counts["foreign_session"] += 1
        if self._reason is not LinkReason.INCOMPATIBLE:
            self._reason = LinkReason.NO_HELLO
        return self._ask(given.now_ns) if given.now_ns - self._asked_ns >= _ASK_AGAIN_NS else []

    def _welcome(self, given: _Given) -> list[Action]:
        hello, unit = given.message, self._unit
        assert isinstance(hello, Hello)
        if unit is not None and (unit.hello.device_id, unit.hello.boot_id) == (hello.device_id, hello.boot_id):
            unit.hello = hello
            self._counts["events_lost"] += unit.delivery.released(hello.evt_oldest)
        else:
            unit = self._unit = self._meet(hello, given.now_ns)
        # The time first: the unit answers in order, so that events of the replay that follows can be mapped.
        return [self._send(unit.time.ask(given.now_ns)), self._send(HelloAck(PROTOCOL, unit.session))]

    def _listen(self, given: _Given) -> list[Action]:
        (now_ns, frame, message), unit = given, self._unit
        assert frame is not None
        assert unit is not None
        match message:
            case StateChange() | Exposure() | Fault():
                return self._event(unit, frame, message, now_ns)
            case Heartbeat():
                return self._heartbeat(unit, message, now_ns)
            case TimeRsp():
                unit.time.answered(message, now_ns)
        return []

    # -- inside ------------------------------------------------------------------------------------------------

    def _step(self, input_: Input, given: _Given) -> list[Action]:
        do, self._state = TABLE[self._state, input_]
        return self._acts[do](given)

    def _frame(self, frame: Frame, now_ns: int) -> list[Action]:
        message = self._line.read(frame)
        if isinstance(message, Hello):
            if not _plausible(message, frame.session):
                self._line.counts["implausible"] += 1
                return []
            spoken = message.proto_min <= PROTOCOL <= message.proto_max
            return self._step(Input.HELLO if spoken else Input.REFUSED, _Given(now_ns, frame, message))
        ours = self._unit is not None and frame.session == self._unit.session
        return self._step(Input.FRAME if ours else Input.FOREIGN, _Given(now_ns, frame, message))

    def _meet(self, hello: Hello, now_ns: int) -> _Unit:
        self._counts["sessions"] += 1
        live = Live()
        if self._unit is not None and self._unit.hello.device_id == hello.device_id:
            live.last_exposure = self._unit.live.last_exposure  # the exposure before a reset is still the last
            self._earlier_times[self._unit.hello.boot_id] = self._unit.time.map
            while len(self._earlier_times) > _BOOTS_REMEMBERED:
                del self._earlier_times[next(iter(self._earlier_times))]
        else:
            self._earlier_times.clear()
        return _Unit(hello, Delivery(hello.evt_oldest), TimeKeeper(hello.tick_hz), now_ns, live)

    def _heartbeat(self, unit: _Unit, beat: Heartbeat, now_ns: int) -> list[Action]:
        if beat.evt_oldest > beat.evt_newest + 1:
            self._line.counts["implausible"] += 1
            return []
        if beat.tick < unit.tick:  # in one boot time does not run backwards; an old frame, or a reset without a name
            self._line.counts["implausible"] += 1
        unit.tick = max(unit.tick, beat.tick)
        unit.live.heard(beat, now_ns)
        self._counts["events_lost"] += unit.delivery.released(beat.evt_oldest)
        return self._ask_replay(unit, beat.evt_newest, now_ns)

    def _event(self, unit: _Unit, frame: Frame, message: Event, now_ns: int) -> list[Action]:
        boot_id = message.boot_id or unit.hello.boot_id
        if not unit.time.map.known and now_ns - unit.met_ns < _CLOCK_GRACE_NS:
            return []  # its time answer was lost: an exposure is worth more with its moment, and comes again
        verdict = unit.delivery.arrived(frame.seq, boot_id)
        if verdict is not Verdict.NEW:
            self._counts["events_repeated"] += 1
            self._repeated = self._repeated or verdict is Verdict.DURABLE
            return []
        self._counts["events_new"] += 1
        earlier = boot_id != unit.hello.boot_id
        replayed = earlier or bool(frame.flags & FrameFlag.REPLAY)
        readable = not isinstance(message, Fault) or message.code is not FaultCode.UNREADABLE_EVENT
        times = self._earlier_times.get(boot_id) if earlier else unit.time.map
        moment_ns = times.host_ns(message.tick) if times and readable else None
        told = believed(message, moment_ns, now_ns, unit.hello.tick_hz)
        if told is not message:
            self._line.counts["implausible"] += 1
            moment_ns = None
        event = ReceivedEvent(
            key=EventKey(unit.hello.device_id, boot_id, frame.seq),
            message=told,
            device_tick=message.tick,
            host_monotonic_ns=now_ns if moment_ns is None else moment_ns,
            mapped=moment_ns is not None,
            replayed=replayed,
            payload=frame.payload,
        )
        unit.live.happened(event)
        return [Persist(event), *self._ask_replay(unit, frame.seq, now_ns)]

    def _ask(self, now_ns: int) -> list[Action]:
        """Any frame without the unit's session asks for its HELLO."""
        self._asked_ns = now_ns
        return [self._send(TimeReq(now_ns), session=_NO_SESSION)]

    def _ask_replay(self, unit: _Unit, newest: int, now_ns: int) -> list[Action]:
        first = unit.delivery.first_missing(newest)
        if first is not None and first != unit.gap:
            unit.gap = first
            self._counts["gaps"] += 1
        if first is None or now_ns - self._replay_asked_ns < _REPLAY_AGAIN_NS:
            return []
        self._replay_asked_ns = now_ns
        self._counts["replays_asked"] += 1
        return [self._send(ReplayReq(first))]

    def _send(self, message: Message, session: int | None = None) -> Send:
        if session is None:
            session = self._unit.session if self._unit else _NO_SESSION
        self._sent = (self._sent + 1) % 2**32
        return Send(encode_frame(Frame(TYPE_OF[type(message)], 0, session, self._sent, encode(message)), flush=True))


def _plausible(hello: Hello, session: int) -> bool:
    named = hello.boot_id & 0xFFFF
    return named == session and named != _NO_SESSION and hello.evt_oldest <= hello.evt_newest + 1
