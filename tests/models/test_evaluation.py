"""Marks meet the truth, and the free-response curve counts them right."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation import froc
from models.evaluation.marks import Scored, find_marks, score


def _plane(*blobs: tuple[int, int, float]) -> np.ndarray:
    plane = np.zeros((60, 60), dtype=np.float32)
    for row, column, height in blobs:
        plane[row : row + 3, column : column + 3] = height
    return plane


NOTHING = np.zeros((60, 60), dtype=bool)
EVERYWHERE = ~NOTHING


def test_marks_have_their_highest_probability_and_centre() -> None:
    marks, labelled = find_marks(_plane((10, 20, 0.8), (40, 5, 0.3)))
    assert [(round(mark.score, 3), mark.x, mark.y, mark.cells) for mark in marks] == [(0.8, 21, 11, 9), (0.3, 6, 41, 9)]
    assert labelled.max() == 2


def test_a_mark_near_a_lesion_hits_it_and_one_far_away_is_false() -> None:
    truth = np.zeros((60, 60), dtype=np.int32)
    truth[10:13, 24:26] = 7
    truth[50:52, 50:52] = 9
    got = score(_plane((10, 20, 0.8), (40, 5, 0.3)), truth, EVERYWHERE, NOTHING)
    assert got.lesions == {7: pytest.approx(0.8), 9: 0.0}
    assert list(got.false) == pytest.approx([0.3])


def test_undecided_places_are_neither_hit_nor_false() -> None:
    undecided = NOTHING.copy()
    undecided[40:43, 5:8] = True
    got = score(_plane((40, 5, 0.9)), np.zeros((60, 60), dtype=np.int32), EVERYWHERE, undecided)
    assert got == Scored({}, ())


def test_marks_outside_the_hand_do_not_count() -> None:
    got = score(_plane((40, 5, 0.9)), np.zeros((60, 60), dtype=np.int32), NOTHING, NOTHING)
    assert got.false == ()


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
    lower = froc.at_threshold(scored, threshold - 0.11).false_per_image
    assert lower > rate
