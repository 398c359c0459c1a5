"""What keeps the simulated unit from exposing: heat, duty, battery, interlock; and what the technician's hand does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from firmware_bridge.messages import EndCode, Exposure, Fault, FaultCode, Level, ResetCause, StateChange, UnitState
from firmware_bridge.simulator.battery import CAPACITY_J, Battery, Charge
from firmware_bridge.simulator.models import MODELS, PMX, PORTABLE, Model, Technique
from firmware_bridge.simulator.tube import Tube
from firmware_bridge.simulator.unit import Happened, Refusal, Unit

MS = 1_000_000
S = 1_000 * MS
START = 1_000 * S
HAND = Technique(kv=50.0, ma=100.0, ms=40.0)


class Room:
    """A unit that is past its start, and what it recorded."""

    def __init__(self, model: Model = PORTABLE) -> None:
        self.happened: list[Happened] = []
        self.now_ns = START
        self.unit = Unit(START, model=model, seen=self.happened.append)
        self.wait(1)

    def wait(self, seconds: float) -> None:
        self.now_ns += round(seconds * S)
        self.unit.advance(self.now_ns)

    def press(self, technique: Technique = HAND, **hand: object) -> bool:
        return self.unit.press(technique, self.now_ns, **hand)  # type: ignore[arg-type]

    def refusal(self, technique: Technique = HAND) -> Refusal | None:
        return self.unit.why_not(technique, self.now_ns)

    @property
    def exposures(self) -> list[Exposure]:
        return [one.event for one in self.happened if isinstance(one.event, Exposure)]

    @property
    def faults(self) -> list[tuple[FaultCode, Level, bool]]:
        faults = [one.event for one in self.happened if isinstance(one.event, Fault)]
        return [(fault.code, fault.level, fault.active) for fault in faults]

    @property
    def states(self) -> list[UnitState]:
        return [one.event.new for one in self.happened if isinstance(one.event, StateChange)]


# -- the tube ----------------------------------------------------------------------------------------------------


def test_heat_is_kilovolts_times_milliampere_seconds_and_cools_by_52_watts() -> None:
    tube = Tube(PORTABLE, 1.0, START)
    tube.emitted(joules=8_000, lasted_s=0.1, now_ns=START)
    assert tube.heat(START) == pytest.approx(0.1)
    assert tube.heat(START + 10 * S) == pytest.approx((8_000 - 520) / 80_000)
    assert tube.heat(START + 1_000 * S) == 0


def test_a_hot_tube_refuses_from_80_percent_until_67_and_says_both() -> None:
    room = Room()
    room.unit.warm_to(0.81, room.now_ns)
    assert room.refusal() is Refusal.HOT
    assert not room.press()
    falls_s = (0.81 - 0.67) * 80_000 / 52
    room.wait(falls_s - 1)
    assert room.refusal() is Refusal.HOT
    room.wait(2)
    assert room.press()
    assert room.faults == [
        (FaultCode.OVERTEMPERATURE, Level.WARNING, True),
        (FaultCode.OVERTEMPERATURE, Level.WARNING, False),
    ]


def test_the_unit_asks_to_be_woken_when_the_tube_is_cool() -> None:
    room = Room()
    room.unit.warm_to(0.80, room.now_ns)
    due = []
    while FaultCode.OVERTEMPERATURE in room.unit.condition(room.now_ns).faults:
        due.append(room.unit.next_due_ns())
        room.now_ns = max(due[-1], room.now_ns)
        room.unit.advance(room.now_ns)
    assert (room.now_ns - START) / S == pytest.approx(1 + 0.13 * 80_000 / 52, abs=0.1)


def test_exposures_heat_the_tube_until_it_is_hot() -> None:
    room = Room()
    strong = Technique(kv=100, ma=200, ms=500)  # 10 kJ
    taken = 0
    while room.press(strong):
        room.wait(4)
        taken += 1
    assert room.refusal(strong) is Refusal.HOT
    assert taken == 7  # 64 kJ and what cooled away
    assert room.unit.condition(room.now_ns).heat_percent > 80


def test_five_seconds_of_radiation_in_two_minutes_are_enough() -> None:
    room = Room()
    long = Technique(kv=30, ma=10, ms=2_600)
    for _ in range(2):
        assert room.press(long)
        room.wait(5)
    assert room.refusal() is Refusal.RESTING
    room.wait(110)
    assert room.refusal() is Refusal.RESTING
    room.wait(8)
    assert room.refusal() is None


def test_the_pmx_rests_for_twenty_seconds() -> None:
    room = Room(PMX)
    assert room.press()
    room.wait(5)
    assert room.refusal() is Refusal.RESTING
    room.wait(20)
    assert room.refusal() is None


@pytest.mark.parametrize(
    "technique", [Technique(kv=151, ma=10, ms=10), Technique(kv=50, ma=1001, ms=10), Technique(kv=140, ma=900, ms=9000)]
)
def test_what_the_tube_could_never_take_is_refused_at_once(technique: Technique) -> None:
    room = Room()
    assert room.refusal(technique) is Refusal.TECHNIQUE
    assert not room.refusal(technique).passes  # type: ignore[union-attr]


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_every_model_takes_its_own_techniques_for_hands(model: Model) -> None:
    import random

    rng = random.Random(5)
    assert all(model.takes(model.hand(rng)) for _ in range(200))


# -- the battery -------------------------------------------------------------------------------------------------


def test_a_battery_drains_by_standing_about_and_by_exposures_and_charges() -> None:
    battery = Battery(1.0, START)
    battery.set(50, START, charging=False)
    hour_ns = 3600 * S
    assert battery.percent(START + hour_ns) == pytest.approx(50 - 40 * 3600 / CAPACITY_J * 100)
    battery.spend(CAPACITY_J / 20, START + hour_ns)
    assert battery.percent(START + hour_ns) == pytest.approx(50 - 20 - 10)
    battery.set(50, START, charging=True)
    assert battery.percent(START + 10 * hour_ns) == 100


def test_a_battery_s_warning_does_not_flicker() -> None:
    battery = Battery(1.0, START)
    said = []
    for percent in (21, 20, 22, 21, 23.1, 5, 7, 8.1, 0, 2, 3.1):
        battery.set(percent, START, charging=True)
        said.append(battery.charge(START))
    low, empty, off, good = Charge.LOW, Charge.EMPTY, Charge.OFF, Charge.GOOD
    assert said == [good, low, low, low, good, empty, empty, low, off, off, empty]


def test_a_battery_too_low_refuses_and_an_empty_one_switches_off_until_it_is_charged() -> None:
    room = Room()
    boot, room.happened[:] = room.unit.boot_id, []
    room.unit.set_battery(4, room.now_ns, charging=False)
    assert room.refusal() is Refusal.BATTERY
    room.unit.set_battery(0, room.now_ns, charging=False)
    assert room.unit.state is UnitState.SHUTDOWN
    room.wait(10)
    assert room.unit.advance(room.now_ns) == []  # it is dark
    assert room.unit.next_due_ns() > room.now_ns + 1000 * S
    room.unit.set_battery(60, room.now_ns, charging=True)
    room.wait(1)
    assert (room.unit.state, room.unit.boot_id != boot) == (UnitState.STANDBY, True)
    assert room.unit.unconfirmed == room.unit.newest > 3  # what it had to tell is still to be told
    assert room.faults == [
        (FaultCode.BATTERY_LOW, Level.ERROR, True),
        (FaultCode.BATTERY_LOW, Level.ERROR, True),
        (FaultCode.BATTERY_LOW, Level.INFO, False),
    ]


# -- the hand ----------------------------------------------------------------------------------------------------


def test_an_open_interlock_refuses_until_it_is_closed() -> None:
    room = Room()
    room.unit.fault(FaultCode.INTERLOCK, Level.ERROR, "door", room.now_ns)
    assert room.refusal() is Refusal.INTERLOCK
    assert not room.unit.condition(room.now_ns).interlock_closed
    room.unit.fault(FaultCode.INTERLOCK, Level.INFO, "door", room.now_ns, active=False)
    assert room.refusal() is None


@pytest.mark.parametrize("let_go", ["prep", "ready"])
def test_a_switch_let_go_before_radiation_exposes_nothing(let_go: str) -> None:
    room = Room()
    assert room.press(let_go=let_go)
    room.wait(5)
    assert room.exposures == []
    assert room.states[-1] is UnitState.STANDBY
    assert UnitState.EXPOSING not in room.states


def test_a_switch_let_go_during_radiation_ends_it_and_is_recorded_so() -> None:
    room = Room()
    room.press(let_go="exposing")
    room.wait(5)
    (exposure,) = room.exposures
    assert (exposure.end_code, exposure.exposure_time_ms, exposure.exposure_mas) == (EndCode.RELEASED_EARLY, 20.0, 2.0)


def test_a_hand_that_hesitates_is_waited_for_and_one_that_never_decides_is_not() -> None:
    room = Room()
    room.press(hold_s=10)
    room.wait(11)
    assert room.states[-1] is UnitState.READY
    room.wait(3)
    assert len(room.exposures) == 1
    room.press(hold_s=100)
    room.wait(40)
    assert len(room.exposures) == 1
    assert room.unit.state is UnitState.STANDBY


def test_automatic_exposure_control_takes_two_pulses_and_records_them_as_one_exposure() -> None:
    room = Room()
    room.press(Technique(kv=50, ma=100, ms=40, pre_ms=5, gap_ms=25))
    room.wait(5)
    (exposure,) = room.exposures
    assert (exposure.exposure_time_ms, exposure.exposure_mas, exposure.pulses) == (45.0, 4.5, 2)
    assert exposure.tick_off - exposure.tick_on == 70_000
    assert exposure.end_code is EndCode.AEC
    assert room.states.count(UnitState.EXPOSING) == 1


@pytest.mark.parametrize(("after_s", "ms", "pulses"), [(1.6, 5.0, None), (2.015, 20.0, 2)])
def test_power_lost_in_the_midst_of_two_pulses_leaves_what_was_emitted_on_record(
    after_s: float, ms: float, pulses: int | None
) -> None:
    room = Room()
    room.press(Technique(kv=50, ma=100, ms=40, pre_ms=5, gap_ms=495))
    room.wait(after_s)
    room.unit.reset(ResetCause.BROWN_OUT, room.now_ns)
    room.wait(5)
    (exposure,) = room.exposures
    assert (exposure.exposure_time_ms, exposure.pulses, exposure.end_code) == (ms, pulses, EndCode.POWER_LOST)


@pytest.mark.parametrize("when_s", [0.1, 1.6, 5.0])
def test_a_stuck_unit_stays_where_it_is_and_radiation_ends_all_the_same(when_s: float) -> None:
    room = Room()
    room.press(Technique(kv=50, ma=100, ms=300))
    room.wait(when_s)
    stuck_in = room.unit.state
    room.unit.stick(10, room.now_ns)
    room.wait(9)
    now = room.unit.condition(room.now_ns)
    assert not now.xray_on
    if stuck_in is not UnitState.EXPOSING:
        assert room.unit.state is stuck_in
    assert room.refusal() is Refusal.BUSY
    room.wait(10)
    assert room.refusal() is None
    assert len(room.exposures) == 1


def test_a_lying_unit_says_otherwise_and_does_the_same() -> None:
    from firmware_bridge.frame import Decoder
    from firmware_bridge.messages import Heartbeat, MessageType, decode

    room = Room()
    room.unit.lie = {"state": UnitState.EXPOSING, "interlock_closed": False}
    said: Callable[[], list[Heartbeat]] = lambda: [  # noqa: E731 - read twice
        decode(frame.type, frame.payload)
        for frame in Decoder().feed(b"".join(room.unit.advance(room.now_ns + 2 * S)))
        if frame.type == MessageType.HEARTBEAT
    ]
    (beat,) = said()
    assert (beat.state, beat.interlock_closed) == (UnitState.EXPOSING, False)
    assert room.unit.condition(room.now_ns).state is room.unit.state is UnitState.STANDBY
