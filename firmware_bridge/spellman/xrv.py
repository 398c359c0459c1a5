"""The XRV: an industrial supply with continuous high voltage, told apart from the PMX by a table of its own.

The layout follows the facts shown by PyMeasure's driver and its tests, which also serve as an independent check of the
frames. It has no exposures: high voltage is on or off, and 60 is the voltage of this moment. How it writes a refusal
was seen in the manual of the ST series only.

Full scale is what the unit says with command 28: 4095 counts of a set-point are the maximum; 4095 of a monitor are 1.2
times the maximum, since the converters have 20 % over-range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag, auto
from typing import Final

from firmware_bridge.spellman.profile import (
    MAX_COUNT,
    Command,
    Decimal,
    Number,
    Profile,
    Reading,
    RefusalForm,
    Text,
    flags,
)

MONITOR_OVER_RANGE: Final = 1.2
CELSIUS_PER_COUNT: Final = 0.05911815


class Status(IntFlag):
    """Command 22: the 17 flags in their order."""

    HV_ON = auto()
    INTERLOCK_1_CLOSED = auto()
    INTERLOCK_2_CLOSED = auto()
    EMISSION_REGULATED = auto()
    FAULT = auto()
    LOCAL = auto()
    FILAMENT_ON = auto()
    LARGE_FILAMENT = auto()
    XRAYS_IMMINENT = auto()
    LARGE_FILAMENT_CONFIRMED = auto()
    SMALL_FILAMENT_CONFIRMED = auto()
    RESERVED_12 = auto()
    RESERVED_13 = auto()
    RESERVED_14 = auto()
    RESERVED_15 = auto()
    READY = auto()
    INTERNAL_INTERLOCK_CLOSED = auto()


class Faults(IntFlag):
    """Command 68: the 27 flags in their order."""

    FILAMENT_SELECT = auto()
    OVER_TEMPERATURE_NEAR = auto()
    OVER_VOLTAGE = auto()
    UNDER_VOLTAGE = auto()
    OVER_CURRENT = auto()
    UNDER_CURRENT = auto()
    OVER_TEMPERATURE_ANODE = auto()
    OVER_TEMPERATURE_CATHODE = auto()
    INVERTER_ANODE = auto()
    INVERTER_CATHODE = auto()
    FILAMENT_FEEDBACK = auto()
    ARC_ANODE = auto()
    ARC_CATHODE = auto()
    CABLE_ANODE = auto()
    CABLE_CATHODE = auto()
    AC_LINE_ANODE = auto()
    AC_LINE_CATHODE = auto()
    DC_RAIL_ANODE = auto()
    DC_RAIL_CATHODE = auto()
    SUPPLY_MINUS_15_V = auto()
    SUPPLY_PLUS_15_V = auto()
    WATCHDOG = auto()
    BOARD_OVER_TEMPERATURE = auto()
    OVER_POWER = auto()
    VOLTAGE_DIFFERENCE = auto()
    CURRENT_DIFFERENCE = auto()
    INVERTER_NOT_READY = auto()


# fmt: off
XRV: Final = Profile("spellman-xrv", 9_600, RefusalForm.MARKED, 99, (
    # No scale here: it is what command 28 says.
    Command(14, "kV set-point", (Number("voltage", unit="kV"),)),
    Command(15, "mA set-point", (Number("current", unit="mA"),)),
    Command(19, "monitors", (
        Number("voltage", unit="kV"),
        Number("current", unit="mA"),
        Number("filament"),
        Number("local voltage set-point"),
        Number("local current set-point"),
        Number("local filament limit"),
        Number("local preheat"),
        Number("anode current", unit="mA"),
    )),
    Command(21, "high-voltage hours", (Decimal("hours", high=1_000_000, unit="h"),)),
    Command(22, "status", flags(Status)),
    Command(23, "processor firmware", (Text("part number"), Number("version", high=65_535))),
    Command(27, "configuration", (
        Number("reserved 1", high=65_535),
        Number("over-voltage percentage", high=65_535),
        Number("voltage ramp rate", high=65_535),
        Number("current ramp rate", high=65_535),
        Number("pre-warning time", high=65_535),
        Number("arc count", high=65_535),
        Number("reserved 7", high=65_535),
        Number("quench time", high=65_535),
        Number("reserved 9", high=65_535),
        Number("maximum voltage", high=65_535),
        Number("maximum current", high=65_535),
        Number("watchdog timer", high=65_535),
    )),
    Command(28, "full scale", (
        Number("voltage", low=1, high=1_000, unit="kV", scale=1),
        Number("current", low=1, high=1_000, unit="mA", scale=1),
        Number("bipolar", high=1),
    )),
    Command(43, "gate array firmware", (Text("part number"), Number("version", high=65_535))),
    Command(60, "voltage", (Number("voltage", unit="kV"),)),
    Command(68, "faults", flags(Faults)),
    Command(69, "system voltages", (
        Number("temperature", unit="degC", scale=CELSIUS_PER_COUNT),
        Number("reserved 2"),
        Number("anode", unit="kV"),
        Number("cathode", unit="kV"),
        Number("AC line cathode", unit="V", scale=0.088610),
        Number("DC rail cathode", unit="V", scale=0.11399241),
        Number("AC line anode", unit="V", scale=0.088610),
        Number("DC rail anode", unit="V", scale=0.11399241),
        Number("plus 15 V supply", unit="V", scale=0.00427407),
        Number("minus 15 V supply", unit="V", scale=0.00576703),
    )),
    # What this code base must never send. 30, 31 and 52 act without any argument.
    Command(7, "set baud rate", is_read=False),
    Command(10, "set kV", is_read=False),
    Command(11, "set mA", is_read=False),
    Command(12, "set filament limit", is_read=False),
    Command(13, "set preheat", is_read=False),
    Command(30, "reset high-voltage hours", is_read=False),
    Command(31, "clear faults", is_read=False),
    Command(32, "set filament size", is_read=False),
    Command(52, "clear faults (other models)", is_read=False),
    Command(70, "filament on", is_read=False),
    Command(97, "set power limits", is_read=False),
    Command(98, "high voltage on", is_read=False),
    Command(99, "high voltage on (other models)", is_read=False),
))
# fmt: on


@dataclass(frozen=True, slots=True)
class FullScale:
    """Command 28: what 4095 counts of a set-point mean."""

    voltage_kv: int
    current_ma: int
    bipolar: bool


@dataclass(frozen=True, slots=True)
class VoltageSetPoint:
    """Command 14."""

    counts: int
    voltage_kv: float


@dataclass(frozen=True, slots=True)
class CurrentSetPoint:
    """Command 15."""

    counts: int
    current_ma: float


@dataclass(frozen=True, slots=True)
class Voltage:
    """Command 60: the output at this moment."""

    counts: int
    voltage_kv: float


@dataclass(frozen=True, slots=True)
class Monitors:
    """Command 19. `counts` holds all eight: four mean something in local mode only, the last if the unit is bipolar."""

    voltage_kv: float
    current_ma: float
    anode_current_ma: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HighVoltageHours:
    """Command 21."""

    hours: float


@dataclass(frozen=True, slots=True)
class Firmware:
    """Command 23, the processor, or 43, the gate array."""

    part_number: str
    version: int


@dataclass(frozen=True, slots=True)
class Configuration:
    """Command 27, as it came: the units of the twelve were not seen."""

    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SystemVoltages:
    """Command 69. `counts` holds all ten."""

    temperature_celsius: float
    anode_kv: float
    cathode_kv: float
    counts: tuple[int, ...]


Result = (
    Status
    | Faults
    | FullScale
    | VoltageSetPoint
    | CurrentSetPoint
    | Voltage
    | Monitors
    | HighVoltageHours
    | Firmware
    | Configuration
    | SystemVoltages
)


def full_scale(reading: Reading) -> FullScale:
    """The answer to 28, which has to be known before any count of this unit means kilovolts.

    Raises:
        ValueError: if the reading is another.
    """
    if reading.command is not XRV.by_opcode[28]:
        raise ValueError(f"not the full scale of {XRV.name}: {reading.command.name}")
    voltage_kv, current_ma, bipolar = (int(value) for value in reading.values)
    return FullScale(voltage_kv, current_ma, bool(bipolar))


@dataclass(frozen=True, slots=True)
class _PerCount:
    kv: float
    ma: float


_RESULT_OF: Final[dict[int, Callable[[tuple[int, ...], _PerCount, _PerCount], Result]]] = {
    14: lambda n, to, _: VoltageSetPoint(n[0], n[0] * to.kv),
    15: lambda n, to, _: CurrentSetPoint(n[0], n[0] * to.ma),
    19: lambda n, _, seen: Monitors(n[0] * seen.kv, n[1] * seen.ma, n[7] * seen.ma, n),
    22: lambda n, *_: Status(sum(bit << at for at, bit in enumerate(n))),
    27: lambda n, *_: Configuration(n),
    28: lambda n, *_: FullScale(n[0], n[1], bool(n[2])),
    60: lambda n, _, seen: Voltage(n[0], n[0] * seen.kv),
    68: lambda n, *_: Faults(sum(bit << at for at, bit in enumerate(n))),
    69: lambda n, _, seen: SystemVoltages(n[0] * CELSIUS_PER_COUNT, n[2] * seen.kv, n[3] * seen.kv, n),
}
"""From counts, what a set-point's count means, and what a monitor's means."""


def result(reading: Reading, scale: FullScale) -> Result:
    """The reading in the words of this model; `scale` is what the unit answered to 28 (see `full_scale`).

    Raises:
        ValueError: if the reading is not of this model's table.
    """
    opcode = reading.command.opcode
    if XRV.by_opcode.get(opcode) is not reading.command:
        raise ValueError(f"not a reading of {XRV.name}: {reading.command.name}")
    match opcode, reading.values:
        case 21, (float(hours),):
            return HighVoltageHours(hours)
        case 23 | 43, (str(part_number), int(version)):
            return Firmware(part_number, version)
    set_point = _PerCount(scale.voltage_kv / MAX_COUNT, scale.current_ma / MAX_COUNT)
    monitor = _PerCount(MONITOR_OVER_RANGE * set_point.kv, MONITOR_OVER_RANGE * set_point.ma)
    return _RESULT_OF[opcode](tuple(int(value) for value in reading.values), set_point, monitor)
