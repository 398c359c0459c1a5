"""Which exposure made which image: never wrong, and ambiguous only when it is."""

from __future__ import annotations

import random

import pytest

from edge.intake.matching import (
    Ambiguous,
    ExposureClue,
    ImageClue,
    Matched,
    Offset,
    Unmatched,
    clock_offset,
    match,
)
from edge.types import Technique

HAND = Technique(50.0, 100.0, 25.0, 2.5)
CHEST = Technique(90.0, 200.0, 10.0, 2.0)


def test_one_exposure_with_the_image_s_technique_is_the_one() -> None:
    exposures = [ExposureClue(1, 100.0, CHEST), ExposureClue(2, 110.0, HAND)]
    assert match(ImageClue(115.0, None, HAND), exposures, None) == Matched(2)


def test_whole_mas_of_the_old_tag_is_near_enough() -> None:
    for written in (2.0, 3.0):
        image = ImageClue(115.0, None, Technique(50.0, None, None, written))
        assert match(image, [ExposureClue(2, 110.0, HAND)], None) == Matched(2)


def test_another_technique_is_no_match_however_near_in_time() -> None:
    assert match(ImageClue(100.5, None, HAND), [ExposureClue(1, 100.0, CHEST)], None) == Unmatched()


def test_outside_the_window_there_is_nothing() -> None:
    for arrived_s in (50.0, 100.0 + 15 * 60 + 1):
        assert match(ImageClue(arrived_s, None, HAND), [ExposureClue(1, 100.0, HAND)], None) == Unmatched()


@pytest.mark.requirement("identity")
def test_equal_exposures_are_ambiguous_until_the_clocks_are_known() -> None:
    exposures = [ExposureClue(n, 100.0 + 20 * n, HAND) for n in range(3)]
    image = ImageClue(170.0, 3600.0 + 120.0, HAND)
    assert match(image, exposures, None) == Ambiguous((0, 1, 2))
    assert match(image, exposures, Offset(3600.0, 1.0)) == Matched(1)


def test_a_time_that_is_only_that_of_arrival_is_no_evidence() -> None:
    late = [ExposureClue(1, 200.0, HAND, timed=False), ExposureClue(2, 210.0, HAND, timed=False)]
    assert match(ImageClue(215.0, 3600.0 + 200.0, HAND), late, Offset(3600.0, 1.0)) == Ambiguous((1, 2))


@pytest.mark.requirement("identity")
def test_a_silent_header_is_never_evidence() -> None:
    silent = ImageClue(101.0, None, Technique())
    assert match(silent, [ExposureClue(1, 100.0, HAND)], None) == Ambiguous((1,))
    assert match(silent, [], None) == Unmatched()


def test_the_offset_needs_five_that_consent() -> None:
    exposures = [ExposureClue(n, t, HAND) for n, t in enumerate((0.0, 37.0, 90.0, 101.0, 160.0, 217.0))]
    images = [ImageClue(e.at_s + 9.0, e.at_s + 3600.3, HAND) for e in exposures]
    offset = clock_offset(images, exposures)
    assert offset is not None
    assert offset.ahead_s == pytest.approx(3600.3)
    assert clock_offset(images[:4], exposures) is None


def test_exposures_like_clockwork_leave_the_offset_open() -> None:
    exposures = [ExposureClue(n, 20.0 * n, HAND) for n in range(10)]
    images = [ImageClue(e.at_s + 60.0, e.at_s + 3600.0, HAND) for e in exposures]
    assert clock_offset(images, exposures) is None


@pytest.mark.requirement("identity")
@pytest.mark.parametrize("seed", range(20))
def test_simulated_days_have_no_wrong_match(seed: int) -> None:
    """Repeats, rejects, images late and out of order, a clock an hour off: none is matched wrongly."""
    rng = random.Random(seed)
    techniques = [HAND, CHEST, Technique(55.0, 100.0, 40.0, 4.0)]
    exposures, coming, now_s = [], [], 0.0
    for number in range(60):
        now_s += rng.choice((15.0, 40.0, 300.0)) + rng.uniform(0.0, 10.0)
        technique = rng.choice(techniques)
        exposures.append(ExposureClue(number, now_s, technique))
        if rng.random() > 0.15:  # else: a reject, no image comes
            acquired_s = now_s + 3600.0 + rng.gauss(0.0, 0.3)
            coming.append((ImageClue(now_s + rng.uniform(1.0, 120.0), acquired_s, technique), number))
    coming.sort(key=lambda pair: pair[0].arrived_s)
    claimed: set[int] = set()
    for position, (image, number) in enumerate(coming):
        told = [exposure for exposure in exposures if exposure.at_s <= image.arrived_s]
        offset = clock_offset([clue for clue, _ in coming[max(0, position - 29) : position + 1]], told)
        verdict = match(image, [exposure for exposure in told if exposure.id not in claimed], offset)
        if isinstance(verdict, Matched):
            assert verdict.exposure_id == number
            claimed.add(number)
    assert len(claimed) > 0.8 * len(coming)
