"""Unit, cable and host in virtual time, with every fault that the simulator knows, kills of the host and a bad disk.

Both ends know no I/O, so that hours of bad luck take minutes and a seed repeats them. What is checked at every step:
each frame that the host's decoder accepts was sent by the unit as it is, and each event that becomes durable happened.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace

from firmware_bridge.driver import Action, ClosePort, Persist, Send
from firmware_bridge.frame import Decoder
from firmware_bridge.link import EventKey, LinkReason, ReceivedEvent
from firmware_bridge.messages import Event, Exposure, ResetCause, UnitState
from firmware_bridge.session import Session
from firmware_bridge.simulator.chaos import Chaos, Storm
from firmware_bridge.simulator.faults import BrownOut, Fault, Garbage, Lie, Reenumerate, Reset, Seize, Stuck, Unplug
from firmware_bridge.simulator.line import Line
from firmware_bridge.simulator.ring import EventRing
from firmware_bridge.simulator.unit import Happened, LetGo, Technique, Unit

MS = 1_000_000
S = 1_000 * MS
_STEPS_MS = (1, 2, 5, 20)
_REMEMBERED = 50_000
_LET_GO: tuple[LetGo, ...] = ("after",) * 7 + ("prep", "ready", "exposing")


class Killed(Exception):  # noqa: N818 - kill -9
    """The host process is gone."""


class World:
    """A unit, a cable, a host that dies and comes back, and a disk that outlives it."""

    def __init__(self, seed: int, *, fault_every_s: float = 0.7) -> None:
        self.rng = random.Random(f"{seed} world")
        self.now_ns = 1_000 * S
        self.frames = 0
        self.happened: dict[EventKey, Event] = {}
        self.disk: dict[EventKey, Event] = {}
        self.faults: Counter[str] = Counter()
        self.invented = self.corrupt = self.changed = 0
        self.calm = False
        self.ring = EventRing(1_000_000)
        boots = itertools.count(2**40 + 1)
        named = (boot for boot in boots if boot & 0xFFFF)
        self.unit = Unit(self.now_ns, speed=100, ring=self.ring, seen=self._seen, boot_ids=named.__next__)
        self.line = Line(random.Random(f"{seed} line"))
        self.storm = Storm(Chaos(fault_every_s), random.Random(f"{seed} storm"), self.now_ns)
        self._shadow = Decoder()
        self._sent: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._sent_set: Counter[bytes] = Counter()
        self._gone_until_ns = self._off_until_ns = self._honest_ns = 0
        self._restart()

    def run(self, frames: int) -> None:
        """Until so many frames were put on the line, both ways."""
        while self.frames < frames:
            self._step()

    def settle(self) -> None:
        """Calm weather until the host has confirmed everything."""
        self.calm = True
        end_ns = self.now_ns + 600 * S
        while self.unit.unconfirmed or not self.unit.connected or self.unit.state is not UnitState.STANDBY:
            self._step()
            assert self.now_ns < end_ns, "the unit still holds events"

    @property
    def exposures(self) -> int:
        """How many happened."""
        return sum(isinstance(event, Exposure) for event in self.happened.values())

    def figures(self) -> str:
        """What came out, in one line."""
        missing = self.happened.keys() - self.disk.keys()
        lost = sum(isinstance(self.happened[key], Exposure) for key in missing)
        return (
            f"{self.frames} frames, {sum(self.faults.values())} faults of {len(self.faults)} kinds, "
            f"{self.exposures} exposures: {lost} lost, {self.invented} invented, {self.changed} changed, "
            f"{self.corrupt} corrupt frames accepted"
        )

    # -- inside ------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        self.now_ns += self.rng.choice(_STEPS_MS) * MS
        if not self.calm:
            self._live()
        frames = self.unit.advance(self.now_ns) if self.now_ns >= self._off_until_ns else []
        self.frames += len(frames)
        for frame in frames:
            self._remember(frame)
        data = self.line.carry(frames, "to-host", self.now_ns)
        try:
            if self._plugged:
                self._hear(data)
            self._do(self.session.tick(self.now_ns))
        except Killed:
            self._restart()
        if self._plugged:
            self._to_unit([])

    def _live(self) -> None:
        """The technician works, and things go wrong."""
        if len(self.ring) < 300:
            pre_ms = self.rng.choice((0, 0, 3))
            technique = Technique(50 + self.rng.randrange(100) / 10, 100, self.rng.choice((5, 20)), pre_ms, 2)
            self.unit.press(technique, self.now_ns, let_go=self.rng.choice(_LET_GO))
        if self.now_ns >= self._honest_ns:
            self.unit.lie = {}
        for fault in self.storm.due(self.now_ns):
            self.faults[fault.do] += 1
            self._happen(fault)
        if self.rng.random() < 0.003:
            self.faults["killed"] += 1
            self._restart()

    def _happen(self, fault: Fault) -> None:
        match fault:
            case Unplug() | Reenumerate() | Seize():
                self.line.cut()
                self._gone_until_ns = self.now_ns + round(getattr(fault, "s", 0.0) * S)
                self.session.port_lost(LinkReason.PORT_LOST, self.now_ns)
                self._shadow.reset()
                self._do(self.session.port_opened(self.now_ns))
            case Garbage(size=size):
                self._hear_noise(size)
            case BrownOut(s=s, garbage=size):
                self._hear_noise(size)
                self.unit.reset(ResetCause.BROWN_OUT, self.now_ns)
                self._off_until_ns = self.now_ns + round(s * S)
            case Reset(garbage=size):
                self._hear_noise(size)
                self.unit.reset(ResetCause.SOFTWARE, self.now_ns)
            case Stuck(s=s):
                self.unit.stick(s / 10, self.now_ns)
            case Lie(s=s):
                self.unit.lie = fault.told()
                self._honest_ns = self.now_ns + round(s * S)
            case _:
                self.line.arm(fault, self.now_ns)

    def _hear_noise(self, size: int) -> None:
        if self._plugged:
            try:
                self._hear(self.line.garbage(size))
            except Killed:
                self._restart()

    def _hear(self, data: bytes) -> None:
        """The host reads, in chunks of any size."""
        size = self.rng.choice((self.rng.randrange(1, 120), 4096))
        for start in range(0, len(data), size):
            chunk = data[start : start + size]
            for frame in self._shadow.feed(chunk):
                self.corrupt += not self._sent_set[_fingerprint(*frame)]
            self._do(self.session.feed(chunk, self.now_ns))

    def _do(self, actions: Sequence[Action]) -> None:
        """As the bridge does it: sends, keeps all events at once, sends what acknowledges them."""
        self._send(actions)
        if events := [action.event for action in actions if isinstance(action, Persist)]:
            self._send(self._persist(events))
        if any(isinstance(action, ClosePort) for action in actions):
            self._shadow.reset()
            self._do(self.session.port_opened(self.now_ns))

    def _send(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self.frames += 1
                if self._plugged:
                    self._to_unit([action.data])

    def _to_unit(self, frames: list[bytes]) -> None:
        heard = self.line.carry(frames, "to-unit", self.now_ns)
        if heard and self.now_ns >= self._off_until_ns:
            self.unit.receive(heard, self.now_ns)

    def _persist(self, events: Sequence[ReceivedEvent]) -> Sequence[Action]:
        """A transaction: all of them or none."""
        keys = [event.key for event in events]
        dice = 1.0 if self.calm else self.rng.random()
        if dice < 0.002:
            self.faults["killed before disk"] += 1
            raise Killed
        if dice < 0.01:
            self.faults["not kept"] += 1
            self.session.events_refused(keys)
            return ()
        for event in events:
            key, told = event.key, replace(event.message, boot_id=None)
            self.invented += key not in self.happened
            self.changed += self.happened.get(key) != told or self.disk.get(key, told) != told
            self.disk.setdefault(key, told)
        if dice < 0.012:
            self.faults["killed after disk"] += 1
            raise Killed
        return self.session.events_persisted(keys)

    def _restart(self) -> None:
        self.session = Session()
        self._shadow = Decoder()
        self.session.port_opened(self.now_ns)

    @property
    def _plugged(self) -> bool:
        return self.now_ns >= self._gone_until_ns

    def _remember(self, wire: bytes) -> None:
        (frame,) = Decoder().feed(wire)
        if len(self._sent) == _REMEMBERED:
            oldest = self._sent[0]
            self._sent_set[oldest] -= 1
            if not self._sent_set[oldest]:
                del self._sent_set[oldest]
        fingerprint = _fingerprint(*frame)
        self._sent.append(fingerprint)
        self._sent_set[fingerprint] += 1

    def _seen(self, happened: Happened) -> None:
        self.happened[EventKey("SIM-UNIT-1", happened.boot_id, happened.seq)] = happened.event


def _fingerprint(type_: int, flags: int, session: int, seq: int, payload: bytes) -> bytes:
    return b"%d %d %d %d " % (type_, flags, session, seq) + payload
