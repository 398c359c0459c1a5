"""Ticks to our clock: exact without noise, near enough with the noise that real adapters make."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from firmware_bridge.messages import TimeReq, TimeRsp
from firmware_bridge.timemap import OneWayMap, TimeKeeper, TimeMap

MS = 1_000_000
HZ = 1_000_000


class Clocks:
    """A unit whose crystal is `ppm` fast, asked over a line with given delays (ms)."""

    def __init__(self, ppm: float) -> None:
        self.ppm = ppm

    def tick(self, host_ns: int) -> int:
        return int((host_ns - 77_000 * MS) * (1 + self.ppm / 1e6) * HZ / 1e9)

    def ask(self, times: TimeMap, at_ns: int, there_ms: float, back_ms: float) -> None:
        arrival = at_ns + round(there_ms * MS)
        times.add(
            sent_ns=at_ns,
            received_ns=arrival + round(back_ms * MS),
            rx_tick=self.tick(arrival),
            tx_tick=self.tick(arrival),
        )


def test_before_the_first_answer_nothing_is_mapped() -> None:
    assert TimeMap(HZ).host_ns(1000) is None
    assert TimeMap(HZ).best_round_trip_ns is None


def test_one_round_trip_maps_to_half_of_it() -> None:
    times, clocks = TimeMap(HZ), Clocks(ppm=0)
    clocks.ask(times, 100_000 * MS, 2.0, 2.0)
    assert times.best_round_trip_ns == 4 * MS
    assert times.host_ns(clocks.tick(99_000 * MS)) == pytest.approx(99_000 * MS, abs=2000)


def test_drift_is_followed_over_an_hour() -> None:
    times, clocks = TimeMap(HZ), Clocks(ppm=40)
    for second in range(3600):
        clocks.ask(times, (100_000 + second * 980) * MS, 0.3, 0.3)
    last_ns = (100_000 + 3599 * 980) * MS
    assert times.host_ns(clocks.tick(last_ns + 500 * MS)) == pytest.approx(last_ns + 500 * MS, abs=20_000)


def _jitter(rng: random.Random) -> tuple[float, float]:
    return 0.2 + rng.random(), 0.2 + rng.random()


def _ftdi(rng: random.Random) -> tuple[float, float]:
    return 0.2, 0.2 + 16 * rng.random()


def _loaded(rng: random.Random) -> tuple[float, float]:
    return 0.2 + rng.expovariate(1 / 2), 0.2 + rng.expovariate(1 / 2)


@pytest.mark.parametrize(("line", "within_ms"), [(_jitter, 0.5), (_ftdi, 2.0), (_loaded, 1.0)])
def test_the_error_stays_small_on_real_lines(
    line: Callable[[random.Random], tuple[float, float]], within_ms: float
) -> None:
    rng, errors = random.Random(7), []
    for _ in range(40):
        times, clocks = TimeMap(HZ), Clocks(ppm=rng.uniform(-40, 40))
        for second in range(90):
            clocks.ask(times, (100_000 + second * 980) * MS, *line(rng))
            if second > 20:
                at = (100_000 + second * 980 + 490) * MS
                mapped = times.host_ns(clocks.tick(at))
                assert mapped is not None
                errors.append(abs(mapped - at) / MS)
    errors.sort()
    assert errors[int(len(errors) * 0.99)] < within_ms


def test_an_answer_older_than_its_question_is_ignored() -> None:
    times = TimeMap(HZ)
    times.add(sent_ns=10 * MS, received_ns=9 * MS, rx_tick=1, tx_tick=1)
    times.add(sent_ns=10 * MS, received_ns=11 * MS, rx_tick=5, tx_tick=1)
    times.add(sent_ns=10 * MS, received_ns=11 * MS, rx_tick=1, tx_tick=9_000_000)
    assert times.host_ns(1) is None


def test_a_slope_that_no_crystal_has_is_not_believed() -> None:
    times, clocks = TimeMap(HZ), Clocks(ppm=0)
    for second in range(30):
        clocks.ask(times, (100_000 + second * 980) * MS, 0.0, second * 2.0)  # each answer slower than the one before
    far_ns = 400_000 * MS
    mapped = times.host_ns(clocks.tick(far_ns))
    assert mapped is not None
    assert abs(mapped - far_ns) < 10 * MS


def test_the_keeper_asks_quickly_at_first_then_each_second() -> None:
    keeper, asked = TimeKeeper(HZ), []
    for now_ms in range(4000):
        if keeper.due(now_ms * MS):
            assert keeper.ask(now_ms * MS) == TimeReq(now_ms * MS)
            asked.append(now_ms)
    assert asked == [0, 60, 120, 180, 240, 300, 360, 420, 480, 1460, 2440, 3420]


def test_the_keeper_takes_one_answer_to_each_question() -> None:
    keeper = TimeKeeper(HZ)
    keeper.ask(1000 * MS)
    keeper.answered(TimeRsp(999 * MS, 5, 5), 1001 * MS)
    assert keeper.map.best_round_trip_ns is None
    keeper.answered(TimeRsp(1000 * MS, 5, 5), 1004 * MS)
    keeper.answered(TimeRsp(1000 * MS, 5, 5), 1001 * MS)  # the line doubled it
    assert keeper.map.best_round_trip_ns == 4 * MS


def test_the_keeper_waits_for_an_answer_a_tenth_of_a_second() -> None:
    keeper = TimeKeeper(HZ)
    assert not keeper.waits(0)
    keeper.ask(1000 * MS)
    assert keeper.waits(1099 * MS)
    assert not keeper.waits(1100 * MS)
    keeper.ask(1200 * MS)
    keeper.answered(TimeRsp(1200 * MS, 5, 5), 1204 * MS)
    assert not keeper.waits(1205 * MS)  # the one before it will not come any more
    assert keeper.map.known


def test_one_way_before_the_first_frame_nothing_is_mapped() -> None:
    assert OneWayMap(HZ).host_ns(1000) is None


@pytest.mark.parametrize("ppm", [-40.0, 0.0, 40.0])
def test_one_way_the_earliest_frames_tell_the_time(ppm: float) -> None:
    rng, times, clocks, errors = random.Random(7), OneWayMap(HZ), Clocks(ppm), []
    for second in range(300):
        sent_ns = (100_000 + second * 1000) * MS
        late_ns = round(rng.expovariate(1 / 3) * MS)
        times.add(tick=clocks.tick(sent_ns), received_ns=sent_ns + 4 * MS + late_ns, line_ns=4 * MS)
        if second > 5:
            mapped = times.host_ns(clocks.tick(sent_ns + 400 * MS))
            assert mapped is not None
            errors.append(abs(mapped - sent_ns - 400 * MS) / MS)
    assert sorted(errors)[int(len(errors) * 0.99)] < 3.0
