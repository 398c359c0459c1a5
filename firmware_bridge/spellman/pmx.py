"""The PMX: a 50 kV, 5 kW generator for mammography with prep, ready and exposure. Manual 118165-001, revision A.

What the unit tells: its status, the programmed technique, and mean kV and time of the last exposure. Those two are held
from the end of an exposure until the next prep or exposure. An exposure may be shorter than the time between two
polls, so "X-ray on" alone never proves that there was none.

Pages 57 to 59, 61, 66 to 69 and 93 of the manual were not seen: what they would tell is marked here, and commands 14
and 61, which other models have, are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag, auto
from typing import Final

from firmware_bridge.spellman.profile import MAX_COUNT, Command, Number, Profile, Reading, RefusalForm, flags

KV_PER_COUNT: Final = 50 / MAX_COUNT
MA_PER_COUNT: Final = 200 / MAX_COUNT
LAST_KV_PER_COUNT_BY_FULL_SCALE: Final = 53.476 / MAX_COUNT
"""Page 92 gives 53 476 V at 4095 for command 60, which is 13.06 V a count ..."""
LAST_KV_PER_COUNT_BY_TEXT: Final = 0.01044
"""... and its text says 10.44 V a count. Nobody has measured which is true."""


class Status(IntFlag):
    """Command 22, page 65: the 26 flags in their order."""

    XRAY_ON = auto()
    INTERLOCK_CLOSED = auto()
    FAULT = auto()
    PREP_ACTIVE = auto()
    STATUS_BIT_1 = auto()
    STATUS_BIT_2 = auto()
    STATUS_BIT_3 = auto()
    TUBE_SELECT_1 = auto()
    TUBE_SELECT_2 = auto()
    TUBE_SELECT_3 = auto()
    TUBE_SELECT_4 = auto()
    LOAD_TABLE = auto()
    READY = auto()
    SETUP_INVALID = auto()
    CALIBRATION = auto()
    FILAMENT_OPEN_LOOP = auto()
    BYPASS_1 = auto()
    BYPASS_2 = auto()
    BYPASS_3 = auto()
    BYPASS_4 = auto()
    BYPASS_5 = auto()
    UNSEEN_22 = auto()
    UNSEEN_23 = auto()
    UNSEEN_24 = auto()
    UNSEEN_25 = auto()
    UNSEEN_26 = auto()


# fmt: off
PMX: Final = Profile("spellman-pmx", 19_200, RefusalForm.BARE, 11, (
    # Refusals seen: 1 checksum, 3 out of bounds, 9 state, 10 invalid set-up, 11 mode. The list itself was not.
    Command(15, "mA set-point", (Number("current", unit="mA", scale=MA_PER_COUNT),)),
    Command(22, "status", flags(Status)),
    Command(51, "exposure settings", (
        Number("time", high=12_000, unit="ms", scale=1),
        Number("voltage", unit="kV", scale=KV_PER_COUNT),
        Number("current", unit="mA", scale=MA_PER_COUNT),
        Number("large filament", high=1),
    )),
    Command(53, "filament", (Number("large filament", high=1),)),
    Command(60, "last exposure kV", (Number("voltage", unit="kV"),)),                    # scale: configuration
    # Prep and exposure together end after 30 s.
    Command(65, "last exposure time", (Number("time", high=30_000, unit="ms", scale=1),)),
    Command(78, "auxiliary status", (Number("clock battery ok", high=1), Number("anode heat ok", high=1))),
    Command(84, "high-speed starter faults", (
        *(Number(f"unseen {n}") for n in range(1, 9)),
        Number("not up to speed in 2 s", high=1),
        Number("more than 2 starts in 60 s", high=1),
        Number("wiring", high=3),
        *(Number(f"unseen {n}") for n in range(12, 14)),
    )),
    # What this code base must never send. Known so that it can be refused by name, and so that its echo is understood.
    Command(10, "set kV", is_read=False),
    Command(11, "set mA", is_read=False),
    Command(33, "set pre-heat", is_read=False),
    Command(34, "set ready time", is_read=False),
    Command(50, "set exposure settings", is_read=False),
    Command(55, "set mode", is_read=False),
    Command(71, "set mAs and mA", is_read=False),
    Command(74, "set mAs", is_read=False),
))
# fmt: on


@dataclass(frozen=True, slots=True)
class Scales:
    """What the manual leaves open: kilovolts for each count of command 60. There is no default, on purpose.

    Raises:
        ValueError: if it isn't a positive number that keeps 4095 counts below 100 kV.
    """

    last_kv_per_count: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.last_kv_per_count) and 0 < self.last_kv_per_count * MAX_COUNT < 100):
            raise ValueError(f"{self.last_kv_per_count} kV a count is no scale of a 50 kV generator")


@dataclass(frozen=True, slots=True)
class CurrentSetPoint:
    """Command 15."""

    current_counts: int
    current_ma: float


@dataclass(frozen=True, slots=True)
class ExposureSettings:
    """Command 51: what the next exposure is programmed to be."""

    time_ms: int
    voltage_counts: int
    current_counts: int
    large_filament: bool
    voltage_kv: float
    current_ma: float


@dataclass(frozen=True, slots=True)
class Filament:
    """Command 53."""

    large: bool


@dataclass(frozen=True, slots=True)
class LastExposureVoltage:
    """Command 60: the mean of the last exposure; during one, the mean so far. The counts outlive a wrong scale."""

    counts: int
    voltage_kv: float


@dataclass(frozen=True, slots=True)
class LastExposureTime:
    """Command 65: measured from 75 % to 75 % of the voltage."""

    time_ms: int


@dataclass(frozen=True, slots=True)
class Auxiliary:
    """Command 78. The anode's heat is not ok from 90 % of what it can hold."""

    clock_battery_ok: bool
    anode_heat_ok: bool


@dataclass(frozen=True, slots=True)
class StarterFaults:
    """Command 84. `wiring` is 0 when right; `counts` holds all 13 as they came."""

    not_up_to_speed: bool
    too_many_starts: bool
    wiring: int
    counts: tuple[int, ...]


Result = (
    Status
    | CurrentSetPoint
    | ExposureSettings
    | Filament
    | LastExposureVoltage
    | LastExposureTime
    | Auxiliary
    | StarterFaults
)


_RESULT_OF: Final[dict[int, Callable[[tuple[int, ...], Scales], Result]]] = {
    15: lambda n, _: CurrentSetPoint(n[0], n[0] * MA_PER_COUNT),
    22: lambda n, _: Status(sum(bit << at for at, bit in enumerate(n))),
    51: lambda n, _: ExposureSettings(n[0], n[1], n[2], bool(n[3]), n[1] * KV_PER_COUNT, n[2] * MA_PER_COUNT),
    53: lambda n, _: Filament(bool(n[0])),
    60: lambda n, scales: LastExposureVoltage(n[0], n[0] * scales.last_kv_per_count),
    65: lambda n, _: LastExposureTime(n[0]),
    78: lambda n, _: Auxiliary(bool(n[0]), bool(n[1])),
    84: lambda n, _: StarterFaults(bool(n[8]), bool(n[9]), n[10], n),
}


def result(reading: Reading, scales: Scales) -> Result:
    """The reading in the words of this model.

    Raises:
        ValueError: if the reading is not of this model's table.
    """
    opcode = reading.command.opcode
    if PMX.by_opcode.get(opcode) is not reading.command:
        raise ValueError(f"not a reading of {PMX.name}: {reading.command.name}")
    return _RESULT_OF[opcode](tuple(int(value) for value in reading.values), scales)
