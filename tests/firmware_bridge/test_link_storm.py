"""Both ends of the link in virtual time, with everything going wrong at once: nothing lost, doubled or invented.

The unit's end and the host's end know no I/O, so that minutes of bad luck take a second, repeatable by seed.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import replace

import pytest

from firmware_bridge.link import EventKey, LinkReason
from firmware_bridge.messages import Event, Exposure, ResetCause, UnitState
from firmware_bridge.session import Action, ClosePort, Persist, Send, Session
from firmware_bridge.simulator.ring import EventRing
from firmware_bridge.simulator.unit import Happened, Technique, Unit

MS = 1_000_000
STEP_NS = 5 * MS


class Killed(Exception):  # noqa: N818 - kill -9
    """The host process is gone."""


class World:
    """A unit, a line, a host that dies and comes back, and a disk that outlives it."""

    def __init__(self, seed: int, ring_capacity: int = 20_000) -> None:
        self.rng = random.Random(seed)
        self.now_ns = 1_000_000 * MS
        self.happened: dict[EventKey, Event] = {}
        self.disk: dict[EventKey, Event] = {}
        self.kept: Counter[EventKey] = Counter()
        self.faults: Counter[str] = Counter()
        self.calm = False
        self.ring = EventRing(ring_capacity)
        self.unit = Unit(
            self.now_ns, speed=20, ring=self.ring, seen=self._seen, boot_ids=itertools.count(2**40 + 1).__next__
        )
        self.session = Session()
        self.session.port_opened(self.now_ns)
        self.unplugged_until_ns = 0

    def run(self, seconds: float) -> None:
        end_ns = self.now_ns + round(seconds * 1000) * MS
        while self.now_ns < end_ns:
            self.step()

    def settle(self) -> None:
        self.calm = True
        for _ in range(20_000):
            self.step()
            if self.unit.unconfirmed == 0 and self.unit.connected and self.unit.state is UnitState.STANDBY:
                return
        raise AssertionError("the unit still holds events")

    def step(self) -> None:
        self.now_ns += STEP_NS
        if not self.calm:
            if self.unit.state is UnitState.STANDBY and len(self.ring) < 300:
                self.unit.press(
                    Technique(50 + self.rng.randrange(100) / 10, 100, self.rng.choice((5, 20))), self.now_ns
                )
            self._misfortune()
        to_host = self.unit.advance(self.now_ns)
        plugged = self.now_ns >= self.unplugged_until_ns
        data = b"".join(self._spoil(frame) for frame in to_host) if plugged else b""
        try:
            if plugged:
                for chunk in self._chunks(data):
                    self._do(self.session.feed(chunk, self.now_ns))
            self._do(self.session.tick(self.now_ns))
        except Killed:
            self._restart()

    def _misfortune(self) -> None:
        dice = self.rng.random()
        if dice < 0.002:
            self.faults["unplug"] += 1
            self.unplugged_until_ns = self.now_ns + self.rng.randrange(20, 800) * MS
            self.session.port_lost(LinkReason.PORT_LOST, self.now_ns)
            self.session.port_opened(self.unplugged_until_ns)
        elif dice < 0.004:
            self.faults["brown-out"] += 1
            self.unit.reset(ResetCause.BROWN_OUT, self.now_ns)
        elif dice < 0.006:
            self.faults["killed"] += 1
            self._restart()

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(data):
                    if self.now_ns >= self.unplugged_until_ns:
                        self.unit.receive(self._spoil(data), self.now_ns)
                case ClosePort():
                    self.session.port_opened(self.now_ns)
                case Persist(event):
                    self._persist(action, event.key)

    def _persist(self, action: Persist, key: EventKey) -> None:
        dice = 1.0 if self.calm else self.rng.random()
        if dice < 0.02:
            self.faults["killed before disk"] += 1
            raise Killed
        if dice < 0.04:
            self.faults["not kept"] += 1
            self.session.events_refused([key])
            return
        self.kept[key] += 1
        known = self.disk.setdefault(key, replace(action.event.message, boot_id=None))
        assert known == replace(action.event.message, boot_id=None)
        if dice < 0.06:
            self.faults["killed after disk"] += 1
            raise Killed
        self._do(self.session.events_persisted([key]))

    def _restart(self) -> None:
        self.session = Session()
        self.session.port_opened(self.now_ns)

    def _spoil(self, frame: bytes) -> bytes:
        dice = 1.0 if self.calm else self.rng.random()
        if dice < 0.05:
            self.faults["dropped"] += 1
            return b""
        if dice < 0.10:
            self.faults["flipped"] += 1
            spoilt = bytearray(frame)
            spoilt[self.rng.randrange(len(spoilt))] ^= 1 << self.rng.randrange(8)
            return bytes(spoilt)
        if dice < 0.13:
            self.faults["doubled"] += 1
            return frame + frame
        if dice < 0.16:
            self.faults["cut"] += 1
            return frame[: self.rng.randrange(len(frame))]
        if dice < 0.20:
            self.faults["noise"] += 1
            return self.rng.randbytes(self.rng.randrange(1, 60)) + frame
        return frame

    def _chunks(self, data: bytes) -> list[bytes]:
        size = self.rng.randrange(1, 80)
        return [data[start : start + size] for start in range(0, len(data), size)]

    def _seen(self, happened: Happened) -> None:
        self.happened[EventKey("SIM-UNIT-1", happened.boot_id, happened.seq)] = happened.event


def storm(seed: int, seconds: float) -> World:
    world = World(seed)
    world.run(seconds)
    world.settle()
    assert world.ring.lost == 0  # it had room: what is missing would be the link's fault
    assert world.disk == world.happened  # all of them, once each, as they were, and nothing else
    return world


@pytest.mark.requirement("no exposure is lost, doubled or invented")
@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_lost_doubled_or_invented_in_a_storm(seed: int) -> None:
    world = storm(seed, seconds=30)
    assert sum(isinstance(event, Exposure) for event in world.disk.values()) > 40
    assert len(world.faults) == 11  # every kind of misfortune happened


@pytest.mark.soak
@pytest.mark.requirement("no exposure is lost, doubled or invented")
@pytest.mark.parametrize("seed", range(100, 120))
def test_nothing_is_lost_doubled_or_invented_in_a_long_storm(seed: int) -> None:
    storm(seed, seconds=600)


def test_in_calm_weather_everything_arrives_once_and_nothing_is_asked_for_again() -> None:
    world = World(seed=1)
    world.calm = True
    world.run(1)
    for _ in range(5):
        world.unit.press(Technique(50, 100, 20), world.now_ns)
        world.run(0.5)
    world.settle()
    assert world.disk == world.happened
    assert set(world.kept.values()) == {1}
    counters = world.session.status().counters
    assert (counters.events_repeated, counters.replays_asked, counters.events_lost, counters.bad_crc) == (0, 0, 0, 0)


@pytest.mark.requirement("no exposure is lost, doubled or invented")
def test_a_unit_whose_memory_overflows_keeps_its_exposures_and_the_host_counts_what_is_gone() -> None:
    world = World(seed=1, ring_capacity=12)
    world.calm = True
    world.run(1)
    world.unplugged_until_ns = world.now_ns + 60_000 * MS
    for _ in range(10):
        world.unit.press(Technique(50, 100, 20), world.now_ns)
        world.run(0.5)
    world.unplugged_until_ns = world.now_ns
    world.settle()
    world.run(3)
    missing = world.happened.keys() - world.disk.keys()
    assert len(missing) == world.ring.lost == world.session.status().counters.events_lost > 40
    assert not any(isinstance(world.happened[key], Exposure) for key in missing)
    assert world.disk.items() <= world.happened.items()
