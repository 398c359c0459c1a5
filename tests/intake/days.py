"""Simulated days of a radiography room, for the matching of exposures and images.

A site has a clock on its image side that is wrong by up to an hour (a zone, minutes, or nothing), and days on which
daylight saving begins, somebody sets the clock, or the appliance restarts. A day has cases; a case has one to four
exposures, at times three equal ones in a minute. Exposures are rejected (no image), told late, told without a time
(the unit restarted in between), or never told; images come seconds or minutes later, out of order, with or without a
time of acquisition, or without any exposure (a detector triggered by a knock, at least ten seconds from any exposure:
closer to one it is busy reading that out).

`run` judges as the appliance does: at each arrival every image whose window is open, with a match once made kept.

    python -m tests.intake.days --days 10000
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from edge.intake.matching import (
    WINDOW_S,
    Ambiguous,
    ExposureClue,
    ImageClue,
    Matched,
    Verdict,
    clock_offset,
    could_be,
    match,
    remembered,
)
from edge.types import Technique

DAYS_PER_SITE = 50
_DAY_S = 28_000.0
TECHNIQUES = (
    Technique(50.0, 100.0, 25.0, 2.5),
    Technique(52.0, 100.0, 25.0, 2.5),
    Technique(55.0, 100.0, 40.0, 4.0),
    Technique(60.0, 200.0, 20.0, 4.0),
    Technique(90.0, 200.0, 10.0, 2.0),
)


@dataclass(frozen=True)
class Told:
    """An exposure of the day: what the bridge says, and when it says it."""

    told_s: float
    clue: ExposureClue
    really_s: float


@dataclass(frozen=True)
class Came:
    """An image of the day, and the exposure that made it."""

    clue: ImageClue
    exposure: int | None


@dataclass
class Day:
    """All that arrives in one day, in no order. `restart_s`: the appliance starts again then."""

    exposures: list[Told] = field(default_factory=list)
    images: list[Came] = field(default_factory=list)
    restart_s: float | None = None


@dataclass
class Tally:
    """How the verdicts of many days came out."""

    days: int = 0
    images: int = 0
    unambiguous: int = 0
    matched: int = 0
    wrong: int = 0
    needless: int = 0
    """Unambiguous ones that were called ambiguous."""
    missed: int = 0
    """Unambiguous ones with an exposure that were called unmatched."""
    ambiguous: int = 0
    """Those that are ambiguous, and were called so."""

    def line(self) -> str:
        share = 100 / max(1, self.unambiguous)
        return (
            f"{self.days} days, {self.images} images: {self.wrong} wrong; of {self.unambiguous} unambiguous ones "
            f"{self.needless} ({self.needless * share:.2f} %) called ambiguous, {self.missed} "
            f"({self.missed * share:.2f} %) called unmatched; of the {self.images - self.unambiguous} others "
            f"{self.ambiguous} called ambiguous"
        )


class Site:
    """A room: its habits and its clock."""

    def __init__(self, rng: random.Random, *, set_by_hand: bool) -> None:
        self.rng, self.set_by_hand = rng, set_by_hand
        kind = rng.random()
        zone_s = 3600.0 * rng.choice((-1, 0, 1, 2))
        if kind < 0.4:
            self.ahead_s = zone_s + rng.gauss(0, 0.4)
        elif kind < 0.8:
            self.ahead_s = rng.choice((-1, 1)) * 3600.0 + rng.uniform(-240, 240)
        else:
            self.ahead_s = rng.uniform(-3600, 3600)
        self.whole_seconds = rng.random() < 0.5
        self.jitter_s = rng.choice((0.05, 0.3))
        self.whole_mas = rng.random() < 0.5
        self.has_time = rng.random() > 0.03
        self.next_id = 0
        self.set_s: float | None = None

    def day(self, start_s: float) -> Day:
        """One day from `start_s` on, on our monotonic clock."""
        rng, day = self.rng, Day()
        if rng.random() < 1 / 90:
            self.ahead_s += rng.choice((-3600.0, 3600.0))  # daylight saving, in the night
        self.set_s = start_s + rng.uniform(0, _DAY_S) if rng.random() < 1 / 60 else None
        if not self.set_by_hand:
            self.set_s = None
        if rng.random() < 0.15:
            day.restart_s = start_s + rng.uniform(0, _DAY_S)
        moments: list[float] = []
        knocks: list[tuple[float, Technique]] = []
        now_s = start_s + rng.uniform(60, 900)
        while now_s < start_s + _DAY_S:
            for at_s, technique in self._case(now_s):
                moments.append(at_s)
                self._expose(day, at_s, technique)
            now_s = moments[-1] + rng.uniform(25, 60)
            if rng.random() < 0.06:
                knocks.append((now_s + rng.uniform(-60, 120), technique))
            now_s += rng.expovariate(1 / 700)
        for knock_s, technique in knocks:
            if all(abs(knock_s - moment_s) > 10 for moment_s in moments):
                day.images.append(self._image(knock_s, technique, None))
        return day

    def _case(self, now_s: float) -> Iterator[tuple[float, Technique]]:
        """The exposures of one patient: at times three equal ones in a minute."""
        rng = self.rng
        technique = rng.choice(TECHNIQUES)
        if rng.random() < 0.06:
            for _ in range(3):
                yield now_s, technique
                now_s += rng.uniform(12, 26)
            return
        for _ in range(rng.choice((1, 1, 2, 2, 3, 4))):
            yield now_s, technique
            now_s += rng.uniform(25, 150)
            if rng.random() < 0.5:
                technique = rng.choice(TECHNIQUES)

    def _expose(self, day: Day, at_s: float, technique: Technique) -> None:
        rng = self.rng
        told = self._told(at_s, technique)
        if told is not None:
            day.exposures.append(told)
        if self.set_s is not None and at_s > self.set_s:
            self.ahead_s += rng.choice((-1, 1)) * rng.uniform(3, 400)  # somebody set the clock
            self.set_s = None
        if rng.random() > 0.08:  # else a reject: no image comes
            day.images.append(self._image(at_s, technique, self.next_id))
        self.next_id += 1

    def _told(self, at_s: float, technique: Technique) -> Told | None:
        rng, luck = self.rng, self.rng.random()
        if luck < 0.002:
            return None  # the ring was full, or the unit's memory volatile
        real = Technique(
            round(technique.kvp or 0, 1),
            technique.tube_current_ma,
            technique.exposure_time_ms,
            round((technique.exposure_mas or 0) * rng.uniform(0.995, 1.005), 3),
        )
        if luck < 0.007:  # the unit restarted before it could tell: the time of arrival is all there is
            told_s = at_s + rng.uniform(3, 40)
            return Told(told_s, ExposureClue(self.next_id, told_s, real, timed=False), at_s)
        told_s = at_s + (rng.uniform(5, 120) if luck < 0.02 else rng.uniform(0.01, 0.3))
        return Told(told_s, ExposureClue(self.next_id, at_s + rng.gauss(0, 0.002), real), at_s)

    def _image(self, at_s: float, technique: Technique, exposure: int | None) -> Came:
        rng = self.rng
        wait_s = rng.uniform(30, 600) if rng.random() < 0.04 else rng.uniform(1.0, 10.0)
        acquired_s = at_s + self.ahead_s + rng.gauss(0, self.jitter_s)
        if self.whole_seconds:
            acquired_s = float(int(acquired_s))
        mas = technique.exposure_mas or 0
        written = Technique(technique.kvp, None, None, float(round(mas)) if self.whole_mas else mas)
        if rng.random() < 0.02:
            written = Technique()
        has_time = self.has_time and rng.random() > 0.002
        return Came(ImageClue(at_s + wait_s, acquired_s if has_time else None, written), exposure)


@dataclass
class _Open:
    came: Came
    verdict: Verdict | None = None


def judge_day(day: Day, memory: list[float]) -> list[tuple[Came, Verdict]]:
    """The day's verdicts. `memory` are earlier matches' offsets, newest first; it is carried on.

    A restart forgets nothing that is durable: exposures and images of before keep their times, by the wall clock.
    """
    arrivals: list[tuple[float, Told | Came]] = [(told.told_s, told) for told in day.exposures]
    arrivals += [(came.clue.arrived_s, came) for came in day.images]
    arrivals.sort(key=lambda arrival: arrival[0])
    exposures: list[ExposureClue] = []
    images: list[_Open] = []
    claimed: dict[int, _Open] = {}
    for now_s, what in arrivals:
        if isinstance(what, Told):
            exposures.append(what.clue)
        else:
            images.append(_Open(what))
        waiting = [
            one
            for one in images
            if not isinstance(one.verdict, Matched) and now_s - one.came.clue.arrived_s <= WINDOW_S
        ]
        if not waiting:
            continue
        recent = [
            one
            for one in images[-20:]
            if day.restart_s is None or (one.came.clue.arrived_s < day.restart_s) == (now_s < day.restart_s)
        ]
        clues = [one.came.clue for one in recent]
        since_s = (clues[0].arrived_s if clues else now_s) - WINDOW_S
        around = [exposure for exposure in exposures if exposure.at_s >= since_s]
        offset = clock_offset(clues, around, (*remembered(memory), 0.0) if memory else (0.0,))
        near = [exposure for exposure in around if abs(exposure.at_s - now_s) <= 2 * WINDOW_S]
        for one in waiting:
            free = [exposure for exposure in near if exposure.id not in claimed]
            taken = [exposure for exposure in near if exposure.id in claimed]
            one.verdict = match(one.came.clue, free, offset, taken)
            if isinstance(one.verdict, Matched):
                claimed[one.verdict.exposure_id] = one
                exposure = next(e for e in free if e.id == one.verdict.exposure_id)
                assert one.came.clue.acquired_s is not None
                memory.insert(0, one.came.clue.acquired_s - exposure.at_s)
                del memory[8:]
    return [(one.came, one.verdict) for one in images if one.verdict is not None]


def is_unambiguous(day: Day, came: Came) -> bool:
    """Whether somebody who knew the image's clock and the exposures told would have no doubt."""
    if came.clue.acquired_s is None:
        return False
    truth = next((told for told in day.exposures if told.clue.id == came.exposure), None)
    near = [told for told in day.exposures if abs(told.clue.at_s - came.clue.arrived_s) <= WINDOW_S]
    rivals = [told for told in near if told is not truth and could_be(came.clue, told.clue)]
    if any(not told.clue.timed for told in rivals) or (truth is not None and not truth.clue.timed):
        return False
    if truth is None:
        return True
    return could_be(came.clue, truth.clue) and all(abs(told.really_s - truth.really_s) > 8 for told in rivals)


