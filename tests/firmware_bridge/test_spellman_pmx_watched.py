"""A PMX polled in virtual time: what happened is told once, when it happened, and nothing else is told."""

from __future__ import annotations

import random

import pytest

from firmware_bridge.messages import EndCode, Exposure, ExposureSource, UnitState
from firmware_bridge.spellman.driver import Poller
from firmware_bridge.spellman.pmx import LAST_KV_PER_COUNT_BY_FULL_SCALE
from tests.firmware_bridge.spellman_peer import MS, Cycle, PmxUnit, Shot, Wire, about

once = pytest.mark.requirement("each exposure of the unit is recorded with its technique")


def wire(unit: PmxUnit, **options: object) -> Wire:
    return Wire(Poller("spellman-pmx", "PMX-1", LAST_KV_PER_COUNT_BY_FULL_SCALE), unit, 19_200, **options)  # type: ignore[arg-type]


def messages(line: Wire) -> list[Exposure]:
    return [event.message for event in line.exposures if isinstance(event.message, Exposure)]


@once
def test_a_hand_exposure_between_two_polls_is_told_by_what_the_generator_holds() -> None:
    for lasts_ms in (5, 20, 25, 40, 200, 1000):
        for phase in range(0, 60, 7):
            shot = Shot(4_000 + phase, lasts_ms, 3829)
            line = wire(PmxUnit([Cycle(2_000, 5_200 + phase, (shot,))], (lasts_ms, 4095, 2048, 1)))
            line.run(9_000)
            (event,), (exposure,) = line.exposures, messages(line)
            assert exposure.kvp == about(3829 * LAST_KV_PER_COUNT_BY_FULL_SCALE, 0.06)
            assert exposure.tube_current_ma == about(100.02, 0.01)
            assert exposure.exposure_time_ms == lasts_ms
            assert exposure.exposure_mas == about(100.02 * lasts_ms / 1000, 0.01)
            assert exposure.end_code is EndCode.NORMAL
            off_by_ms = abs(event.host_monotonic_ns - line.start_ns - shot.on_ms * MS) / MS
            assert exposure.accuracy_ms is not None
            assert off_by_ms <= exposure.accuracy_ms < 80
            assert event.payload == f"60=3829,65={lasts_ms};51={lasts_ms},4095,2048".encode()
            assert event.mapped


@once
def test_equal_exposures_are_as_many_as_were_made() -> None:
    cycles = [Cycle(2_000 + n * 8_000, 5_000 + n * 8_000, (Shot(4_500 + n * 8_000, 25, 3829),)) for n in range(5)]
    line = wire(PmxUnit(cycles))
    line.run(45_000)
    assert len(line.exposures) == 5
    moments = [(event.host_monotonic_ns - line.start_ns) / MS for event in line.exposures]
    assert moments == [about(4_500 + n * 8_000, 60) for n in range(5)]


def test_a_prep_that_is_given_up_is_no_exposure() -> None:
    line = wire(PmxUnit([Cycle(2_000, 5_000, (Shot(4_000, 30, 3000),)), Cycle(9_000, 12_000), Cycle(15_000, 15_400)]))
    line.run(20_000)
    assert len(line.exposures) == 1
    assert line.states.count(UnitState.PREP) == 3
    assert line.states[-1] is UnitState.STANDBY


def test_what_the_generator_held_when_it_was_met_is_no_exposure_of_today() -> None:
    line = wire(PmxUnit([Cycle(-9_000, -6_000, (Shot(-7_000, 30, 3000),))]))
    line.run(10_000)
    assert line.exposures == []
    assert line.states == [UnitState.STANDBY]


def test_the_states_of_an_exposure_follow_each_other() -> None:
    line = wire(PmxUnit([Cycle(2_000, 6_000, (Shot(4_000, 500, 3000),))]))
    line.run(10_000)
    ready = [UnitState.PREP, UnitState.READY, UnitState.EXPOSING, UnitState.READY]
    assert line.states == [UnitState.STANDBY, *ready, UnitState.STANDBY]
    assert line.poller.status().unit_state is UnitState.STANDBY
    assert line.poller.status().interlock_closed is True


def test_two_pulses_of_one_prep_are_one_exposure() -> None:
    pulses = (Shot(4_000, 50, 3000), Shot(4_500, 200, 3100))
    line = wire(PmxUnit([Cycle(2_000, 6_000, pulses)]))
    line.run(10_000)
    (exposure,) = messages(line)
    assert (exposure.pulses, exposure.exposure_time_ms) == (2, 250)
    assert exposure.kvp == about(3100 * LAST_KV_PER_COUNT_BY_FULL_SCALE, 0.06)
    assert (exposure.tick_off - exposure.tick_on) / MS == about(700, 80)


