"""Polls one Spellman generator: the `Driver` that asks what it may ask and concludes what happened.

`Asking` sends the listed reads and gets answers or none; a `Watch` for each model turns answers into states,
exposures and faults; this module gives them names, keeps them until they are durable, and says how the link is.

A generator numbers nothing and confirms nothing. An event's name is made here: the configured unit, a number drawn
when polling began, and a count. What always holds: what happens while nobody polls is not seen, save for one exposure
that the generator still holds when polling goes on in the same run.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

from firmware_bridge.driver import Action, ClosePort, Send
from firmware_bridge.keeping import Keeping
from firmware_bridge.link import EventKey, LinkCounters, LinkReason, LinkStatus, Mode, ReceivedEvent
from firmware_bridge.session import DEGRADED_AFTER_NS, DOWN_AFTER_NS, LINK_OF
from firmware_bridge.spellman.asking import Asking
from firmware_bridge.spellman.pmx import PMX, Scales
from firmware_bridge.spellman.watch_pmx import PmxWatch
from firmware_bridge.spellman.watch_xrv import XrvWatch
from firmware_bridge.spellman.watching import Noted, Watch
from firmware_bridge.spellman.xrv import XRV
from firmware_bridge.states import Input, State

_PROFILES: Final = {profile.name: profile for profile in (PMX, XRV)}

_STATUS: Final = 22

# fmt: off
POLLING: Final[dict[tuple[State, Input], State]] = {
    (State.CLOSED,   Input.OPENED): State.GREETING,
    (State.CLOSED,   Input.LOST):   State.CLOSED,
    (State.CLOSED,   Input.FRAME):  State.CLOSED,
    (State.CLOSED,   Input.LATE):   State.CLOSED,
    (State.CLOSED,   Input.SILENT): State.CLOSED,
    (State.GREETING, Input.OPENED): State.GREETING,
    (State.GREETING, Input.LOST):   State.CLOSED,
    (State.GREETING, Input.FRAME):  State.UP,
    (State.GREETING, Input.LATE):   State.GREETING,
    (State.GREETING, Input.SILENT): State.CLOSED,
    (State.UP,       Input.OPENED): State.GREETING,
    (State.UP,       Input.LOST):   State.CLOSED,
    (State.UP,       Input.FRAME):  State.UP,
    (State.UP,       Input.LATE):   State.DEGRADED,
    (State.UP,       Input.SILENT): State.CLOSED,
    (State.DEGRADED, Input.OPENED): State.GREETING,
    (State.DEGRADED, Input.LOST):   State.CLOSED,
    (State.DEGRADED, Input.FRAME):  State.UP,
    (State.DEGRADED, Input.LATE):   State.DEGRADED,
    (State.DEGRADED, Input.SILENT): State.CLOSED,
}
"""The life of the link; a FRAME is an answer. Complete for these inputs: nobody greets."""
# fmt: on


class Poller:
    """A `Driver` for one generator.

    Args:
        profile: `spellman-pmx` or `spellman-xrv`.
        device_id: what the generator is called; by its profile when None, since it can't say its serial number.
        last_kv_per_count: PMX only, see `pmx.Scales`.
        run_id: the number that stands for this run in events' names, 1 to 2**53 - 1; drawn when None.
    """

    def __init__(
        self,
        profile: str,
        device_id: str | None = None,
        last_kv_per_count: float | None = None,
        run_id: int | None = None,
    ) -> None:
        self._profile = _PROFILES[profile]
        self._device_id = device_id or profile
        self._run_id = run_id or 1 + secrets.randbelow(2**53 - 1)
        self._asking = Asking(self._profile)
        scales = None if last_kv_per_count is None else Scales(last_kv_per_count)
        self._watch: Watch = PmxWatch(scales) if self._profile is PMX else XrvWatch()
        self._keeping = Keeping()
        self._state = State.CLOSED
        self._reason = LinkReason.PORT_ABSENT
        self._asked_ns: dict[int, int] = {}
        self._heard_ns = 0
        self._round_trips: list[int] = []
        self._seq = 0
        self._ports = 0

    @property
    def up(self) -> bool:
        """Whether the generator answers."""
        return self._state is State.UP

    def port_opened(self, now_ns: int) -> list[Action]:
        """The port is open: the first question."""
        self._asking.reset()
        self._asked_ns.clear()
        self._ports += 1
        self._heard_ns = now_ns
        self._reason = LinkReason.NO_HELLO
        self._enter(Input.OPENED)
        return self._ask(now_ns)

    def port_lost(self, reason: LinkReason, now_ns: int) -> list[Action]:
        """The port could not be opened, or failed and is closed."""
        del now_ns
        self._enter(Input.LOST)
        self._reason = reason
        return []

    def feed(self, data: bytes, now_ns: int) -> list[Action]:
        """Bytes came from the port at `now_ns`."""
        actions: list[Action] = []
        for answer in self._asking.feed(data, now_ns):
            greeted = self._state is not State.GREETING or answer.reading.command.opcode == _STATUS
            if self._state is State.CLOSED or not greeted:
                continue  # a status has to be understood first: other models answer other commands alike
            self._heard_ns = now_ns
            self._enter(Input.FRAME)
            self._round_trips = [*self._round_trips[-31:], answer.heard_ns - answer.asked_ns]
            for noted in self._watch.take(answer):
                actions += self._keeping.hand_out(self._named(noted))
        return [*actions, *self._ask(now_ns)]

    def tick(self, now_ns: int) -> list[Action]:
        """Time passed: the next question, if it is due."""
        self._asking.expired(now_ns)
        silent_ns = now_ns - self._heard_ns
        actions = self._keeping.again(now_ns)
        if self._state is not State.CLOSED and silent_ns > DOWN_AFTER_NS:
            self._enter(Input.SILENT)
            self._reason = LinkReason.SILENT
            return [*actions, ClosePort(self._why())]
        if silent_ns > DEGRADED_AFTER_NS:
            if self._state is State.UP:
                self._reason = LinkReason.SILENT
            self._enter(Input.LATE)
        return [*actions, *self._ask(now_ns)]

    def expects(self, now_ns: int) -> bool:
        """Always: the next question follows an answer at once."""
        del now_ns
        return True

    def events_persisted(self, keys: Sequence[EventKey]) -> list[Action]:
        """The events are durable. The generator is not told: it knows of no events."""
        for key in keys:
            self._keeping.kept(key)
        return []

    def events_refused(self, keys: Sequence[EventKey]) -> None:
        """The events could not be made durable now: they stay here and are offered again."""
        for key in keys:
            self._keeping.not_kept(key)

    def status(self) -> LinkStatus:
        """The link now."""
        met = self._state in (State.UP, State.DEGRADED) or self._seq > 0
        return LinkStatus(
            link=LINK_OF[self._state],
            reason=self._why(),
            device_id=self._device_id if met else None,
            boot_id=self._run_id if met else None,
            firmware=self._watch.firmware,
            round_trip_ns=min(self._round_trips, default=None),
            counters=LinkCounters(
                events_new=self._seq,
                events_lost=self._keeping.lost,
                sessions=1 if met else 0,
                ports_opened=self._ports,
                reconnects=max(0, self._ports - 1),
                implausible=self._watch.implausible,
                **self._asking.counts(),
            ),
            mode=Mode.POLL,
            profile=self._profile.name,
            **self._watch.live.facts(),
        )

    # -- inside ------------------------------------------------------------------------------------------------

    def _enter(self, input_: Input) -> None:
        self._state = POLLING[self._state, input_]

    def _why(self) -> LinkReason:
        if self._state is State.UP:
            return LinkReason.NOT_DURABLE if self._keeping.refused else LinkReason.NONE
        if self._reason in (LinkReason.NO_HELLO, LinkReason.SILENT):
            if self._asking.garbled:
                return LinkReason.WRONG_BAUD
            if self._asking.strange:
                return LinkReason.NOT_UNDERSTOOD
        return self._reason

    def _ask(self, now_ns: int) -> list[Action]:
        """The most overdue question, when none is open."""
        if self._state is State.CLOSED or not self._asking.free:
            return []
        overdue_ns, opcode = max(
            (now_ns - self._asked_ns.get(want.opcode, 0) - want.every_ns, -at, want.opcode)
            for at, want in enumerate(self._watch.wanted())
        )[::2]
        if overdue_ns < 0:
            return []
        self._asked_ns[opcode] = now_ns
        return [Send(self._asking.ask(opcode, now_ns))]

    def _named(self, noted: Noted) -> ReceivedEvent:
        self._seq += 1
        event = ReceivedEvent(
            key=EventKey(self._device_id, self._run_id, self._seq),
            message=noted.message,
            device_tick=noted.message.tick,
            host_monotonic_ns=noted.at_ns,
            mapped=noted.timed,
            replayed=False,
            payload=noted.raw.encode("ascii"),
        )
        self._watch.live.happened(event)
        return event