def run(days: int, seed: int, *, set_by_hand: bool = False) -> Tally:
    """Sites after sites until so many days have passed.

    `set_by_hand`: on one day in sixty somebody sets the image's clock by seconds or minutes between two exposures. For
    the few images until that shows, no rule can tell the new clock from an old one.
    """
    tally = Tally()
    for day, verdicts in _days(days, seed, set_by_hand=set_by_hand):
        tally.days += 1
        for came, verdict in verdicts:
            clear = is_unambiguous(day, came)
            tally.images += 1
            tally.unambiguous += clear
            if isinstance(verdict, Matched):
                tally.matched += 1
                tally.wrong += verdict.exposure_id != came.exposure
            elif isinstance(verdict, Ambiguous):
                tally.needless += clear
                tally.ambiguous += not clear
            elif clear and came.exposure is not None and any(t.clue.id == came.exposure for t in day.exposures):
                tally.missed += 1
    return tally


def _days(days: int, seed: int, *, set_by_hand: bool) -> Iterator[tuple[Day, list[tuple[Came, Verdict]]]]:
    rng = random.Random(seed)
    memory: list[float] = []
    for number in range(days):
        if number % DAYS_PER_SITE == 0:
            site, memory = Site(random.Random(rng.getrandbits(64)), set_by_hand=set_by_hand), []
        day = site.day(number * 86_400.0)
        yield day, judge_day(day, memory)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Simulated days of matching.")
    parser.add_argument("--days", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--set-by-hand", action="store_true", help="Somebody sets the clock in the middle of some days."
    )
    options = parser.parse_args()
    tally = run(options.days, options.seed, set_by_hand=options.set_by_hand)
    print(tally.line())
    return 1 if tally.wrong or tally.needless > 0.01 * tally.unambiguous else 0


if __name__ == "__main__":
    sys.exit(main())
