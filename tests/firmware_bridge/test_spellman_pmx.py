"""The PMX in its own words: what its answers mean."""

from __future__ import annotations

import math

import pytest

from firmware_bridge.spellman.pmx import (
    LAST_KV_PER_COUNT_BY_FULL_SCALE,
    LAST_KV_PER_COUNT_BY_TEXT,
    PMX,
    Auxiliary,
    CurrentSetPoint,
    ExposureSettings,
    Filament,
    LastExposureTime,
    LastExposureVoltage,
    Result,
    Scales,
    StarterFaults,
    Status,
    result,
)
from firmware_bridge.spellman.profile import Reading, interpret
from firmware_bridge.spellman.xrv import XRV
from tests.firmware_bridge.spellman_peer import about, packet

SCALES = Scales(last_kv_per_count=LAST_KV_PER_COUNT_BY_FULL_SCALE)


def said(body: str, scales: Scales = SCALES) -> Result:
    reading = interpret(PMX, packet(body))
    assert isinstance(reading, Reading)
    return result(reading, scales)


@pytest.mark.parametrize(("at", "flag"), list(enumerate(Status)))
def test_each_status_flag_has_its_place(at: int, flag: Status) -> None:
    assert said("22," + "0," * at + "1," + "0," * (25 - at)) == flag


def test_the_places_that_an_exposure_is_told_by() -> None:
    # Page 65 counts from 1: X-ray on 1, interlock 2, fault 3, prep 4, ready 13, set-up invalid 14.
    places = [
        Status.XRAY_ON,
        Status.INTERLOCK_CLOSED,
        Status.FAULT,
        Status.PREP_ACTIVE,
        Status.READY,
        Status.SETUP_INVALID,
    ]
    assert [flag.bit_length() for flag in places] == [1, 2, 3, 4, 13, 14]
    assert said("22,1,1,0,1,0,0,0,1,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,") == (
        Status.XRAY_ON | Status.INTERLOCK_CLOSED | Status.PREP_ACTIVE | Status.TUBE_SELECT_1 | Status.READY
    )


def test_exposure_settings() -> None:
    settings = said("51,40,2457,1024,1,")
    assert isinstance(settings, ExposureSettings)
    assert (settings.time_ms, settings.voltage_counts, settings.current_counts) == (40, 2457, 1024)
    assert settings.large_filament
    assert settings.voltage_kv == pytest.approx(30.0)
    assert settings.current_ma == pytest.approx(50.01, abs=0.01)


def test_counts_are_what_the_manual_says_they_are() -> None:
    settings = said("51,5,1,1,0,")
    assert isinstance(settings, ExposureSettings)
    assert settings.voltage_kv * 1000 == pytest.approx(12.21, abs=0.005)
    assert settings.current_ma == pytest.approx(0.04884, abs=0.000005)


@pytest.mark.requirement("a number of uncertain scale is kept as it came")
def test_the_two_readings_of_page_92_and_the_counts_that_outlive_them() -> None:
    full = said("60,4095,")
    text = said("60,4095,", Scales(last_kv_per_count=LAST_KV_PER_COUNT_BY_TEXT))
    assert isinstance(full, LastExposureVoltage)
    assert isinstance(text, LastExposureVoltage)
    assert full.counts == text.counts == 4095
    assert full.voltage_kv == pytest.approx(53.476)
    assert text.voltage_kv == pytest.approx(42.75, abs=0.01)


@pytest.mark.parametrize("wrong", [0.0, -0.01306, math.nan, math.inf, 13.06])
def test_a_scale_in_volts_or_worse_is_no_scale(wrong: float) -> None:
    with pytest.raises(ValueError, match="no scale"):
        Scales(last_kv_per_count=wrong)


def test_the_short_answers() -> None:
    assert said("65,40,") == LastExposureTime(time_ms=40)
    assert said("53,1,") == Filament(large=True)
    assert said("78,1,0,") == Auxiliary(clock_battery_ok=True, anode_heat_ok=False)
    assert said("15,4095,") == CurrentSetPoint(4095, about(200.0))


def test_starter_faults() -> None:
    counts = (0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3, 0, 7)
    expected = StarterFaults(not_up_to_speed=True, too_many_starts=False, wiring=3, counts=counts)
    assert said("84,0,0,0,0,0,0,0,0,1,0,3,0,7,") == expected


def test_a_reading_of_another_model_is_no_reading_of_this_one() -> None:
    reading = interpret(XRV, packet("60,4095,"))
    assert isinstance(reading, Reading)
    with pytest.raises(ValueError, match="not a reading of spellman-pmx"):
        result(reading, SCALES)


def test_what_nobody_has_seen_documented_is_not_asked_for() -> None:
    assert not {14, 61} & set(PMX.by_opcode)