def test_without_a_measured_scale_the_programmed_voltage_is_told_and_the_counts_are_kept() -> None:
    unit = PmxUnit([Cycle(2_000, 5_000, (Shot(4_000, 40, 3829),))], (40, 3276, 2048, 1))
    line = Wire(Poller("spellman-pmx"), unit, 19_200)
    line.run(8_000)
    (event,), (exposure,) = line.exposures, messages(line)
    assert exposure.kvp == about(40.0, 0.05)
    assert event.payload.startswith(b"60=3829,65=40;")
    assert event.key.device_id == "spellman-pmx"


@once
def test_an_exposure_while_the_cable_was_out_is_found_when_it_is_back() -> None:
    unit = PmxUnit([Cycle(2_000, 5_000, (Shot(4_000, 40, 3829),)), Cycle(10_000, 13_000, (Shot(12_000, 40, 3829),))])
    line = wire(unit)
    line.run(12_005)  # pulled in the middle of the second one, of the same technique
    line.unplug()
    line.run(15_000)
    line.plug()
    line.run(18_000)
    assert len(line.exposures) == 2
    assert line.poller.status().counters.reconnects == 1
    second = messages(line)[1]
    assert second.accuracy_ms is not None
    assert abs(line.exposures[1].host_monotonic_ns - line.start_ns - 12_000 * MS) / MS <= second.accuracy_ms


def test_an_exposure_in_an_hour_without_a_cable_is_told_without_a_time() -> None:
    unit = PmxUnit([Cycle(2_000, 5_000, (Shot(4_000, 40, 3829),)), Cycle(90_000, 95_000, (Shot(93_000, 30, 3829),))])
    line = wire(unit)
    line.run(8_000)
    line.unplug()
    line.run(200_000)
    line.plug()
    line.run(203_000)
    assert [event.mapped for event in line.exposures] == [True, False]


def test_faults_and_heat_are_told_when_they_begin_and_when_they_are_over() -> None:
    unit = PmxUnit([])
    line = wire(unit)
    line.run(3_000)
    unit.fault, unit.heat_ok = True, False
    line.run(9_000)
    status = line.poller.status()
    assert status.unit_state is UnitState.ERROR
    assert status.anode_heat_ok is False
    assert len(status.active_faults) == 2
    unit.fault, unit.heat_ok = False, True
    line.run(15_000)
    heat, generator = "anode at 90 % of its heat or more", "the generator reports a fault"
    assert sorted(line.faults) == [(heat, False), (heat, True), (generator, False), (generator, True)]
    assert line.poller.status().active_faults == ()


def test_the_status_tells_what_the_next_exposure_is_set_to() -> None:
    line = wire(PmxUnit([], (125, 3276, 1024, 0)))
    line.run(3_000)
    programmed = line.poller.status().programmed
    assert programmed is not None
    assert (programmed.kvp, programmed.tube_current_ma, programmed.exposure_time_ms) == (
        about(40.0, 0.01),
        about(50.01, 0.01),
        125,
    )


def test_x_ray_that_never_ends_is_no_status_to_believe() -> None:
    line = wire(PmxUnit([Cycle(2_000, 200_000, (Shot(4_000, 150_000, 3000),))]))
    line.run(60_000)
    assert line.exposures == []
    assert [text for text, _ in line.faults] == ["x-ray-on-too-long: status says so for more than 35 s"]
    assert line.poller.status().counters.implausible >= 1


