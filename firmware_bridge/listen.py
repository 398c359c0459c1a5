"""The ears of the link: overhears a unit that talks to somebody else, or to nobody, and never answers.

`states.LISTENING` is its whole life; `states.SENDS` is what it may not do. A listener can't ask for a lost frame and
can't confirm one, so it is weaker than a session, and says so: what is missing is counted as a gap.

What always holds:

- There is no action that sends: nothing here makes a frame, and the port's descriptor could not write one.
- An event is handed out once. One that can't be made durable now is kept here and offered again: nobody else will.
- Before the unit has named itself by a HELLO, its events are kept under a name for the time being: the expected unit
  (or `UNNAMED`) and the 16 bits of the session. They are as durable as any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from firmware_bridge.driver import Action, ClosePort
from firmware_bridge.frame import Frame, FrameFlag
from firmware_bridge.keeping import Keeping
from firmware_bridge.link import EventKey, LinkCounters, LinkReason, LinkStatus, Mode, ReceivedEvent
from firmware_bridge.live import Live
from firmware_bridge.messages import (
    PROTOCOL,
    Event,
    Exposure,
    Fault,
    FaultCode,
    Heartbeat,
    Hello,
    StateChange,
    TimeRsp,
)
from firmware_bridge.port import BAUD
from firmware_bridge.reading import Line, believed
from firmware_bridge.session import DEGRADED_AFTER_NS, DOWN_AFTER_NS, LINK_OF
from firmware_bridge.states import LISTENING, Do, Input, State
from firmware_bridge.timemap import OneWayMap

UNNAMED: Final = "unnamed"
"""The unit's name as long as neither it nor the configuration has said one."""
_REMEMBERED: Final = 8192
_FRAME_OVERHEAD: Final = 17
_COUNTED: Final = ("foreign_session", "events_new", "events_repeated", "sessions", "ports_opened", "gaps")


@dataclass(slots=True)
class _Speaker:
    """Who is heard in one session."""

    session: int
    hello: Hello | None = None
    times: OneWayMap | None = None
    newest: int | None = None
    live: Live = field(default_factory=Live)


