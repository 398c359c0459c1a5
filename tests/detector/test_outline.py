"""Outlines are finer than cells: areas and axes of known shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detector import outline


def disc(
    radius: float, *, hole: float = 0.0, size: int = 41, centre: tuple[float, float] = (20.3, 19.6)
) -> NDArray[np.float32]:
    """A soft-edged disc whose 0.5 level lies at `radius`."""
    y, x = np.mgrid[:size, :size]
    away = np.hypot(x - centre[0], y - centre[1])
    value = np.clip(0.5 + (radius - away), 0, 1)
    if hole:
        value = np.minimum(value, np.clip(0.5 + (away - hole), 0, 1))
    return np.asarray(value, dtype=np.float32)


@pytest.mark.parametrize("radius", [1.2, 2.5, 6.0, 12.0])
def test_the_area_of_a_disc_is_right_well_below_a_cell(radius: float) -> None:
    found = outline.outline(disc(radius), 0.5)
    assert found.area == pytest.approx(math.pi * radius**2, rel=0.18 if radius < 2 else 0.05)
    assert outline.long_axis(found.points) == pytest.approx(2 * radius, rel=0.08)
    assert found.points.mean(axis=0) == pytest.approx((20.3, 19.6), abs=0.25)


def test_holes_don_t_count() -> None:
    found = outline.outline(disc(10.0, hole=5.0), 0.5)
    assert found.area == pytest.approx(math.pi * (100 - 25), rel=0.04)
    assert outline.area_of(found.points) == pytest.approx(math.pi * 100, rel=0.04)


def test_a_shape_at_the_edge_is_closed() -> None:
    found = outline.outline(disc(6.0, centre=(0.0, 20.0)), 0.5)
    assert found.area == pytest.approx(math.pi * 18 + 6, rel=0.1)
    assert not np.array_equal(found.points[0], found.points[-1])


def test_nothing_above_the_level_is_no_outline() -> None:
    found = outline.outline(np.zeros((5, 5), np.float32), 0.5)
    assert len(found.points) == 0
    assert found.area == 0


def test_axes_of_a_rectangle() -> None:
    corners = np.array([[0, 0], [8, 0], [8, 3], [0, 3], [4, 1.5]], dtype=float)
    assert outline.area_of(outline.hull(corners)) == 24
    assert outline.long_axis(corners) == pytest.approx(math.hypot(8, 3))
    assert outline.short_axis(corners) == pytest.approx(3)


def test_axes_of_a_point_are_none() -> None:
    point = np.array([[2.0, 3.0], [2.0, 3.0]])
    assert outline.long_axis(point) == 0
    assert outline.short_axis(point) == 0
