"""The XRV in its own words, against the values that PyMeasure's tests give for the same answers."""

from __future__ import annotations

import pytest

from firmware_bridge.spellman.pmx import PMX
from firmware_bridge.spellman.profile import Reading, interpret
from firmware_bridge.spellman.xrv import (
    XRV,
    Configuration,
    CurrentSetPoint,
    Faults,
    Firmware,
    FullScale,
    HighVoltageHours,
    Monitors,
    Result,
    Status,
    SystemVoltages,
    Voltage,
    VoltageSetPoint,
    full_scale,
    result,
)
from tests.firmware_bridge.spellman_peer import about, packet


def read(body: str) -> Reading:
    reading = interpret(XRV, packet(body))
    assert isinstance(reading, Reading)
    return reading


SCALE = FullScale(voltage_kv=160, current_ma=30, bipolar=False)


def said(body: str) -> Result:
    return result(read(body), SCALE)


def test_full_scale_is_what_the_unit_says() -> None:
    assert full_scale(read("28,160,30,0,")) == SCALE
    assert said("28,320,45,1,") == FullScale(voltage_kv=320, current_ma=45, bipolar=True)
    with pytest.raises(ValueError, match="not the full scale"):
        full_scale(read("60,4095,"))


@pytest.mark.parametrize(("counts", "kv"), [(0, 0), (1, 0.01954), (1280, 50), (4095, 160)])
def test_voltage_set_point(counts: int, kv: float) -> None:
    assert said(f"14,{counts},") == VoltageSetPoint(counts, about(kv, within=0.5 * 160 / 4095))


@pytest.mark.parametrize(("counts", "ma"), [(0, 0), (478, 3.5), (4095, 30)])
def test_current_set_point(counts: int, ma: float) -> None:
    assert said(f"15,{counts},") == CurrentSetPoint(counts, about(ma, within=0.5 * 30 / 4095))


def test_a_monitor_has_a_fifth_of_over_range() -> None:
    assert said("60,4095,") == Voltage(4095, about(1.2 * 160))
    assert said("19,1234,2977,3783,512,768,6,7,899,") == Monitors(
        voltage_kv=about(1.2 * 160 * 1234 / 4095),
        current_ma=about(1.2 * 30 * 2977 / 4095),
        anode_current_ma=about(1.2 * 30 * 899 / 4095),
        counts=(1234, 2977, 3783, 512, 768, 6, 7, 899),
    )


@pytest.mark.parametrize("hours", [0.0, 1.6, 300.67, 1000.0, 25650.0])
def test_high_voltage_hours(hours: float) -> None:
    assert said(f"21,{hours:f},") == HighVoltageHours(hours)


@pytest.mark.parametrize(("at", "flag"), list(enumerate(Status)))
def test_each_status_flag_has_its_place(at: int, flag: Status) -> None:
    assert said("22," + "0," * at + "1," + "0," * (16 - at)) == flag


@pytest.mark.parametrize(("at", "flag"), list(enumerate(Faults)))
def test_each_fault_has_its_place(at: int, flag: Faults) -> None:
    assert said("68," + "0," * at + "1," + "0," * (26 - at)) == flag


def test_places_that_the_oracle_names() -> None:
    status = [Status.HV_ON, Status.FAULT, Status.XRAYS_IMMINENT, Status.READY, Status.INTERNAL_INTERLOCK_CLOSED]
    assert [flag.bit_length() - 1 for flag in status] == [0, 4, 8, 15, 16]
    faults = [Faults.OVER_VOLTAGE, Faults.ARC_ANODE, Faults.WATCHDOG, Faults.OVER_POWER, Faults.INVERTER_NOT_READY]
    assert [flag.bit_length() - 1 for flag in faults] == [2, 11, 21, 23, 26]


def test_no_fault_is_told_apart_from_no_answer() -> None:
    assert said("68," + "0," * 27) == Faults(0)


def test_firmware() -> None:
    assert said("23,SWM9999-999,56234,") == Firmware("SWM9999-999", 56234)
    assert said("43,SWM00199-001,3261,") == Firmware("SWM00199-001", 3261)


def test_configuration_is_kept_as_it_came() -> None:
    assert said("27,1,2,3,4,5,6,7,8,9,10,11,12,") == Configuration(tuple(range(1, 13)))


def test_system_voltages() -> None:
    assert said("69,1,2,3,4,5,6,7,8,9,10,") == SystemVoltages(
        temperature_celsius=about(0.05911815),
        anode_kv=about(3 * 1.2 * 160 / 4095),
        cathode_kv=about(4 * 1.2 * 160 / 4095),
        counts=tuple(range(1, 11)),
    )


def test_a_reading_of_another_model_is_no_reading_of_this_one() -> None:
    reading = interpret(PMX, packet("60,4095,"))
    assert isinstance(reading, Reading)
    with pytest.raises(ValueError, match="not a reading of spellman-xrv"):
        result(reading, SCALE)
