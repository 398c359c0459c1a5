"""A PMX, watched: its state by the flags of 22, its exposures by what it holds of them (`held`).

Pulses of one prep cycle that lie within a second are one exposure: times and charges are summed, the voltage is that
of the pulse with the largest charge. Pulses closer than `held.SETTLED_NS` show as the last of them: that is all the
generator keeps.

What always holds: the current is the programmed one, since no command for the measured one is known; the voltage is
the measured one only if its scale was measured, too, and the programmed one else. 0 means not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from firmware_bridge.link import Programmed
from firmware_bridge.live import Live
from firmware_bridge.messages import EndCode, Exposure, ExposureSource, Fault, FaultCode, Level, UnitState
from firmware_bridge.spellman.asking import Answer
from firmware_bridge.spellman.held import SETTLED_NS, HeldExposures, Pulse
from firmware_bridge.spellman.pmx import (
    KV_PER_COUNT,
    Auxiliary,
    ExposureSettings,
    LastExposureTime,
    LastExposureVoltage,
    Scales,
    StarterFaults,
    Status,
    result,
)
from firmware_bridge.spellman.watching import MS, Agreed, FaultWatch, Noted, StateWatch, Want

_SAME_EXPOSURE_NS: Final = 1_000 * MS
_WITHOUT_SETTINGS_NS: Final = 3_000 * MS
"""So long an exposure waits for the settings to be read twice, when it came right after the generator was met."""
_COUNTS_ONLY: Final = Scales(KV_PER_COUNT)

# fmt: off
STATES: Final[dict[tuple[bool, bool, bool, bool], UnitState]] = {
    # X-ray   fault  prep   ready
    (False, False, False, False): UnitState.STANDBY,
    (False, False, False, True):  UnitState.STANDBY,    # ready without prep: able, not asked
    (False, False, True,  False): UnitState.PREP,
    (False, False, True,  True):  UnitState.READY,
    (False, True,  False, False): UnitState.ERROR,
    (False, True,  False, True):  UnitState.ERROR,
    (False, True,  True,  False): UnitState.ERROR,
    (False, True,  True,  True):  UnitState.ERROR,
    (True,  False, False, False): UnitState.EXPOSING,
    (True,  False, False, True):  UnitState.EXPOSING,
    (True,  False, True,  False): UnitState.EXPOSING,
    (True,  False, True,  True):  UnitState.EXPOSING,
    (True,  True,  False, False): UnitState.EXPOSING,   # radiation comes first, whatever else is wrong
    (True,  True,  False, True):  UnitState.EXPOSING,
    (True,  True,  True,  False): UnitState.EXPOSING,
    (True,  True,  True,  True):  UnitState.EXPOSING,
}
"""Complete: what the four flags of 22 mean."""
IDLE: Final = (
    Want(22, 100 * MS), Want(60, 300 * MS), Want(65, 300 * MS), Want(51, 700 * MS), Want(78, 2_000 * MS),
    Want(84, 5_000 * MS),
)
BUSY: Final = (Want(22, 0), Want(60, 0), Want(65, 0), Want(51, 400 * MS))
"""From prep until the exposure is settled: as often as the line allows, about 15 times a second. The settings may have
been changed right before prep; during it they can't."""
# fmt: on
_UNDER_WAY: Final = (UnitState.PREP, UnitState.READY, UnitState.EXPOSING)


def state_of(status: Status) -> UnitState:
    """The unit's state by its flags."""
    flags = (Status.XRAY_ON, Status.FAULT, Status.PREP_ACTIVE, Status.READY)
    xray, fault, prep, ready = (flag in status for flag in flags)
    return STATES[xray, fault, prep, ready]