class Listener:
    """A `Driver` that only listens. `expected_id` is the unit that belongs on this port."""

    def __init__(self, expected_id: str | None = None) -> None:
        self._expected_id = expected_id
        self._state = State.CLOSED
        self._reason = LinkReason.PORT_ABSENT
        self._line = Line()
        self._speaker: _Speaker | None = None
        self._told: dict[tuple[int, int], None] = {}
        self._keeping = Keeping()
        self._counts: dict[str, int] = dict.fromkeys(_COUNTED, 0)
        self._heard_ns = 0
        self._acts: Final[dict[Do, Callable[[int, Frame | None, Any], list[Action]]]] = {
            Do.NOTHING: lambda *_: [],
            Do.MEET: self._meet,
            Do.OVERHEAR: self._overhear,
            Do.REFUSE: lambda *_: self._because(LinkReason.INCOMPATIBLE),
            Do.FALL_SILENT: lambda *_: self._because(LinkReason.SILENT),
            Do.GIVE_UP: lambda *_: [*self._because(LinkReason.SILENT), ClosePort(LinkReason.SILENT)],
        }

    @property
    def up(self) -> bool:
        """Whether the unit is heard."""
        return self._state is State.UP

    def port_opened(self, now_ns: int) -> list[Action]:
        """The port is open."""
        self._line.reset()
        self._heard_ns = now_ns
        self._counts["ports_opened"] += 1
        self._reason = LinkReason.NO_HELLO
        return self._step(Input.OPENED, now_ns)

    def port_lost(self, reason: LinkReason, now_ns: int) -> list[Action]:
        """The port could not be opened, or failed and is closed."""
        self._reason = reason
        return self._step(Input.LOST, now_ns)

    def feed(self, data: bytes, now_ns: int) -> list[Action]:
        """Bytes came from the port at `now_ns`."""
        actions: list[Action] = []
        for frame in self._line.feed(data):
            if self._state is State.CLOSED:
                break
            self._heard_ns = now_ns
            message = self._line.read(frame)
            actions += self._step(self._input(frame, message), now_ns, frame, message)
        return actions

    def tick(self, now_ns: int) -> list[Action]:
        """Time passed: what could not be kept is offered again."""
        silent_ns = now_ns - self._heard_ns
        actions: list[Action] = []
        if silent_ns > DOWN_AFTER_NS:
            actions += self._step(Input.SILENT, now_ns)
        elif silent_ns > DEGRADED_AFTER_NS:
            actions += self._step(Input.LATE, now_ns)
        return [*self._keeping.again(now_ns), *actions]

    def expects(self, now_ns: int) -> bool:
        """Always: when a frame came is all that a listener has to tell the unit's time by."""
        del now_ns
        return True

    def events_persisted(self, keys: Sequence[EventKey]) -> list[Action]:
        """The events are durable. Nobody is told."""
        for key in keys:
            self._keeping.kept(key)
        return []

    def events_refused(self, keys: Sequence[EventKey]) -> None:
        """The events could not be made durable now: they stay here and are offered again."""
        for key in keys:
            self._keeping.not_kept(key)

    def status(self) -> LinkStatus:
        """The link now."""
        speaker = self._speaker
        hello = speaker.hello if speaker else None
        return LinkStatus(
            link=LINK_OF[self._state],
            reason=self._why(),
            device_id=hello.device_id if hello else None,
            boot_id=hello.boot_id if hello else None,
            firmware=hello.firmware if hello else None,
            capabilities=hello.capabilities if hello else (),
            counters=LinkCounters(
                reconnects=max(0, self._counts["ports_opened"] - 1),
                events_lost=self._keeping.lost,
                **self._line.line_counts(),
                **self._counts,
            ),
            mode=Mode.LISTEN,
            expected_device_id=self._expected_id,
            **(speaker.live if speaker else Live()).facts(),
        )

    # -- inside ------------------------------------------------------------------------------------------------

    def _why(self) -> LinkReason:
        if self._state is not State.UP:
            greeting = self._reason in (LinkReason.NO_HELLO, LinkReason.SILENT) and self._state is not State.DEGRADED
            return LinkReason.WRONG_BAUD if greeting and self._line.garbled else self._reason
        if self._keeping.refused:
            return LinkReason.NOT_DURABLE
        if self._speaker is None or self._speaker.hello is None:
            return LinkReason.NOT_NAMED
        other = self._expected_id not in (None, self._speaker.hello.device_id)
        return LinkReason.OTHER_UNIT if other else LinkReason.NONE

    def _because(self, reason: LinkReason) -> list[Action]:
        self._reason = reason
        return []

    def _step(self, input_: Input, now_ns: int, frame: Frame | None = None, message: Any = None) -> list[Action]:
        do, self._state = LISTENING[self._state, input_]
        return self._acts[do](now_ns, frame, message)

    def _input(self, frame: Frame, message: Any) -> Input:
        if isinstance(message, Hello):
            spoken = message.proto_min <= PROTOCOL <= message.proto_max
            return Input.HELLO if spoken else Input.REFUSED
        known = self._speaker is not None and self._speaker.session == frame.session
        return Input.FRAME if known else Input.FOREIGN

    def _meet(self, _: int, frame: Frame | None, message: Any) -> list[Action]:
        assert frame is not None
        assert isinstance(message, Hello)
        speaker = self._hear(frame.session)
        if speaker.hello is None or speaker.hello.boot_id != message.boot_id:
            self._counts["sessions"] += 1
            speaker.times = OneWayMap(message.tick_hz)
        speaker.hello = message
        return []

    def _overhear(self, now_ns: int, frame: Frame | None, message: Any) -> list[Action]:
        assert frame is not None
        speaker = self._hear(frame.session)
        match message:
            case StateChange() | Exposure() | Fault():
                return self._event(speaker, frame, message, now_ns)
            case Heartbeat():
                self._time(speaker, message.tick, frame, now_ns)
                speaker.live.heard(message, now_ns)
                if speaker.newest is not None and message.evt_newest > speaker.newest:
                    self._counts["gaps"] += 1
                speaker.newest = max(speaker.newest or 0, message.evt_newest)
            case TimeRsp():
                self._time(speaker, message.tx_tick, frame, now_ns)
        return []

    def _hear(self, session: int) -> _Speaker:
        if self._speaker is None or self._speaker.session != session:
            self._counts["foreign_session"] += self._speaker is not None
            last = self._speaker.live.last_exposure if self._speaker else None
            self._speaker = _Speaker(session, live=Live(last_exposure=last))
        return self._speaker

    def _time(self, speaker: _Speaker, tick: int, frame: Frame, now_ns: int) -> None:
        if speaker.times is not None:
            line_ns = (len(frame.payload) + _FRAME_OVERHEAD) * 10 * 1_000_000_000 // BAUD
            speaker.times.add(tick=tick, received_ns=now_ns, line_ns=line_ns)

    def _event(self, speaker: _Speaker, frame: Frame, message: Event, now_ns: int) -> list[Action]:
        hello = speaker.hello
        boot_id = message.boot_id or (hello.boot_id if hello else frame.session)
        if not self._is_new(boot_id, frame.seq):
            self._counts["events_repeated"] += 1
            return []
        if speaker.newest is not None and frame.seq > speaker.newest + 1:
            self._counts["gaps"] += 1
        speaker.newest = max(speaker.newest or 0, frame.seq)
        self._counts["events_new"] += 1
        earlier = message.boot_id is not None and (hello is None or message.boot_id != hello.boot_id)
        readable = not isinstance(message, Fault) or message.code is not FaultCode.UNREADABLE_EVENT
        mappable = speaker.times is not None and readable and not earlier
        moment_ns = speaker.times.host_ns(message.tick) if speaker.times is not None and mappable else None
        told = believed(message, moment_ns, now_ns, hello.tick_hz if hello else None)
        if told is not message:
            self._line.counts["implausible"] += 1
            moment_ns = None
        event = ReceivedEvent(
            key=EventKey(hello.device_id if hello else self._expected_id or UNNAMED, boot_id, frame.seq),
            message=told,
            device_tick=message.tick,
            host_monotonic_ns=now_ns if moment_ns is None else min(moment_ns, now_ns),
            mapped=moment_ns is not None,
            replayed=earlier or bool(frame.flags & FrameFlag.REPLAY),
            payload=frame.payload,
        )
        speaker.live.happened(event)
        return self._keeping.hand_out(event)

    def _is_new(self, boot_id: int, seq: int) -> bool:
        """What was told before the boot had its name is known by the name's 16 bits."""
        if (boot_id, seq) in self._told or (boot_id & 0xFFFF, seq) in self._told:
            return False
        self._told[boot_id, seq] = None
        if len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        return True
