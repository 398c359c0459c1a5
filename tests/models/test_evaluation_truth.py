"""Sizes, counts and the burden index of a drawn truth, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edge.types import REGIONS
from models.evaluation.truth import TrueLesion, burden, counts, is_visible, shape_of


def _lesion(number: int, grade: int) -> TrueLesion:
    return TrueLesion(number, 0, "stone", "test", "DP2", 0.0, 2.0, 1.0, 1.0, 0.2, grade, 9.0, visible=True)


def test_sizes_of_a_rectangle() -> None:
    mask = np.zeros((20, 30), dtype=bool)
    mask[5:8, 10:14] = True  # 3 x 4 pixels
    long_axis_mm, diameter_mm, area_mm2 = shape_of(mask, 0.5)
    assert long_axis_mm == pytest.approx(2.5)
    assert area_mm2 == pytest.approx(3.0)
    assert diameter_mm == pytest.approx(2 * (3.0 / np.pi) ** 0.5)


def test_bodies_nearer_than_the_gap_are_one_lesion() -> None:
    mask = np.zeros((60, 60), dtype=bool)
    mask[10:12, 10:12] = mask[10:12, 17:19] = mask[40:42, 40:42] = True  # 5 pixels apart at 0.2 mm: 1 mm
    assert counts(mask, 0.2) == (2, 3)
    assert counts(np.zeros((5, 5), dtype=bool), 0.2) == (0, 0)


def test_the_burden_index_by_hand() -> None:
    regions = np.full((10, 20), 1 + REGIONS.index("DP2"), dtype=np.uint8)
    regions[:, 10:] = 1 + REGIONS.index("MP2")
    numbers = np.zeros((10, 20), dtype=np.int16)
    numbers[0, 0:4], numbers[0, 12:14] = 1, 2
    soft = {"DP2": 100.0, "MP2": 50.0}  # of a middle phalanx at least 150 mm2 count
    index = burden([_lesion(1, 3), _lesion(2, 1)], numbers, regions, soft, 1.0)
    assert index == pytest.approx(100 * 4 / 100 * 3 / 3 + 100 * 2 / 150 * 1 / 3)


def test_small_or_faint_lesions_are_not_asked_for() -> None:
    assert is_visible(3.0, 0.5)
    assert not is_visible(2.0, 0.5)
    assert not is_visible(9.0, 0.2)
