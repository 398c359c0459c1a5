"""Which exposure made which image: never wrong, and ambiguous only when it is."""

from __future__ import annotations

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
    modulo,
    remembered,
)
from edge.types import Technique
from tests.intake.days import run

HAND = Technique(50.0, 100.0, 25.0, 2.5)
CHEST = Technique(90.0, 200.0, 10.0, 2.0)
KNOWN = Offset(0.0, 1.0)


def test_the_exposure_of_that_moment_is_the_one() -> None:
    exposures = [ExposureClue(1, 100.0, HAND), ExposureClue(2, 110.0, HAND)]
    assert match(ImageClue(115.0, 110.4, HAND), exposures, KNOWN) == Matched(2)


@pytest.mark.requirement("identity")
def test_an_equal_technique_alone_proves_nothing() -> None:
    """A detector triggered by a knock bears the technique set at the console."""
    rejected = [ExposureClue(1, 100.0, HAND)]
    assert match(ImageClue(131.0, 130.0, HAND), rejected, KNOWN) == Unmatched()
    assert match(ImageClue(131.0, 130.0, HAND), rejected, None) == Ambiguous((1,))
    assert match(ImageClue(131.0, None, HAND), rejected, KNOWN) == Ambiguous((1,))


def test_whole_mas_of_the_old_tag_is_near_enough() -> None:
    for written in (2.0, 3.0):
        image = ImageClue(115.0, 110.0, Technique(50.0, None, None, written))
        assert match(image, [ExposureClue(2, 110.0, HAND)], KNOWN) == Matched(2)


def test_a_technique_that_the_unit_does_not_know_speaks_neither_way() -> None:
    polled = ExposureClue(2, 110.0, Technique(50.0, 0.0, 25.0, 0.0))
    assert match(ImageClue(115.0, 110.0, HAND), [polled], KNOWN) == Matched(2)


def test_another_technique_is_no_match_however_near_in_time() -> None:
    assert match(ImageClue(100.5, 100.0, HAND), [ExposureClue(1, 100.0, CHEST)], KNOWN) == Unmatched()


def test_outside_the_window_there_is_nothing() -> None:
    for arrived_s in (50.0, 100.0 + 15 * 60 + 1):
        assert match(ImageClue(arrived_s, 100.0, HAND), [ExposureClue(1, 100.0, HAND)], KNOWN) == Unmatched()


@pytest.mark.requirement("identity")
def test_three_equal_exposures_in_a_minute_are_ambiguous_until_the_clocks_are_known() -> None:
    exposures = [ExposureClue(n, 100.0 + 20 * n, HAND) for n in range(3)]
    image = ImageClue(170.0, 3600.0 + 120.0, HAND)
    assert match(image, exposures, None) == Ambiguous((0, 1, 2))
    assert match(image, exposures, Offset(0.0, 1.5, sure=False)) == Ambiguous((0, 1, 2))
    assert match(image, exposures, KNOWN) == Matched(1)


@pytest.mark.requirement("identity")
def test_an_exposure_that_another_image_claimed_is_still_a_rival() -> None:
    free, claimed = [ExposureClue(2, 120.0, HAND)], [ExposureClue(1, 100.0, HAND)]
    image = ImageClue(125.0, 120.0, HAND)
    assert match(image, free, Offset(0.0, 1.5, sure=False), claimed) == Ambiguous((2,))
    assert match(image, free, Offset(0.0, 1.5, sure=False)) == Matched(2)
    assert match(image, free, KNOWN, claimed) == Matched(2)


def test_two_exposures_of_one_moment_can_not_be_told_apart() -> None:
    exposures = [ExposureClue(1, 100.0, HAND), ExposureClue(2, 101.0, HAND)]
    assert match(ImageClue(105.0, 100.6, HAND), exposures, KNOWN) == Ambiguous((2, 1))  # the likelier first


def test_a_time_that_is_only_that_of_arrival_is_no_evidence() -> None:
    late = [ExposureClue(1, 200.0, HAND, timed=False), ExposureClue(2, 210.0, HAND, timed=False)]
    assert match(ImageClue(215.0, 200.0, HAND), late, KNOWN) == Ambiguous((1, 2))


def test_an_exposure_that_the_unit_told_after_its_restart_may_be_older_than_the_image() -> None:
    late = [ExposureClue(1, 240.0, HAND, timed=False)]
    assert match(ImageClue(215.0, 200.0, HAND), late, KNOWN) == Ambiguous((1,))
    assert match(ImageClue(215.0, 200.0, HAND), [ExposureClue(1, 240.0, HAND)], KNOWN) == Unmatched()


@pytest.mark.requirement("identity")
def test_a_silent_header_is_never_evidence() -> None:
    silent = ImageClue(101.0, None, Technique())
    assert match(silent, [ExposureClue(1, 100.0, HAND)], KNOWN) == Ambiguous((1,))
    assert match(silent, [], KNOWN) == Unmatched()


