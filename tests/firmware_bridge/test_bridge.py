"""The bridge against the simulated unit, on a real pseudo-terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from firmware_bridge.bridge import (
    COLLECT_S,
    Bridge,
    EventKey,
    LinkReason,
    LinkState,
    LinkStatus,
    NotPersisted,
    ReceivedEvent,
    _Run,
)
from firmware_bridge.driver import Action, Persist, Send
from firmware_bridge.messages import EndCode, StateChange, UnitState
from firmware_bridge.port import PortLost
from firmware_bridge.simulator import Scenario
from firmware_bridge.simulator.faults import BrownOut, Corrupt, Drop, Garbage, Silence, Unplug
from firmware_bridge.simulator.scenario import Expose, Settle, Step, Wait
from tests.firmware_bridge.rig import Disk, Rig

FAST = 20.0


def scenario(*steps: Step, speed: float = FAST) -> Scenario:
    return Scenario(step=steps, speed=speed, seed=7)


@pytest.mark.requirement("each exposure of the unit is recorded with its technique")
def test_an_exposure_arrives_once_with_its_technique_and_its_moment(rig: Rig, disk: Disk) -> None:
    rig.connect(disk)
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    rig.simulate(scenario(Wait(s=4), Expose(kv=52.5, ma=100, ms=40), Settle()))
    rig.wait_for_line("scenario-finished")
    after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    (event,), (exposure,) = disk.exposures, disk.techniques
    assert (exposure.kvp, exposure.tube_current_ma, exposure.exposure_time_ms, exposure.exposure_mas) == (
        52.5,
        100.0,
        40.0,
        4.0,
    )
    assert exposure.end_code is EndCode.NORMAL
    assert exposure.tick_off - exposure.tick_on == pytest.approx(40_000, abs=1)
    assert event.mapped
    assert before < event.host_monotonic_ns < after
    assert event.device_tick == exposure.tick_on
    assert len(disk.calls) == len(set(disk.calls))


def test_the_states_of_an_exposure_arrive_in_order(rig: Rig, disk: Disk) -> None:
    rig.connect(disk)
    rig.simulate(scenario(Expose(), Settle()))
    rig.wait_for_line("scenario-finished")
    states = [event.message.new for event in disk.events.values() if isinstance(event.message, StateChange)]
    ready = [UnitState.PREP, UnitState.READY, UnitState.EXPOSING, UnitState.WAIT_RELEASE, UnitState.STANDBY]
    assert states == [UnitState.STANDBY, *ready]


@pytest.mark.requirement("an exposure is confirmed to the unit only when it is on disk")
def test_what_the_sink_can_t_keep_stays_in_the_unit_and_comes_again(rig: Rig, disk: Disk) -> None:
    disk.refuse = True
    rig.connect(disk)
    bench = rig.simulate(scenario(Expose()))
    rig.wait_for_line("scenario-finished")
    disk.wait_for(lambda: len(disk.calls) > len(set(disk.calls)))  # it came a second time
    assert bench.unit.unconfirmed == bench.unit.newest == 7
    assert disk.events == {}
    disk.wait_for(lambda: disk.now.reason is LinkReason.NOT_DURABLE)
    disk.refuse = False
    disk.wait_for(lambda: len(disk.events) == 7)
    disk.wait_for(lambda: disk.now.reason is LinkReason.NONE)
    assert len(disk.exposures) == 1
    assert disk.exposures[0].replayed


def test_a_bridge_that_restarts_in_between_loses_nothing_and_doubles_nothing(rig: Rig, disk: Disk) -> None:
    day: list[Step] = [Expose(ms=10), Wait(s=1)] * 20
    rig.simulate(scenario(*day, Settle()))
    for exposures in range(2, 20, 3):
        disconnect = rig.connect(disk)
        disk.wait_for_exposures(exposures)
        disconnect()
    rig.connect(disk)
    rig.wait_for_line("scenario-finished")
    assert len(disk.exposures) == 20
    assert sorted(key.seq for key in disk.events) == list(range(1, len(disk.events) + 1))


def test_a_pulled_plug_is_seen_and_recovered_with_the_exposure_made_meanwhile(rig: Rig, disk: Disk) -> None:
    rig.connect(disk)
    rig.simulate(scenario(Wait(s=4), Expose(ms=60, until="exposing"), Unplug(s=0.4), Settle(), Expose(), Settle()))
    rig.wait_for_line("scenario-finished")
    assert len(disk.exposures) == 2
    down = [status.reason for status in disk.statuses if status.link is LinkState.DOWN]
    assert LinkReason.PORT_LOST in down
    assert LinkReason.PORT_ABSENT in down
    assert disk.now.counters.ports_opened == 2
    assert all(event.mapped for event in disk.exposures)


@pytest.mark.parametrize(
    "faults",
    [
        (Garbage(size=3000),),
        (Drop(frames=4),),
        (Drop(frames=4, direction="to-unit"),),
        (Corrupt(frames=4),),
        (Corrupt(frames=4, direction="to-unit"),),
        (Silence(s=0.4),),
    ],
    ids=lambda faults: faults[0].do + "-" + getattr(faults[0], "direction", ""),
)
def test_noise_on_the_line_loses_no_exposure(rig: Rig, disk: Disk, faults: tuple[Step, ...]) -> None:
    rig.connect(disk)
    rig.simulate(scenario(Expose(), *faults, Expose(ms=10), *faults, Settle()))
    rig.wait_for_line("scenario-finished")
    assert [exposure.exposure_time_ms for exposure in disk.techniques] == [40.0, 10.0], (
        rig.lines,
        disk.events,
        disk.now,
    )
    assert len(disk.events) == 12 + 1


def test_a_brown_out_during_an_exposure_is_recorded_as_such(rig: Rig, disk: Disk) -> None:
    rig.connect(disk)
    rig.simulate(scenario(Wait(s=2), Expose(ms=500, until="exposing"), BrownOut(s=0.1), Wait(s=20), Settle()))
    rig.wait_for_line("scenario-finished")
    (event,) = disk.exposures
    assert disk.techniques[0].end_code is EndCode.POWER_LOST
    assert len({key.boot_id for key in disk.events}) == 2
    assert event.key.boot_id == min(disk.events, key=lambda key: key.seq).boot_id
    assert disk.now.counters.sessions == 2


def test_a_silent_unit_is_named_within_seconds(rig: Rig, disk: Disk) -> None:
    rig.connect(disk)
    rig.simulate(scenario(Settle(), Silence(s=4.5)))
    rig.wait_for_line("silence")
    begun = time.monotonic()
    disk.wait_for(lambda: disk.now.link is LinkState.DEGRADED)
    assert time.monotonic() - begun < 4.0  # 2.5 s on a machine with nothing else to do
    assert disk.now.reason is LinkReason.SILENT
    disk.wait_for(lambda: disk.now.link is LinkState.UP)


def test_the_status_tells_who_the_unit_is_and_is_fresh_each_second(rig: Rig, disk: Disk) -> None:
    rig.connect(disk)
    disk.wait_for(lambda: disk.now.reason is LinkReason.PORT_ABSENT)
    rig.simulate(scenario())
    disk.wait_for(lambda: len({status.last_heartbeat_ns for status in disk.statuses}) >= 4)
    last = disk.now
    assert (last.link, last.reason, last.device_id, last.firmware) == (
        LinkState.UP,
        LinkReason.NONE,
        "SIM-UNIT-1",
        "sim-1.0",
    )
    assert last.unit_state is UnitState.STANDBY
    assert last.interlock_closed is True


def test_a_port_held_by_another_bridge_is_said_to_be_busy(rig: Rig, disk: Disk) -> None:
    rig.connect(disk)
    rig.simulate(scenario(Expose(), Settle()))
    rig.wait_for_line("scenario-finished")
    second = Disk()
    rig.connect(second)
    second.wait_for(lambda: second.now.reason is LinkReason.PORT_BUSY)
    assert second.calls == []


class Broken:
    """A port that fails at the first write, with an event already read."""

    def __init__(self) -> None:
        self.closed = False

    def collect(self, seconds: float) -> None:
        assert seconds > 0

    def read(self) -> bytes:
        raise PortLost(LinkReason.PORT_LOST)

    def write(self, data: bytes) -> None:
        assert data
        raise PortLost(LinkReason.PORT_LOST)

    def close(self) -> None:
        self.closed = True


def test_a_port_that_fails_is_closed_at_once_and_opened_again(disk: Disk) -> None:
    opened: list[Broken] = []
    stop = threading.Event()

    def open_port(_: str) -> Broken:
        assert all(port.closed for port in opened)
        opened.append(Broken())
        if len(opened) == 3:
            stop.set()
        return opened[-1]

    Bridge("nowhere", disk, open_port).run(stop)
    assert len(opened) == 3
    assert all(port.closed for port in opened)


class Scripted:
    """A port, a driver and a sink in one, so that the order of what the bridge does with them is one list.

    Each read brings a byte, for which the driver answers with the next of `answers`.
    """

    up = True

    def __init__(self, *answers: list[Action], expecting: bool = False, breaks_at: str = "") -> None:
        self.log: list[str] = []
        self._answers = iter(answers)
        self._expecting = expecting
        self._breaks_at = breaks_at

    def turn(self, times: int) -> list[str]:
        run = _Run("nowhere", self, lambda _: self, self)  # type: ignore[arg-type]
        for _ in range(1 + times):  # the first opens the port
            run.turn()
        return self.log

    def collect(self, seconds: float) -> None:
        assert seconds == COLLECT_S
        self.log.append("collect")

    def read(self) -> bytes:
        return b"."

    def write(self, data: bytes) -> None:
        self.log.append(f"send {data.decode()}")
        if data.decode() == self._breaks_at:
            raise PortLost(LinkReason.PORT_LOST)

    def close(self) -> None:
        self.log.append("close")

    def port_opened(self, now_ns: int) -> list[Action]:
        assert now_ns > 0
        return []

    def port_lost(self, reason: LinkReason, now_ns: int) -> list[Action]:
        assert now_ns > 0
        self.log.append(f"lost {reason}")
        return []

    def feed(self, data: bytes, now_ns: int) -> list[Action]:
        assert (data, now_ns > 0) == (b".", True)
        return next(self._answers)

    def tick(self, now_ns: int) -> list[Action]:
        assert now_ns > 0
        return []

    def expects(self, now_ns: int) -> bool:
        assert now_ns > 0
        return self._expecting

    def persist(self, arrived: Sequence[ReceivedEvent]) -> None:
        self.log.append("keep " + " ".join(str(event.key.seq) for event in arrived))
        if arrived[0].key.seq > 90:
            raise NotPersisted("disk full")

    def events_persisted(self, keys: Sequence[EventKey]) -> list[Action]:
        return [Send(b"ack" + b"".join(b" %d" % key.seq for key in keys))]

    def events_refused(self, keys: Sequence[EventKey]) -> None:
        self.log.append("refused " + " ".join(str(key.seq) for key in keys))

    def status(self, status: LinkStatus | None = None) -> LinkStatus:
        """The driver's question and the sink's news: both are quick."""
        return status or LinkStatus(LinkState.UP, LinkReason.NONE)


def keep(seq: int) -> Persist:
    return Persist(
        ReceivedEvent(EventKey("XU-1", 7, seq), StateChange(1, UnitState.PREP, UnitState.READY), 1, 1, True, False)
    )


@pytest.mark.requirement("an exposure is confirmed to the unit only when it is on disk")
def test_what_one_read_brings_is_kept_at_once_and_then_confirmed_at_once() -> None:
    scripted = Scripted([keep(1), Send(b"what"), keep(2), Send(b"ever")], [keep(91), keep(3)])
    assert scripted.turn(2) == ["send whatever", "keep 1 2", "send ack 1 2", "collect", "keep 91 3", "refused 91 3"]


def test_a_port_that_fails_while_something_is_sent_costs_no_event_that_arrived() -> None:
    scripted = Scripted([keep(1), Send(b"what")], breaks_at="what")
    assert scripted.turn(1) == ["send what", "keep 1", "close", "lost port-lost"]
    scripted = Scripted([keep(1)], breaks_at="ack 1")
    assert scripted.turn(1) == ["keep 1", "send ack 1", "close", "lost port-lost"]


def test_while_a_moment_of_arrival_counts_nothing_is_left_to_collect() -> None:
    assert Scripted([], [], [], expecting=True).turn(3) == []
    assert Scripted([], [], []).turn(3) == ["collect", "collect"]


class Bug(Exception):  # noqa: N818 - not one of the sink's own
    """Something that a sink must not raise."""


class BrokenDisk:
    """A sink with a bug."""

    def persist(self, arrived: Sequence[ReceivedEvent]) -> None:
        raise Bug(arrived[0].key)

    def status(self, status: LinkStatus) -> None:
        assert status.counters.frames_good >= 0


def test_a_bug_in_the_sink_ends_the_bridge_without_an_acknowledgement_or_a_leak(rig: Rig) -> None:
    bench = rig.simulate(scenario(Expose()))
    before = _descriptors()
    with pytest.raises(Bug):
        Bridge(str(rig.link), BrokenDisk()).run(threading.Event())
    rig.wait_for_line("scenario-finished")
    assert bench.unit.unconfirmed == bench.unit.newest
    assert _descriptors() == before


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