class PmxWatch:
    """A `Watch`. `scales` None: the scale of command 60 was not measured."""

    def __init__(self, scales: Scales | None) -> None:
        self._scales = scales
        self.live = Live()
        self.firmware: str | None = None
        self._state = StateWatch(self.live)
        self._faults = {22: FaultWatch(), 78: FaultWatch(), 84: FaultWatch()}
        self._settings: Agreed[ExposureSettings] = Agreed()
        self._held = HeldExposures()
        self._pulses: list[Pulse] = []
        self._busy_until_ns = 0
        self._now_ns = 0

    @property
    def implausible(self) -> int:
        """Sightings of X-ray that nothing confirmed."""
        return self._held.unbelieved

    def wanted(self) -> Sequence[Want]:
        """Everything now and then; from prep on only what an exposure is told by, as often as possible."""
        return BUSY if self._now_ns < self._busy_until_ns else IDLE

    def take(self, answer: Answer) -> list[Noted]:
        """Takes an answer in."""
        self._now_ns = answer.heard_ns
        noted: list[Noted] = []
        match result(answer.reading, self._scales or _COUNTS_ONLY):
            case Status() as status:
                noted += self._status(status, answer)
            case LastExposureVoltage() if answer.reading.maybe_refusal is not None:
                pass  # a volt or a refusal: neither says that the voltage went to nought
            case LastExposureVoltage(counts=counts):
                self._held.voltage(counts, answer)
            case LastExposureTime(time_ms=time_ms):
                self._held.time(time_ms, answer)
            case ExposureSettings() as settings:
                if self._settings.read(settings):
                    self.live.programmed = Programmed(settings.voltage_kv, settings.current_ma, float(settings.time_ms))
            case Auxiliary() as auxiliary:
                noted += self._auxiliary(auxiliary, answer)
            case StarterFaults() as starter:
                noted += self._starter(starter, answer)
        return [*noted, *self._exposures(answer)]

    # -- inside ------------------------------------------------------------------------------------------------

    def _status(self, status: Status, answer: Answer) -> list[Noted]:
        state = state_of(status)
        self.live.interlock_closed = Status.INTERLOCK_CLOSED in status
        self.live.heartbeat_ns = answer.heard_ns
        if state in _UNDER_WAY:
            self._busy_until_ns = answer.heard_ns + _SAME_EXPOSURE_NS + SETTLED_NS
        noted: list[Noted] = []
        if state is not UnitState.EXPOSING:
            self._held.seen_off(answer)
        elif self._held.seen_on(answer, expected=self.live.state in _UNDER_WAY or Status.PREP_ACTIVE in status):
            text = "x-ray-on-too-long: status says so for more than 35 s"
            wrong = Fault(answer.heard_ns, FaultCode.IMPLAUSIBLE_EVENT, Level.ERROR, active=True, text=text)
            noted.append(Noted(wrong, answer.heard_ns))
        noted += self._state.read(state, answer.heard_ns)
        fault = (FaultCode.UNKNOWN, Level.ERROR, "the generator reports a fault")
        return [*noted, *self._faults[22].read({fault: Status.FAULT in status}, answer.heard_ns)]

    def _starter(self, starter: StarterFaults, answer: Answer) -> list[Noted]:
        return self._faults[84].read(
            {
                (FaultCode.UNKNOWN, Level.ERROR, "starter: not up to speed in 2 s"): starter.not_up_to_speed,
                (
                    FaultCode.TUBE_OVERLOAD,
                    Level.WARNING,
                    "starter: more than 2 starts in 60 s",
                ): starter.too_many_starts,
                (FaultCode.UNKNOWN, Level.ERROR, "starter: wiring"): starter.wiring != 0,
            },
            answer.heard_ns,
        )

    def _auxiliary(self, auxiliary: Auxiliary, answer: Answer) -> list[Noted]:
        self.live.heat_ok = auxiliary.anode_heat_ok
        return self._faults[78].read(
            {
                (FaultCode.OVERTEMPERATURE, Level.WARNING, "anode at 90 % of its heat or more"): (
                    not auxiliary.anode_heat_ok
                ),
                (FaultCode.UNKNOWN, Level.INFO, "the clock's battery is low"): not auxiliary.clock_battery_ok,
            },
            answer.heard_ns,
        )

    def _exposures(self, answer: Answer) -> list[Noted]:
        """Tells of an exposure once no further pulse of it can come."""
        if self._held.changed_ns is not None:
            self._busy_until_ns = max(self._busy_until_ns, self._held.changed_ns + _SAME_EXPOSURE_NS)
        pulse = self._held.settled(answer)
        if pulse is not None:
            self._pulses.append(pulse)
        if not self._pulses:
            return []
        waited = answer.heard_ns - self._pulses[-1].found_ns
        going_on = self.live.state in _UNDER_WAY and waited < _SAME_EXPOSURE_NS
        unset = self._settings.value is None and waited < _WITHOUT_SETTINGS_NS
        if self._held.under_way or going_on or unset:
            return []
        pulses, self._pulses = self._pulses, []
        return [self._exposure(pulses)]

    def _exposure(self, pulses: list[Pulse]) -> Noted:
        settings = self._settings.value
        main = max(pulses, key=lambda pulse: pulse.time_ms)
        time_ms = float(sum(pulse.time_ms for pulse in pulses))
        current_ma = settings.current_ma if settings else 0.0
        if self._scales is not None and main.counts:
            kvp = main.counts * self._scales.last_kv_per_count
        else:
            kvp = settings.voltage_kv if settings else 0.0
        on, last = pulses[0].began, pulses[-1]
        off_ns = last.began.best_ns + last.time_ms * MS
        as_set = settings is not None and abs(time_ms - settings.time_ms) <= max(2.0, 0.03 * settings.time_ms)
        raw = ";".join(f"60={pulse.counts},65={pulse.time_ms}" for pulse in pulses)
        if settings is not None:
            raw += f";51={settings.time_ms},{settings.voltage_counts},{settings.current_counts}"
        exposure = Exposure(
            tick_on=on.best_ns,
            tick_off=max(on.best_ns, off_ns),
            kvp=round(kvp, 1),
            tube_current_ma=round(current_ma, 2),
            exposure_time_ms=min(time_ms, 60_000.0),
            exposure_mas=round(current_ma * time_ms / 1000, 3),
            end_code=EndCode.NORMAL if as_set else EndCode.UNKNOWN,
            source=ExposureSource.SET_POINT if main.counts else ExposureSource.SENSED,
            accuracy_ms=on.accuracy_ms,
            pulses=len(pulses) if len(pulses) > 1 else None,
        )
        return Noted(exposure, on.best_ns, timed=on.known, raw=raw)
