"""Outlines of bodies on the lesion map, finer than its cells, and what is measured on them.

A cell is 0.4 mm wide and the smallest bodies are 1 mm: counting cells would be off by half. The outline runs where the
map, linear between cell centres, crosses a level.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import contourpy
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""[n, 2]: x, y."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The outer line of a body, and the area within it less its holes; both in cells."""

    points: Points
    area: float


def outline(values: NDArray[np.float32], level: float) -> Outline:
    """The outline of the largest area of a map at or above a level.

    Args:
        values: float32 [rows, columns]; what lies outside the map is 0.
        level: above 0.

    Returns:
        Closed outline without a repeated point; x and y in cells, centres at whole numbers. Empty if none is above.
    """
    framed = np.pad(np.asarray(values, dtype=np.float64), 1)
    generator = contourpy.contour_generator(z=framed, fill_type=contourpy.FillType.OuterOffset)
    polygons, offsets = generator.filled(level, np.inf)[:2]
    best = Outline(np.zeros((0, 2)), 0.0)
    for points, starts in zip(polygons, offsets, strict=True):
        rings = [np.asarray(points)[a:b] - 1.0 for a, b in pairwise(np.asarray(starts))]
        area = area_of(rings[0]) - sum(area_of(hole) for hole in rings[1:])
        if area > best.area:
            best = Outline(_open(rings[0]), area)
    return best


def area_of(points: Points) -> float:
    """The area within a polygon (Gauss)."""
    x, y = points[:, 0], points[:, 1]
    return 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def hull(points: Points) -> Points:
    """The convex hull, counter-clockwise in a frame with y up (Andrew's monotone chain)."""
    unique = sorted({(float(x), float(y)) for x, y in points})
    if len(unique) < 3:
        return np.array(unique, dtype=np.float64).reshape(-1, 2)
    halves = []
    for sequence in (unique, unique[::-1]):
        half: list[tuple[float, float]] = []
        for point in sequence:
            while len(half) >= 2 and _turn(half[-2], half[-1], point) <= 0:
                half.pop()
            half.append(point)
        halves += half[:-1]
    return np.array(halves, dtype=np.float64)


def long_axis(points: Points) -> float:
    """The greatest distance between two points of an outline."""
    corners = hull(points)
    if len(corners) < 2:
        return 0.0
    gaps = corners[:, None, :] - corners[None, :, :]
    return float(np.sqrt((gaps**2).sum(axis=2).max()))


def short_axis(points: Points) -> float:
    """The least width between two parallel lines that hold an outline between them."""
    corners = hull(points)
    if len(corners) < 3:
        return 0.0
    edges = np.roll(corners, -1, axis=0) - corners
    normals = np.stack([-edges[:, 1], edges[:, 0]], axis=1) / np.linalg.norm(edges, axis=1, keepdims=True)
    spread = corners @ normals.T
    return float((spread.max(axis=0) - spread.min(axis=0)).min())


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _open(ring: Points) -> Points:
    """Without the repeated first point."""
    return ring[:-1] if len(ring) > 1 and np.array_equal(ring[0], ring[-1]) else ring
