"""Marks meet the truth, and the free-response curve counts them right."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.types import Lesion
from models.evaluation import froc
from models.evaluation.marks import Scored, meet
from models.evaluation.nonsense import pictures

PITCH_MM = 0.2
NOTHING: NDArray[np.bool_] = np.zeros((80, 80), dtype=bool)


def _mark(x: float, y: float, score: float, half: float = 2.0) -> Lesion:
    corners = ((x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half))
    box = (round(x - half), round(y - half), round(x + half), round(y + half))
    return Lesion(1, 0, "DP2", score, "below", corners, box, 0.6, 0.8, 1, "stone", "single", 1)


def _truth(*lesions: tuple[int, int, int]) -> NDArray[np.int16]:
    truth = np.zeros((80, 80), dtype=np.int16)
    for number, column, row in lesions:
        truth[row : row + 3, column : column + 3] = number
    return truth


def test_a_mark_within_reach_hits_and_one_further_away_is_false() -> None:
    truth = _truth((7, 27, 20), (9, 60, 60))  # 27 - 22 = 5 pixels = 1.0 mm from the first mark's edge
    got = meet([_mark(20, 21, 0.8), _mark(40, 50, 0.3)], truth, NOTHING, [7, 9], PITCH_MM)
    assert got == Scored({7: 0.8, 9: 0.0}, (0.3,))


def test_a_mark_just_out_of_reach_is_false() -> None:
    got = meet([_mark(20, 21, 0.8)], _truth((7, 29, 20)), NOTHING, [7], PITCH_MM)
    assert got == Scored({7: 0.0}, (0.8,))


def test_the_best_of_several_marks_counts() -> None:
    got = meet([_mark(20, 21, 0.4), _mark(22, 21, 0.9)], _truth((7, 20, 20)), NOTHING, [7], PITCH_MM)
    assert got == Scored({7: 0.9}, ())


def test_undecided_places_and_invisible_lesions_are_neither_hit_nor_false() -> None:
    undecided = NOTHING.copy()
    undecided[50:53, 40:43] = True
    got = meet([_mark(41, 51, 0.9), _mark(20, 21, 0.8)], _truth((5, 20, 20)), undecided, [], PITCH_MM)
    assert got == Scored({}, ())


def test_marks_at_the_film_edge_are_counted() -> None:
    assert meet([_mark(1, 1, 0.7), _mark(79, 79, 0.6)], _truth(), NOTHING, [], PITCH_MM).false == (0.7, 0.6)


def test_the_curve_by_hand() -> None:
    scored = [Scored({1: 0.9, 2: 0.4}, (0.6,)), Scored({1: 0.0}, (0.3, 0.2)), Scored({}, ()), Scored({1: 0.7}, ())]
    point = froc.at_threshold(scored, 0.5)
    assert (point.false_per_image, point.sensitivity) == (0.25, 0.5)
    assert point.low <= point.sensitivity <= point.high


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.5, 0.75])
def test_a_chosen_threshold_leaves_no_more_false_marks_than_allowed(rate: float) -> None:
    scored = [Scored({}, (0.9, 0.5)), Scored({}, (0.8,)), Scored({}, (0.7,)), Scored({}, ())]
    threshold = froc.threshold_for(scored, rate)
    assert froc.at_threshold(scored, threshold).false_per_image <= rate
    assert froc.at_threshold(scored, threshold - 0.11).false_per_image > rate


def test_pictures_without_a_hand_are_pictures() -> None:
    for image in pictures(12):
        assert image.dtype == np.float32
        assert 0 <= image.min() < image.max() <= 1
