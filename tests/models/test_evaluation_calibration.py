"""Reliability and ROC on scores whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.calibration import reliability, roc


def test_scores_that_mean_what_they_say_have_no_error() -> None:
    rng = np.random.default_rng(2)
    scores = rng.uniform(0, 1, 20_000)
    _, error = reliability(list(scores), list(rng.uniform(0, 1, 20_000) < scores))
    assert error < 0.02


def test_scores_that_are_too_high_show_by_how_much() -> None:
    bins, error = reliability([0.95] * 100, [True] * 45 + [False] * 55)
    assert error == pytest.approx(0.5)
    assert [(item.count, item.right) for item in bins] == [(100, 0.45)]


def test_the_area_under_the_curve_by_hand() -> None:
    found = roc([0.9, 0.8, 0.3], [0.5, 0.1])
    assert found.area == pytest.approx(5 / 6)
    assert found.points[0] == (0.0, 0.0)
    assert found.points[-1] == (1.0, 1.0)
