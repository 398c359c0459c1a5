"""The exposures of a PMX by what it holds: 60 and 65, the voltage and the time of the last one.

A hand exposure of 20 to 40 ms falls between two polls, so that "X-ray on" alone proves nothing. The generator keeps
the mean voltage (60) and the time (65) of the last exposure until the next prep or exposure; with prep, 60 shows the
live voltage, which is none. Hence the rule:

    an exposure was made when 60 and 65 hold still (the same for `SETTLED_NS`, X-ray off, neither of them nought) and
    the pair is another than before, or 60 went to nought in between, or X-ray was seen on

What always holds: what the generator held when it was first met is never taken for an exposure, and an exposure is
found once. When it began is a window between two polls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from firmware_bridge.spellman.asking import Answer
from firmware_bridge.spellman.watching import MS, Window

SETTLED_NS: Final = 200 * MS
_STUCK_NS: Final = 35_000 * MS
"""The manual ends prep and exposure together after 30 s: X-ray on for longer is no status of a working generator."""
_WITHOUT_RECORD_NS: Final = 3_000 * MS
"""An exposure that was seen and of which 60 and 65 say nothing is told by what was seen."""
_NOUGHT_COUNTS: Final = 40
"""One percent of the converter: no voltage."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """One pulse of radiation. `counts` is what 60 held, 0 if it held nothing."""

    counts: int
    time_ms: int
    began: Window
    found_ns: int


@dataclass(slots=True)
class _Beam:
    """X-ray was seen on, last at `on_ns`. `off_ns`: by when it was seen off again."""

    began: Window
    on_ns: int
    sightings: int = 0
    off_ns: int | None = None


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


class HeldExposures:
    """Told of every status, 60 and 65, it finds the pulses."""

    def __init__(self) -> None:
        self.unbelieved = 0
        """Sightings of X-ray that nothing confirmed."""
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

    @property
    def under_way(self) -> bool:
        """Whether X-ray was seen on and what became of it is not known yet."""
        return self._beam is not None

    @property
    def changed_ns(self) -> int | None:
        """When 60 or 65 was first seen to be new, until that is settled."""
        return self._changed_ns

    def seen_on(self, answer: Answer, *, expected: bool) -> bool:
        """A status says X-ray on; `expected`: after prep. True when it has said so for longer than can be."""
        if self._stuck:
            return False
        if self._beam is None or self._beam.off_ns is not None:
            if not expected:
                return False  # X-ray without prep: one wrong bit, until it is read twice
            if self._beam is None:
                latest_ns = min(answer.heard_ns, self._changed_ns or answer.heard_ns)
                earliest_ns = min(max(self._off_ns, self._old_ns), latest_ns)
                self._beam = _Beam(Window(earliest_ns, latest_ns), answer.asked_ns)
            self._beam.off_ns = None
        self._beam.on_ns = answer.asked_ns
        self._beam.sightings += 1
        if answer.heard_ns - self._beam.began.latest_ns > _STUCK_NS:
            self._beam, self._stuck = None, True
            self.unbelieved += 1
        return self._stuck

    def seen_off(self, answer: Answer) -> None:
        """A status says X-ray off."""
        self._off_ns, self._stuck = answer.asked_ns, False
        if self._changed_ns is not None and self._off_after_ns is None and answer.asked_ns >= self._changed_ns:
            self._off_after_ns = answer.heard_ns
        if self._beam is not None and self._beam.off_ns is None:
            self._beam.off_ns = answer.heard_ns
            self._voltage.again()  # what was read before the end is not yet what is held
            self._time.again()

    def voltage(self, counts: int, answer: Answer) -> None:
        """60 was read."""
        self._voltage.read(counts, answer)
        if counts <= _NOUGHT_COUNTS:
            self._cleared = True  # no damage that passes the checksum turns a voltage into none: once is enough
            self._old_ns = answer.asked_ns
            self._changed_ns = self._off_after_ns = None
        elif self._told is not None and counts == self._told[0] and not self._cleared:
            self._old_ns = answer.asked_ns
        elif self._changed_ns is None:
            self._changed_ns = answer.heard_ns

    def time(self, time_ms: int, answer: Answer) -> None:
        """65 was read."""
        self._time.read(time_ms, answer)
        if self._told is not None and time_ms == self._told[1]:
            self._old_time_ns = answer.asked_ns
        elif self._told is not None and self._changed_ns is None:
            self._changed_ns = answer.heard_ns

    def settled(self, answer: Answer) -> Pulse | None:
        """A pulse that was not found before, if 60 and 65 hold one by now."""
        beam = self._beam
        if beam is not None and beam.off_ns is None:
            return None
        counts, time_ms = self._voltage.value, self._time.value
        # A reading of one from before the other changed says nothing of the exposure that changed it.
        since_ns = max(self._voltage.since_ns, self._time.since_ns)
        still = self._voltage.held_since(since_ns) and self._time.held_since(since_ns)
        if not still or counts is None or not time_ms or counts <= _NOUGHT_COUNTS:
            return self._without_record(answer)
        known = self._told is None and not self._cleared and beam is None  # held since before we came
        new = self._told != (counts, time_ms) or self._cleared or beam is not None
        pulse = None
        if new and not known:
            pulse = Pulse(counts, time_ms, self._began(counts, time_ms, answer), answer.heard_ns)
        self._told = (counts, time_ms)
        self._cleared, self._beam, self._changed_ns, self._off_after_ns = False, None, None, None
        self._old_ns, self._old_time_ns = self._voltage.asked_ns, self._time.asked_ns
        return pulse

    def _without_record(self, answer: Answer) -> Pulse | None:
        beam = self._beam
        if beam is None or beam.off_ns is None or answer.heard_ns - beam.off_ns <= _WITHOUT_RECORD_NS:
            return None
        self._beam = None
        if beam.sightings < 2:  # one wrong bit
            self.unbelieved += 1
            return None
        return Pulse(0, max(1, (beam.off_ns - beam.began.best_ns) // MS), beam.began, answer.heard_ns)

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
