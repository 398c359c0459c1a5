"""An XRV, watched: a supply of continuous high voltage, whose exposures are the times for which it was on.

It keeps no record of an exposure. Its status tells that high voltage is on, its monitors tell the voltage and current
of the moment; beginning and end are known as well as the polls around them, and so is the time in between.

What always holds: an exposure was seen on twice, or once with a voltage on the monitors; one wrong bit makes none.
High voltage for longer than a minute is told as such and not as an exposure: no record of this link can hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from firmware_bridge.link import Programmed
from firmware_bridge.live import Live
from firmware_bridge.messages import EndCode, Exposure, ExposureSource, Fault, FaultCode, Level, UnitState
from firmware_bridge.spellman.asking import Answer
from firmware_bridge.spellman.watching import MS, Agreed, FaultName, FaultWatch, Noted, StateWatch, Want, Window
from firmware_bridge.spellman.xrv import (
    CurrentSetPoint,
    Faults,
    Firmware,
    FullScale,
    Monitors,
    Status,
    VoltageSetPoint,
    full_scale,
    result,
)

_LONGEST_MS: Final = 60_000.0
_SOME_VOLTAGE: Final = 0.02
"""Of full scale: the monitors show that high voltage is really there."""
_STEADY: Final = 0.9
"""Of the highest voltage seen: below it the supply was still rising, or already falling."""
_AFTER_NS: Final = 500 * MS

# fmt: off
STATES: Final[dict[tuple[bool, bool, bool], UnitState]] = {
    # HV on  fault  imminent
    (False, False, False): UnitState.STANDBY,
    (False, False, True):  UnitState.PREP,
    (False, True,  False): UnitState.ERROR,
    (False, True,  True):  UnitState.ERROR,
    (True,  False, False): UnitState.EXPOSING,
    (True,  False, True):  UnitState.EXPOSING,
    (True,  True,  False): UnitState.EXPOSING,      # radiation comes first, whatever else is wrong
    (True,  True,  True):  UnitState.EXPOSING,
}
"""Complete: what the three flags of 22 mean."""
FAULTS: Final[dict[Faults, FaultCode]] = {
    Faults.ARC_ANODE: FaultCode.ARC, Faults.ARC_CATHODE: FaultCode.ARC,
    Faults.OVER_TEMPERATURE_NEAR: FaultCode.OVERTEMPERATURE,
    Faults.OVER_TEMPERATURE_ANODE: FaultCode.OVERTEMPERATURE,
    Faults.OVER_TEMPERATURE_CATHODE: FaultCode.OVERTEMPERATURE,
    Faults.BOARD_OVER_TEMPERATURE: FaultCode.OVERTEMPERATURE,
    Faults.OVER_CURRENT: FaultCode.TUBE_OVERLOAD, Faults.OVER_POWER: FaultCode.TUBE_OVERLOAD,
    Faults.OVER_VOLTAGE: FaultCode.TUBE_OVERLOAD,
}
"""The rest is UNKNOWN, with its name."""
START: Final = (Want(28, 0), Want(22, 100 * MS), Want(23, 500 * MS))
IDLE: Final = (
    Want(22, 100 * MS), Want(14, 500 * MS), Want(15, 500 * MS), Want(68, 1_000 * MS), Want(28, 5_000 * MS),
    Want(23, 10_000 * MS),
)
BUSY: Final = (Want(22, 0), Want(19, 0), Want(68, 1_000 * MS))
# fmt: on


def state_of(status: Status) -> UnitState:
    """The unit's state by its flags."""
    return STATES[Status.HV_ON in status, Status.FAULT in status, Status.XRAYS_IMMINENT in status]


@dataclass(slots=True)
class _Beam:
    """High voltage was seen on, last at `on_ns`."""

    began: Window
    on_ns: int
    sightings: int = 1
    shown: list[tuple[float, float]] = field(default_factory=list)
    """Voltage and current, kV and mA."""