@once
@pytest.mark.parametrize("seed", range(8))
def test_a_day_on_a_noisy_line_invents_nothing_and_loses_nothing(seed: int) -> None:
    """One byte in a thousand is changed, one answer in a hundred is swallowed."""
    rng = random.Random(seed)
    cycles, now_ms = [], 3_000
    for _ in range(25):
        end_ms = now_ms + rng.choice((2_100, 2_500, 4_000))  # by the manual ready takes two seconds
        lasts_ms = rng.choice((5, 25, 25, 40, 120))
        shots = (
            ()
            if rng.random() < 0.2
            else (Shot(end_ms - lasts_ms - rng.randint(20, 150), lasts_ms, rng.choice((3829, 3062))),)
        )
        cycles.append(Cycle(now_ms, end_ms, shots))
        now_ms = end_ms + rng.choice((900, 3_000, 20_000)) + rng.randint(0, 99)

    def damage(data: bytes) -> bytes:
        if rng.random() < 0.01:
            return b""
        return bytes(byte ^ (1 << rng.randrange(8)) if rng.random() < 0.001 else byte for byte in data)

    line = wire(PmxUnit(cycles), rng=rng, damage=damage)
    line.run(now_ms + 5_000)
    made = [(shot.on_ms, shot.lasts_ms, shot.counts) for cycle in cycles for shot in cycle.shots]
    told = [
        (round((event.host_monotonic_ns - line.start_ns) / MS), round(exposure.exposure_time_ms), exposure.kvp)
        for event, exposure in zip(line.exposures, messages(line), strict=True)
    ]
    assert [(ms, kv) for _, ms, kv in told] == [
        (ms, about(counts * LAST_KV_PER_COUNT_BY_FULL_SCALE, 0.06)) for _, ms, counts in made
    ]
    assert all(abs(at - on) < 400 for (at, *_), (on, *_) in zip(told, made, strict=True))
    counters = line.poller.status().counters
    assert counters.timeouts > 0
    assert counters.resyncs > 0


def test_what_can_t_be_kept_now_is_offered_until_it_is() -> None:
    line = wire(PmxUnit([Cycle(2_000, 5_000, (Shot(4_000, 40, 3829),))]))
    line.refuse = True
    line.run(9_000)
    assert line.events == []
    assert line.poller.status().reason == "not-durable"
    line.refuse = False
    line.run(10_000)
    assert len(line.exposures) == 1
    assert len({event.key for event in line.events}) == len(line.events)
    assert line.poller.status().reason == "none"


def test_settings_that_are_changed_right_before_prep_are_those_of_the_exposure() -> None:
    unit = PmxUnit([Cycle(2_000, 5_000, (Shot(4_000, 80, 3829),))], (40, 4095, 2048, 1))
    line = wire(unit)
    line.run(1_950)
    unit.settings = (80, 3276, 1024, 1)
    line.run(8_000)
    (exposure,) = messages(line)
    assert exposure.tube_current_ma == about(50.01, 0.01)
    assert exposure.end_code is EndCode.NORMAL


def test_an_exposure_right_after_the_generator_was_met_waits_for_its_settings() -> None:
    line = wire(PmxUnit([Cycle(-1_500, 350, (Shot(250, 40, 3829),))]))
    line.run(6_000)
    (exposure,) = messages(line)
    assert exposure.tube_current_ma == about(100.02, 0.01)


@once
@pytest.mark.parametrize("code", [1, 9, 11])
def test_a_refusal_that_looks_like_a_voltage_of_nought_makes_no_exposure(code: int) -> None:
    class Refusing(PmxUnit):
        def answer(self, request: bytes, at_ms: float) -> str | None:
            body = super().answer(request, at_ms)
            return f"60,{code}," if body is not None and body.startswith("60,") and 6_000 < at_ms < 6_700 else body

    line = wire(Refusing([Cycle(2_000, 5_000, (Shot(4_000, 40, 3829),))]))
    line.run(10_000)
    assert len(line.exposures) == 1


@once
@pytest.mark.parametrize("at_ms", [3_000, 3_040, 3_080])
def test_one_wrong_bit_in_prep_makes_no_exposure(at_ms: int) -> None:
    """X-ray on, said once in a prep that is given up: an exposure has a record, or is seen twice."""

    class Flickering(PmxUnit):
        flipped = False

        def answer(self, request: bytes, at_ms_: float) -> str | None:
            body = super().answer(request, at_ms_)
            if body is not None and body.startswith("22,") and at_ms_ > at_ms and not self.flipped:
                self.flipped = True
                return "22,1" + body[4:]
            return body

    line = wire(Flickering([Cycle(2_000, 5_000)]))
    line.run(12_000)
    assert line.exposures == []
    assert line.poller.status().counters.implausible == 1


def test_an_exposure_without_a_record_is_told_by_what_was_seen() -> None:
    class Forgetful(PmxUnit):
        def answer(self, request: bytes, at_ms: float) -> str | None:
            body = super().answer(request, at_ms)
            return f"{body[:3]}0," if body is not None and body[:3] in {"60,", "65,"} else body

    line = wire(Forgetful([Cycle(2_000, 6_000, (Shot(4_000, 1_000, 3829),))], (1000, 4095, 2048, 1)))
    line.run(12_000)
    (exposure,) = messages(line)
    assert exposure.exposure_time_ms == about(1_000, 150)
    assert exposure.kvp == about(50.0, 0.05)
    assert exposure.source is ExposureSource.SENSED