def pairs(count: int, ahead_s: float) -> tuple[list[ImageClue], list[ExposureClue]]:
    times = (0.0, 37.0, 90.0, 101.0, 160.0, 217.0, 301.0, 322.0)[:count]
    exposures = [ExposureClue(n, t, HAND) for n, t in enumerate(times)]
    return [ImageClue(e.at_s + 9.0, e.at_s + ahead_s, HAND) for e in exposures], exposures


def test_five_that_consent_make_an_offset_of_any_size() -> None:
    images, exposures = pairs(6, 3600.0 + 123.4)
    offset = clock_offset(images, exposures)
    assert offset is not None
    assert offset.sure
    assert offset.ahead_s == pytest.approx(123.4)
    assert clock_offset(images[:4], exposures) is None


@pytest.mark.parametrize("zone_s", [-3600.0, 0.0, 3600.0, 20_700.0])
def test_a_clock_that_is_right_in_whatever_zone_needs_no_consent_where_there_is_no_rival(zone_s: float) -> None:
    images, exposures = pairs(1, zone_s + 0.7)
    offset = clock_offset(images, exposures)
    assert offset is not None
    assert (offset.ahead_s, offset.sure) == (0.0, False)
    images, exposures = pairs(4, zone_s + 0.7)
    offset = clock_offset(images, exposures)
    assert offset is not None
    assert offset.sure
    assert offset.ahead_s == pytest.approx(0.7)


def test_daylight_saving_changes_nothing() -> None:
    images, exposures = pairs(8, 3600.0 + 123.4)
    summer = [*images[:5], *(ImageClue(i.arrived_s, (i.acquired_s or 0) + 3600.0, HAND) for i in images[5:])]
    assert clock_offset(summer, exposures) == clock_offset(images, exposures)


def test_what_was_remembered_is_confirmed_by_one_image_and_refuted_by_two() -> None:
    images, exposures = pairs(1, 77.0)
    offset = clock_offset(images, exposures, (77.5, 0.0))
    assert offset is not None
    assert (offset.ahead_s, offset.sure) == (77.5, False)
    images, exposures = pairs(6, 77.0)
    since = [*images[:4], *(ImageClue(i.arrived_s, (i.acquired_s or 0) + 25.0, HAND) for i in images[4:])]
    assert clock_offset(since[:5], exposures, (77.5, 0.0)) is not None
    assert clock_offset(since, exposures, (77.5, 0.0)) is None  # somebody set the clock


def test_exposures_like_clockwork_leave_the_offset_open() -> None:
    exposures = [ExposureClue(n, 20.0 * n, HAND) for n in range(10)]
    images = [ImageClue(e.at_s + 60.0, e.at_s + 123.0, HAND) for e in exposures]
    assert clock_offset(images, exposures) is None


def test_an_offset_near_the_seam_of_the_circle_is_one_offset() -> None:
    images, exposures = pairs(6, 450.0)
    wobble = [ImageClue(i.arrived_s, (i.acquired_s or 0) + (-1) ** n, HAND) for n, i in enumerate(images)]
    offset = clock_offset(wobble, exposures)
    assert offset is not None
    assert abs(modulo(offset.ahead_s - 450.0)) <= 1.0


def test_what_is_remembered_is_what_most_of_the_newest_say() -> None:
    assert remembered([]) == []
    assert remembered([10.0, 10.5]) == []
    assert remembered([10.0, 10.5, 300.0, 910.3, 9.5, 77.0]) == [pytest.approx(10.15)]
    assert remembered([10.0, 200.0, 300.0, 400.0, 77.0]) == []


@pytest.mark.requirement("identity")
def test_simulated_days_have_no_wrong_match() -> None:
    """Skewed clocks, daylight saving, equal exposures, rejects, knocks, late and lost messages, restarts."""
    tally = run(days=60, seed=1)
    print(tally.line())
    assert tally.images > 2500
    assert tally.wrong == 0
    assert tally.needless <= 0.01 * tally.unambiguous
    assert tally.missed <= 0.005 * tally.unambiguous


@pytest.mark.soak
@pytest.mark.requirement("identity")
@pytest.mark.timeout(3600)
def test_ten_thousand_simulated_days_have_no_wrong_match() -> None:
    tally = run(days=10_000, seed=7)
    print(tally.line())
    assert tally.wrong == 0
    assert tally.needless <= 0.01 * tally.unambiguous
    assert tally.missed <= 0.005 * tally.unambiguous


def test_where_a_clock_is_remembered_one_image_doesn_t_make_it_right() -> None:
    """Its own exposure was never told; another one, a minute before, would fit a clock that is right."""
    exposures = [ExposureClue(1, 1000.0, HAND)]
    images = [ImageClue(1069.0, 1003.4, HAND)]
    assert clock_offset(images, exposures, (0.0,)) is not None
    assert clock_offset(images, exposures, (-59.0, 0.0)) is None