class XrvWatch:
    """A `Watch`."""

    def __init__(self) -> None:
        self.live = Live()
        self.firmware: str | None = None
        self.implausible = 0
        self._state = StateWatch(self.live)
        self._faults = FaultWatch()
        self._scale: Agreed[FullScale] = Agreed()
        self._voltage: Agreed[VoltageSetPoint] = Agreed()
        self._current: Agreed[CurrentSetPoint] = Agreed()
        self._beam: _Beam | None = None
        self._off_ns = 0
        self._busy_until_ns = 0
        self._now_ns = 0

    def wanted(self) -> Sequence[Want]:
        """What a count means comes first; then status, and the monitors while high voltage is on."""
        if self._scale.value is None:
            return START
        return BUSY if self._now_ns < self._busy_until_ns else IDLE

    def take(self, answer: Answer) -> list[Noted]:
        """Takes an answer in."""
        self._now_ns = answer.heard_ns
        if answer.reading.command.opcode == 28:
            self._scale.read(full_scale(answer.reading))
            return []
        scale = self._scale.value
        match result(answer.reading, scale or _UNKNOWN_SCALE):
            case Status() as status:
                return self._status(status, answer)
            case Faults() as faults:
                return self._faulty(faults, answer)
            case Firmware(part_number=part, version=version) if answer.reading.command.opcode == 23:
                self.firmware = f"{part} {version}"
            case Monitors(voltage_kv=voltage_kv, current_ma=current_ma) if scale and self._beam:
                if voltage_kv >= _SOME_VOLTAGE * scale.voltage_kv:
                    self._beam.shown.append((voltage_kv, current_ma))
            case VoltageSetPoint() as voltage if scale:
                self._voltage.read(voltage)
                self._programmed()
            case CurrentSetPoint() as current if scale:
                self._current.read(current)
                self._programmed()
        return []

    # -- inside ------------------------------------------------------------------------------------------------

    def _programmed(self) -> None:
        if self._voltage.value is not None:
            current_ma = self._current.value.current_ma if self._current.value else None
            self.live.programmed = Programmed(self._voltage.value.voltage_kv, current_ma)

    def _status(self, status: Status, answer: Answer) -> list[Noted]:
        closed = Status.INTERLOCK_1_CLOSED | Status.INTERLOCK_2_CLOSED | Status.INTERNAL_INTERLOCK_CLOSED
        self.live.interlock_closed = closed in status
        self.live.heartbeat_ns = answer.heard_ns
        state = state_of(status)
        noted: list[Noted] = []
        if state is UnitState.EXPOSING:
            self._busy_until_ns = answer.heard_ns + _AFTER_NS
            if self._beam is None:
                self._beam = _Beam(Window(min(self._off_ns, answer.heard_ns), answer.heard_ns), answer.asked_ns)
            else:
                self._beam.sightings += 1
            self._beam.on_ns = answer.asked_ns
        else:
            if state is UnitState.PREP:
                self._busy_until_ns = answer.heard_ns + _AFTER_NS
            self._off_ns = answer.asked_ns
            beam, self._beam = self._beam, None
            if beam is not None:
                noted += self._ended(beam, answer)
        return [*noted, *self._state.read(state, answer.heard_ns)]

    def _ended(self, beam: _Beam, answer: Answer) -> list[Noted]:
        if beam.sightings < 2 and not beam.shown:
            self.implausible += 1
            return []
        ended = Window(beam.on_ns, answer.heard_ns)
        lasted_ms = (ended.best_ns - beam.began.best_ns) / MS
        if lasted_ms > _LONGEST_MS:
            text = f"high voltage was on for {lasted_ms / 1000:.0f} s: longer than any exposure"
            fault = Fault(answer.heard_ns, FaultCode.UNKNOWN, Level.INFO, active=False, text=text)
            return [Noted(fault, answer.heard_ns)]
        kvp, current_ma, source = self._shown(beam)
        exposure = Exposure(
            tick_on=beam.began.best_ns,
            tick_off=ended.best_ns,
            kvp=round(min(kvp, 300.0), 1),
            tube_current_ma=round(min(current_ma, 2000.0), 2),
            exposure_time_ms=round(lasted_ms, 2),
            exposure_mas=round(min(current_ma * lasted_ms / 1000, 2000.0), 3),
            end_code=EndCode.UNKNOWN,
            source=source,
            accuracy_ms=round(max(beam.began.accuracy_ms, ended.accuracy_ms), 2),
        )
        raw = ";".join(f"19={voltage:.3f}kV,{current:.3f}mA" for voltage, current in beam.shown[:8])
        return [Noted(exposure, beam.began.best_ns, timed=beam.began.known, raw=raw)]

    def _shown(self, beam: _Beam) -> tuple[float, float, ExposureSource]:
        """Voltage and current while it was steady; without a monitor's word the programmed ones, 0 if not known."""
        if beam.shown:
            highest = max(voltage for voltage, _ in beam.shown)
            steady = [one for one in beam.shown if one[0] >= _STEADY * highest]
            return median(kv for kv, _ in steady), median(ma for _, ma in steady), ExposureSource.SENSED
        set_point = self.live.programmed
        if set_point is None:
            return 0.0, 0.0, ExposureSource.UNKNOWN
        return set_point.kvp, set_point.tube_current_ma or 0.0, ExposureSource.SET_POINT

    def _faulty(self, faults: Faults, answer: Answer) -> list[Noted]:
        hot = any(code is FaultCode.OVERTEMPERATURE and flag in faults for flag, code in FAULTS.items())
        self.live.heat_ok = not hot
        found: dict[FaultName, bool] = {}
        for flag in Faults:
            text = (flag.name or "").lower().replace("_", " ")
            found[FAULTS.get(flag, FaultCode.UNKNOWN), Level.ERROR, text] = flag in faults
        return self._faults.read(found, answer.heard_ns)


_UNKNOWN_SCALE: Final = FullScale(1, 1, bipolar=False)
"""For answers that need none."""
