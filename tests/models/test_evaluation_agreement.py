"""ICC(2,1) against a published example, and Bland and Altman's limits by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.agreement import agreement, icc

SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
"""Shrout and Fleiss, Psychol Bull 1979; 86:420, table 2: ICC(2,1) = 0.29."""


def test_the_published_example() -> None:
    assert icc(np.array(SHROUT_FLEISS, dtype=float)) == pytest.approx(0.29, abs=0.005)


def test_a_constant_bias_lowers_it_and_shows() -> None:
    true = [float(value) for value in range(20)]
    same, shifted = agreement(true, true), agreement([value + 5 for value in true], true)
    assert same.icc == pytest.approx(1.0)
    assert shifted.icc < 0.8
    assert shifted.bias == pytest.approx(5.0)
    assert shifted.limits == pytest.approx((5.0, 5.0))


def test_the_interval_holds_the_value() -> None:
    rng = np.random.default_rng(1)
    true = rng.gamma(1.0, 10.0, 60)
    found = agreement(list(true + rng.normal(0, 3, 60)), list(true))
    assert found.icc_low < found.icc < found.icc_high
    assert found.limits[0] < found.bias < found.limits[1]
