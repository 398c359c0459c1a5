"""A PMX, watched: its state by the flags of 22, its exposures by what 60 and 65 hold after each of them.

A hand exposure of 20 to 40 ms falls between two polls, so that "X-ray on" alone proves nothing. The generator keeps
the mean kV (60) and the time (65) of the last exposure until the next prep or exposure; with prep, 60 shows the live
voltage, which is none. Hence the rule:

    an exposure was made when 60 and 65 hold still (the same for `SETTLED_NS`, X-ray off, neither of them nought) and
    the pair is another than before, or 60 went to nought in between, or X-ray was seen on

Pulses of one prep cycle that lie within a second are one exposure: times and charges are summed, the voltage is that
of the pulse with the largest charge. Pulses closer than `SETTLED_NS` show as the last of them: that is all the
generator keeps.

What always holds: what the generator held when it was first met is never taken for an exposure; the current is the
programmed one, since no command for the measured one is known; the voltage is the measured one only if its scale was
measured, too, and the programmed one else. 0 means not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from firmware_bridge.link import Programmed
from firmware_bridge.live import Live
from firmware_bridge.messages import EndCode, Exposure, ExposureSource, Fault, FaultCode, Level, UnitState
from firmware_bridge.spellman.asking import Answer
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
from firmware_bridge.spellman.watching import MS, Agreed, FaultWatch, Noted, StateWatch, Want, Window

SETTLED_NS: Final = 200 * MS
_SAME_EXPOSURE_NS: Final = 1_000 * MS
_STUCK_NS: Final = 35_000 * MS
"""The manual ends prep and exposure together after 30 s: X-ray on for longer is no status of a working generator."""
_WITHOUT_RECORD_NS: Final = 3_000 * MS
"""An exposure that was seen and of which 60 and 65 say nothing is told by what was seen."""
_WITHOUT_SETTINGS_NS: Final = 3_000 * MS
"""So long an exposure waits for the settings to be read twice, when it came right after the generator was met."""
_NOUGHT_COUNTS: Final = 40
"""One percent of the converter: no voltage."""
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


@dataclass(slots=True)
class _Beam:
    """X-ray was seen on, last at `on_ns`. `off_ns`: by when it was seen off again."""

    began: Window
    on_ns: int
    off_ns: int | None = None


@dataclass(frozen=True, slots=True)
class _Pulse:
    counts: int
    time_ms: int
    began: Window
    settled_ns: int


class _Held:
    """What a held number shows, and since when it shows the same."""

    def __init__(self) -> None:
        self.value: int | None = None
        self.since_ns = 0
        self.asked_ns = 0

    def read(self, value: int, answer: Answer) -> None:
        if value != self.value:
            self.value, self.since_ns = value, answer.asked_ns
        self.asked_ns = answer.asked_ns

    def held_since(self, since_ns: int) -> bool:
        """Whether it was read as it is long enough after that moment."""
        return self.value is not None and self.asked_ns - since_ns >= SETTLED_NS

    def again(self) -> None:
        """Has to be read anew before it counts as still."""
        self.value = None


class PmxWatch:
    """A `Watch`. `scales` None: the scale of command 60 was not measured."""

    def __init__(self, scales: Scales | None) -> None:
        self._scales = scales
        self.live = Live()
        self.firmware: str | None = None
        self.implausible = 0
        self._state = StateWatch(self.live)
        self._faults = {22: FaultWatch(), 78: FaultWatch(), 84: FaultWatch()}
        self._settings: Agreed[ExposureSettings] = Agreed()
        self._voltage, self._time = _Held(), _Held()
        self._told: tuple[int, int] | None = None
        self._cleared = False
        self._beam: _Beam | None = None
        self._stuck = False
        self._off_ns = 0
        self._old_ns = 0
        """When 60 was last seen as it was before; the same for 65."""
        self._old_time_ns = 0
        self._changed_ns: int | None = None
        """When one of them was first seen as it is now, and then X-ray off."""
        self._off_after_ns: int | None = None
        self._pulses: list[_Pulse] = []
        self._busy_until_ns = 0
        self._now_ns = 0

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
                self._last_voltage(counts, answer)
            case LastExposureTime(time_ms=time_ms):
                self._last_time(time_ms, answer)
            case ExposureSettings() as settings:
                if self._settings.read(settings):
                    self.live.programmed = Programmed(settings.voltage_kv, settings.current_ma, float(settings.time_ms))
            case Auxiliary() as auxiliary:
                noted += self._auxiliary(auxiliary, answer)
            case StarterFaults() as starter:
                noted += self._faults[84].read(
                    {
                        (FaultCode.UNKNOWN, Level.ERROR, "starter: not up to speed in 2 s"): starter.not_up_to_speed,
                        (FaultCode.TUBE_OVERLOAD, Level.WARNING, "starter: more than 2 starts in 60 s"): (
                            starter.too_many_starts
                        ),
                        (FaultCode.UNKNOWN, Level.ERROR, "starter: wiring"): starter.wiring != 0,
                    },
                    answer.heard_ns,
                )
        self._settle(answer)
        return [*noted, *self._tell(answer)]

    # -- inside ------------------------------------------------------------------------------------------------

    def _status(self, status: Status, answer: Answer) -> list[Noted]:
        state = state_of(status)
        self.live.interlock_closed = Status.INTERLOCK_CLOSED in status
        self.live.heartbeat_ns = answer.heard_ns
        if state in _UNDER_WAY:
            self._busy_until_ns = answer.heard_ns + _SAME_EXPOSURE_NS + SETTLED_NS
        noted: list[Noted] = []
        if state is UnitState.EXPOSING:
            noted += self._seen_on(status, answer)
        else:
            self._off_ns, self._stuck = answer.asked_ns, False
            if self._changed_ns is not None and self._off_after_ns is None and answer.asked_ns >= self._changed_ns:
                self._off_after_ns = answer.heard_ns
            if self._beam is not None and self._beam.off_ns is None:
                self._beam.off_ns = answer.heard_ns
                self._voltage.again()  # what was read before the end is not yet what is held
                self._time.again()
        noted += self._state.read(state, answer.heard_ns)
        fault = (FaultCode.UNKNOWN, Level.ERROR, "the generator reports a fault")
        return [*noted, *self._faults[22].read({fault: Status.FAULT in status}, answer.heard_ns)]

    def _seen_on(self, status: Status, answer: Answer) -> list[Noted]:
        if self._stuck:
            return []
        if self._beam is None or self._beam.off_ns is not None:
            if self.live.state not in _UNDER_WAY and Status.PREP_ACTIVE not in status:
                return []  # X-ray without prep: one wrong bit, until it is read twice
            if self._beam is None:
                latest_ns = min(answer.heard_ns, self._changed_ns or answer.heard_ns)
                earliest_ns = min(max(self._off_ns, self._old_ns), latest_ns)
                self._beam = _Beam(Window(earliest_ns, latest_ns), answer.asked_ns)
            self._beam.off_ns = None
        self._beam.on_ns = answer.asked_ns
        if answer.heard_ns - self._beam.began.latest_ns <= _STUCK_NS:
            return []
        self._beam, self._stuck = None, True
        self.implausible += 1
        text = "x-ray-on-too-long: status says so for more than 35 s"
        fault = Fault(answer.heard_ns, FaultCode.IMPLAUSIBLE_EVENT, Level.ERROR, active=True, text=text)
        return [Noted(fault, answer.heard_ns)]

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

    def _last_voltage(self, counts: int, answer: Answer) -> None:
        self._voltage.read(counts, answer)
        nought = counts <= _NOUGHT_COUNTS
        if nought or (self._told is not None and counts == self._told[0] and not self._cleared):
            self._old_ns = answer.asked_ns
            if nought:
                self._changed_ns = self._off_after_ns = None
        else:
            self._changed(answer)
        if nought:  # no damage that passes the checksum turns a voltage into none: once is enough
            self._cleared = True

    def _last_time(self, time_ms: int, answer: Answer) -> None:
        self._time.read(time_ms, answer)
        if self._told is not None and time_ms == self._told[1]:
            self._old_time_ns = answer.asked_ns
        elif self._told is not None:
            self._changed(answer)

    def _changed(self, answer: Answer) -> None:
        if self._changed_ns is None:
            self._changed_ns = answer.heard_ns
            self._busy_until_ns = max(self._busy_until_ns, answer.heard_ns + _SAME_EXPOSURE_NS)

    def _settle(self, answer: Answer) -> None:
        """Whether 60 and 65 hold an exposure that was not told yet."""
        beam = self._beam
        if beam is not None and beam.off_ns is None:
            return
        counts, time_ms = self._voltage.value, self._time.value
        # A reading of one from before the other changed says nothing of the exposure that changed it.
        since_ns = max(self._voltage.since_ns, self._time.since_ns)
        still = self._voltage.held_since(since_ns) and self._time.held_since(since_ns)
        if not still or counts is None or not time_ms or counts <= _NOUGHT_COUNTS:
            if beam is not None and beam.off_ns is not None and answer.heard_ns - beam.off_ns > _WITHOUT_RECORD_NS:
                lasted_ms = max(1, (beam.off_ns - beam.began.best_ns) // MS)
                self._pulses.append(_Pulse(0, lasted_ms, beam.began, answer.heard_ns))
                self._beam = None
            return
        met_before = self._told is not None or self._cleared or self._beam is not None
        if met_before and (self._told != (counts, time_ms) or self._cleared or self._beam is not None):
            self._pulses.append(_Pulse(counts, time_ms, self._began(counts, time_ms, answer), answer.heard_ns))
        self._told = (counts, time_ms)
        self._cleared, self._beam, self._changed_ns, self._off_after_ns = False, None, None, None
        self._old_ns, self._old_time_ns = self._voltage.asked_ns, self._time.asked_ns

    def _began(self, counts: int, time_ms: int, answer: Answer) -> Window:
        """When the pulse began, by all that bounds it."""
        beam, lasted_ns = self._beam, time_ms * MS
        if beam is not None and beam.off_ns is not None:
            return beam.began.within(Window(beam.on_ns - lasted_ns, beam.off_ns - lasted_ns))
        earliest_ns = self._old_ns
        if self._told is not None and counts == self._told[0] and not self._cleared:
            earliest_ns = self._old_time_ns - lasted_ns  # only the time tells them apart
        latest_ns = max(earliest_ns, self._changed_ns or answer.heard_ns)
        ended_ns = self._off_after_ns or answer.heard_ns
        return Window(earliest_ns, latest_ns).within(Window(earliest_ns, max(earliest_ns, ended_ns - lasted_ns)))

    def _tell(self, answer: Answer) -> list[Noted]:
        """Tells of an exposure once no further pulse of it can come."""
        if not self._pulses:
            return []
        waited = answer.heard_ns - self._pulses[-1].settled_ns
        going_on = self.live.state in _UNDER_WAY and waited < _SAME_EXPOSURE_NS
        unset = self._settings.value is None and waited < _WITHOUT_SETTINGS_NS
        if self._beam is not None or going_on or unset:
            return []
        pulses, self._pulses = self._pulses, []
        return [self._exposure(pulses)]

    def _exposure(self, pulses: list[_Pulse]) -> Noted:
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
