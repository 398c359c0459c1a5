"""The unit's ticks as moments on our monotonic clock, and when to ask for them.

Each answered time request gives one sample: the unit's tick half-way through its answer, our clock half-way through
the round trip (the midpoint rule of NTP, RFC 5905 section 8). Serial adapters delay answers by up to 16 ms, nearly
always in one direction: a sample is wrong by at most half of what its round trip took longer than the shortest one.
So a straight line is fitted in which the fast round trips weigh most, by the cube of that excess; it follows the drift
between the two clocks, and starts from the knowledge that crystals hardly drift.

What always holds: the map never uses a sample of another boot (make a new one), and a slope that no crystal has
(beyond `MAX_DRIFT`) is not believed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import fsum
from typing import Final

from firmware_bridge.messages import TimeReq, TimeRsp

MAX_DRIFT: Final = 500e-6
"""Crystals are within 100 ppm of their nominal frequency; a fitted slope beyond this is noise."""
_EXPECTED_DRIFT: Final = 60e-6
_FLOOR_NS: Final = 300_000
"""Round trips that differ by less than this are equally good."""
_NOISE_NS: Final = _FLOOR_NS / 2
_KEPT: Final = 64
_LINE_NEEDS: Final = 6
_LINE_SPAN_NS: Final = 8_000_000_000
_NS: Final = 1_000_000_000
_ASK_EVERY_NS: Final = 980_000_000
"""Not a whole second: a unit that does something each second would delay every answer alike."""
_ASK_AT_FIRST_NS: Final = 60_000_000
_ASKED_AT_FIRST: Final = 8
_ANSWER_NS: Final = 100_000_000
"""An answer that takes longer says little about the unit's time, and may never come."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One answered request. `residual_ns` = our clock minus the unit's clock read at its nominal frequency."""

    unit_ns: int
    residual_ns: int
    round_trip_ns: int


class TimeMap:
    """Device ticks to CLOCK_BOOTTIME nanoseconds, for one boot of one unit."""

    def __init__(self, tick_hz: int) -> None:
        self._tick_hz = tick_hz
        self._samples: deque[Sample] = deque(maxlen=_KEPT)
        self._line: tuple[int, float, float] | None = None  # unit_ns at its middle, residual there, slope

    def add(self, *, sent_ns: int, received_ns: int, rx_tick: int, tx_tick: int) -> None:
        """Takes one round trip in; ignores one that can't be (an answer older than its question)."""
        held_ns = (tx_tick - rx_tick) * _NS // self._tick_hz
        round_trip_ns = received_ns - sent_ns - held_ns
        if held_ns < 0 or round_trip_ns < 0:
            return
        unit_ns = (rx_tick + tx_tick) * _NS // (2 * self._tick_hz)
        self._samples.append(Sample(unit_ns, (sent_ns + received_ns) // 2 - unit_ns, round_trip_ns))
        self._line = None

    @property
    def known(self) -> bool:
        """Whether there is any sample."""
        return bool(self._samples)

    @property
    def best_round_trip_ns(self) -> int | None:
        """The shortest round trip kept, None before the first."""
        return min((sample.round_trip_ns for sample in self._samples), default=None)

    def host_ns(self, tick: int) -> int | None:
        """Our clock when the unit's counter showed `tick`, None before the first sample."""
        if not self._samples:
            return None
        if self._line is None:
            self._line = self._fit()
        middle_ns, residual_ns, slope = self._line
        unit_ns = tick * _NS // self._tick_hz
        return unit_ns + round(residual_ns + slope * (unit_ns - middle_ns))

    def _fit(self) -> tuple[int, float, float]:
        """Weighted least squares; `_EXPECTED_DRIFT` and `_NOISE_NS` draw the slope to none while little is known."""
        base, shortest_ns = self._samples[-1], min(sample.round_trip_ns for sample in self._samples)
        points = [
            (
                sample.unit_ns - base.unit_ns,
                sample.residual_ns - base.residual_ns,
                (_FLOOR_NS / (sample.round_trip_ns - shortest_ns + _FLOOR_NS)) ** 3,
            )
            for sample in self._samples
        ]  # differences stay small enough for floats
        total = fsum(weight for _, _, weight in points)
        middle_x = fsum(x * weight for x, _, weight in points) / total
        middle_y = fsum(y * weight for _, y, weight in points) / total
        spread = fsum(weight * (x - middle_x) ** 2 for x, _, weight in points) + (_NOISE_NS / _EXPECTED_DRIFT) ** 2
        slope = fsum(weight * (x - middle_x) * (y - middle_y) for x, y, weight in points) / spread
        if abs(slope) > MAX_DRIFT:
            slope = 0.0
        return base.unit_ns + round(middle_x), base.residual_ns + middle_y, slope


class OneWayMap:
    """The same for a listener, who can't ask: each frame that is sent at once says the ticks of its sending.

    What is late is late by its delay, never early, so the least of many differences is the nearest to the truth. The
    line's own time is taken off; what is left is a few milliseconds late.
    """

    def __init__(self, tick_hz: int) -> None:
        self._tick_hz = tick_hz
        self._samples: deque[tuple[int, int]] = deque(maxlen=_KEPT)

    def add(self, *, tick: int, received_ns: int, line_ns: int) -> None:
        """Takes in that a frame which says `tick` arrived; `line_ns` is how long its bytes took on the line."""
        unit_ns = tick * _NS // self._tick_hz
        self._samples.append((unit_ns, received_ns - line_ns - unit_ns))

    def host_ns(self, tick: int) -> int | None:
        """Our clock when the unit's counter showed `tick`, None before the first sample."""
        if not self._samples:
            return None
        unit_ns = tick * _NS // self._tick_hz
        half = len(self._samples) // 2
        whole = list(self._samples)
        late_ns, late = min(whole[half:], key=lambda sample: sample[1])
        if half < _LINE_NEEDS:
            return unit_ns + min(residual for _, residual in whole)
        early_ns, early = min(whole[:half], key=lambda sample: sample[1])
        slope = (late - early) / (late_ns - early_ns) if late_ns - early_ns >= _LINE_SPAN_NS else 0.0
        if abs(slope) > MAX_DRIFT:
            slope = 0.0
        return unit_ns + late + round(slope * (unit_ns - late_ns))


class TimeKeeper:
    """Asks one boot of a unit for its time, quickly at first, and keeps the map that its answers make."""

    def __init__(self, tick_hz: int) -> None:
        self.map = TimeMap(tick_hz)
        self._open: deque[int] = deque(maxlen=_ASKED_AT_FIRST)
        self._asked = 0
        self._next_ns = 0

    def due(self, now_ns: int) -> bool:
        """Whether it is time to ask."""
        return now_ns >= self._next_ns

    def ask(self, now_ns: int) -> TimeReq:
        """The question, to be sent at once."""
        self._open.append(now_ns)
        self._asked += 1
        self._next_ns = now_ns + (_ASK_AT_FIRST_NS if self._asked <= _ASKED_AT_FIRST else _ASK_EVERY_NS)
        return TimeReq(now_ns)

    def waits(self, now_ns: int) -> bool:
        """Whether an answer may come at any moment."""
        return bool(self._open) and now_ns - self._open[-1] < _ANSWER_NS

    def answered(self, answer: TimeRsp, now_ns: int) -> None:
        """Takes an answer in; ignores one to a question that was not asked, or was answered already."""
        if answer.t1 in self._open:
            self._open.remove(answer.t1)
            self.map.add(sent_ns=answer.t1, received_ns=now_ns, rx_tick=answer.rx_tick, tx_tick=answer.tx_tick)
