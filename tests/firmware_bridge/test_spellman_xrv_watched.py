"""An XRV polled in virtual time: high voltage that was on is an exposure of the length that the polls saw."""

from __future__ import annotations

import random

import pytest

from firmware_bridge.messages import Exposure, ExposureSource, UnitState
from firmware_bridge.spellman.driver import Poller
from tests.firmware_bridge.spellman_peer import MS, Shot, Wire, XrvUnit, about

KV = 1.2 * 160 / 4095
MA = 1.2 * 30 / 4095


def wire(unit: XrvUnit, **options: object) -> Wire:
    return Wire(Poller("spellman-xrv"), unit, 9_600, **options)  # type: ignore[arg-type]


def messages(line: Wire) -> list[Exposure]:
    return [event.message for event in line.exposures if isinstance(event.message, Exposure)]


@pytest.mark.parametrize("lasts_ms", [300, 500, 2_000, 15_000])
@pytest.mark.parametrize("phase", [0, 33, 71])
def test_high_voltage_that_was_on_is_an_exposure(lasts_ms: int, phase: int) -> None:
    shot = Shot(5_000 + phase, lasts_ms, 1280)
    line = wire(XrvUnit([shot]))
    line.run(7_000 + lasts_ms)
    (event,), (exposure,) = line.exposures, messages(line)
    assert exposure.kvp == about(1280 * KV, 0.1)
    assert exposure.tube_current_ma == about(1365 * MA, 0.01)
    assert exposure.source is ExposureSource.SENSED
    assert exposure.accuracy_ms is not None
    assert exposure.accuracy_ms < 110
    assert abs(event.host_monotonic_ns - line.start_ns - shot.on_ms * MS) / MS <= exposure.accuracy_ms
    assert abs(exposure.exposure_time_ms - lasts_ms) <= 2 * exposure.accuracy_ms
    assert event.key.device_id == "spellman-xrv"


def test_two_times_on_are_two_exposures_and_their_states_follow() -> None:
    line = wire(XrvUnit([Shot(5_000, 800, 1280), Shot(9_000, 400, 1280)]))
    line.run(13_000)
    assert len(line.exposures) == 2
    assert line.states == [UnitState.STANDBY] + [UnitState.EXPOSING, UnitState.STANDBY] * 2


def test_a_minute_of_high_voltage_is_told_and_is_no_exposure() -> None:
    line = wire(XrvUnit([Shot(5_000, 75_000, 1280)]))
    line.run(85_000)
    assert line.exposures == []
    assert [text for text, _ in line.faults] == ["high voltage was on for 75 s: longer than any exposure"]


def test_faults_are_named_and_heat_is_one_of_them() -> None:
    unit = XrvUnit([])
    line = wire(unit)
    line.run(4_000)
    unit.faults = {6, 11}
    line.run(9_000)
    status = line.poller.status()
    assert status.anode_heat_ok is False
    assert [(fault.code.name, fault.text) for fault in status.active_faults] == [
        ("ARC", "arc anode"),
        ("OVERTEMPERATURE", "over temperature anode"),
    ]
    assert status.unit_state is UnitState.ERROR
    unit.faults = set()
    line.run(15_000)
    assert line.poller.status().active_faults == ()
    assert line.poller.status().anode_heat_ok is True


def test_the_status_tells_firmware_and_set_points() -> None:
    line = wire(XrvUnit([]))
    line.run(6_000)
    status = line.poller.status()
    assert status.firmware == "SWM00199-001 7"
    assert status.programmed is not None
    assert status.programmed.kvp == about(2048 * 160 / 4095)
    assert status.programmed.tube_current_ma == about(1638 * 30 / 4095)
    assert status.interlock_closed is True
    assert (status.link, status.reason) == ("up", "none")


@pytest.mark.requirement("each exposure of the unit is recorded with its technique")
@pytest.mark.parametrize("seed", range(4))
def test_a_noisy_line_invents_nothing_and_loses_nothing(seed: int) -> None:
    rng = random.Random(seed)
    shots, now_ms = [], 5_000
    for _ in range(20):
        shots.append(Shot(now_ms, rng.choice((600, 1_500, 4_000)), 1280))
        now_ms += shots[-1].lasts_ms + rng.randint(2_000, 9_000)

    def damage(data: bytes) -> bytes:
        if rng.random() < 0.01:
            return b""
        return bytes(byte ^ (1 << rng.randrange(8)) if rng.random() < 0.001 else byte for byte in data)

    line = wire(XrvUnit(shots), rng=rng, damage=damage)
    line.run(now_ms + 3_000)
    told = [(event.host_monotonic_ns - line.start_ns) / MS for event in line.exposures]
    assert told == [about(shot.on_ms, 600) for shot in shots]
    assert [m.exposure_time_ms for m in messages(line)] == [about(shot.lasts_ms, 900) for shot in shots]
