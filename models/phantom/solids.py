"""Calcified bodies as solids: points spread through them, turned at random, laid on the film along the beam.

The phantom's own lesions are drawn flat (`models.phantom.lesions`); a shell, a sheet seen aslant or a strand that runs
towards the viewer looks like nothing of them. These are for training. The evaluation grows its bodies in voxels and
shares nothing with this module.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.phantom.raster import Map

OUTLINE: Final = 0.25
"""A body's outline: where it holds this part of its peak thickness."""
_POINTS: Final = 24_000
_SOFTEN_PX: Final = 0.6
"""Evens out what is left of single points."""

_Points = NDArray[np.float64]
_Solid = tuple[_Points, float]
"""Points [n, 3] in mm and the volume they stand for, mm3."""


@dataclass(frozen=True, slots=True)
class Body:
    """What one body adds to a film.

    Attributes:
        thickness_mm: float32 [rows, columns], of solid mineral along the beam; its packing isn't in it yet.
        mask: bool [rows, columns], its outline.
    """

    thickness_mm: Map
    mask: NDArray[np.bool_]


SHARE: Final[Mapping[str, float]] = {"grains": 0.5, "shell": 0.14, "sheet": 0.12, "strands": 0.12, "cloud": 0.12}


def make_body(rng: np.random.Generator, pitch_mm: float) -> Body:
    """A body of 0.7 to 12 mm, mostly of 1 to 4."""
    kinds = tuple(SHARE)
    kind = kinds[int(rng.choice(len(kinds), p=tuple(SHARE.values())))]
    size_mm = float(np.clip(np.exp(rng.normal(math.log(2.2), 0.62)), 0.7, 12.0))
    points, volume_mm3 = _MAKE[kind](size_mm, rng)
    return _laid(points @ _turn(rng).T, volume_mm3, pitch_mm)


def outlined(thickness_mm: Map) -> Body:
    """A body of known thickness."""
    return Body(thickness_mm, thickness_mm > OUTLINE * float(thickness_mm.max()))


def _laid(points: _Points, volume_mm3: float, pitch_mm: float) -> Body:
    columns, rows = ((points[:, axis] - points[:, axis].min()) / pitch_mm + 3 for axis in (0, 1))
    shape = math.ceil(float(rows.max())) + 4, math.ceil(float(columns.max())) + 4
    counted = np.bincount(rows.astype(np.int64) * shape[1] + columns.astype(np.int64), minlength=shape[0] * shape[1])
    thickness = counted.reshape(shape).astype(np.float32) * np.float32(volume_mm3 / len(points) / pitch_mm**2)
    return outlined(ndimage.gaussian_filter(thickness, _SOFTEN_PX))


def _turn(rng: np.random.Generator) -> NDArray[np.float64]:
    """A rotation drawn evenly from all of them (QR of a Gaussian matrix)."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    turn: NDArray[np.float64] = q * np.sign(np.diag(r))
    return turn


def _directions(count: int, rng: np.random.Generator) -> _Points:
    towards = rng.standard_normal((count, 3))
    unit: _Points = towards / np.linalg.norm(towards, axis=1, keepdims=True)
    return unit


def _grains(size_mm: float, rng: np.random.Generator) -> _Solid:
    """Pebbles beside each other; a small body is one."""
    count = 1 if size_mm < 1.3 else int(rng.integers(1, 2 + int(4 * size_mm)))
    reach = 0.0 if count == 1 else 0.5 * size_mm * float(rng.uniform(0.5, 1.0))
    flat = rng.uniform(0.3, 1.0, 3)
    radii = (
        np.full(1, 0.5 * size_mm)
        if count == 1
        else np.clip(np.exp(rng.normal(math.log(0.6), 0.4, count)), 0.25, max(0.3, 0.5 * size_mm))
    )
    volumes = 4 / 3 * math.pi * radii**3
    share = np.maximum(1, (volumes / volumes.sum() * _POINTS).astype(int))
    parts = []
    for radius, points in zip(radii, share, strict=True):
        place = _directions(1, rng)[0] * reach * float(rng.random()) ** 0.5 * flat
        towards = _directions(int(points), rng)
        bumps = 1 + 0.15 * np.sin(towards @ rng.normal(0, 2.5, 3) + float(rng.uniform(0, 6.3)))
        ball = towards * (bumps * rng.random(int(points)) ** (1 / 3))[:, None]
        parts.append(place + radius * ball * rng.uniform(0.7, 1.0, 3))
    return np.concatenate(parts), float(volumes.sum()) * 0.6


def _shell(size_mm: float, rng: np.random.Generator) -> _Solid:
    """Egg shell, often broken; the wall of a calcified vessel or of a cyst."""
    radius = 0.5 * max(size_mm, 1.2)
    wall = float(np.clip(rng.uniform(0.12, 0.45), 0.1, 0.6 * radius))
    towards = _directions(_POINTS, rng)
    gap = towards @ _directions(1, rng)[0] < float(rng.uniform(0.3, 1.4))
    towards = towards[gap]
    depth = 1 - wall / radius * rng.random(len(towards))
    points = radius * towards * depth[:, None] * rng.uniform(0.5, 1.0, 3)
    return points, 4 * math.pi * radius**2 * wall * 0.6 * float(gap.mean())


def _sheet(size_mm: float, rng: np.random.Generator) -> _Solid:
    """A plate, curved, with holes."""
    long, wide = 0.5 * max(size_mm, 2.0), 0.5 * max(size_mm, 2.0) * float(rng.uniform(0.25, 0.8))
    thick = float(rng.uniform(0.25, 0.9))
    angle, away = rng.uniform(0, 2 * math.pi, _POINTS), np.sqrt(rng.random(_POINTS))
    edge = 1 + 0.2 * np.sin(3 * angle + float(rng.uniform(0, 6.3))) + 0.1 * np.sin(7 * angle)
    u, v = long * away * edge * np.cos(angle), wide * away * edge * np.sin(angle)
    bend = rng.normal(0, 0.6, 2) / long
    w = bend[0] * u**2 + bend[1] * v**2 + thick * (rng.random(_POINTS) - 0.5)
    holes = np.sin(u * float(rng.uniform(0.8, 4)) + float(rng.uniform(0, 6))) * np.sin(v * float(rng.uniform(0.8, 4)))
    kept = holes < float(rng.uniform(0.2, 1.2))
    return np.stack([u, v, w], axis=1)[kept], math.pi * long * wide * thick * float(kept.mean())


def _strands(size_mm: float, rng: np.random.Generator) -> _Solid:
    """Lines that wander and cross: a net, or a calcified vessel or tendon when there is one."""
    count = int(rng.integers(1, 8))
    radius, length = float(rng.uniform(0.15, 0.45)), max(size_mm, 2.5)
    parts, total = [], 0.0
    for _ in range(count):
        steps = 40
        heading = np.cumsum(rng.normal(0, float(rng.uniform(0.05, 0.35)), (steps, 3)), axis=0) + _directions(1, rng)[0]
        heading /= np.linalg.norm(heading, axis=1, keepdims=True)
        line = np.cumsum(heading, axis=0) * length / steps
        line = line - line.mean(axis=0) + rng.normal(0, 0.18 * length, 3)
        share = _POINTS // count
        at = rng.random(share) * (steps - 1)
        low = at.astype(int)
        middle = line[low] + (at - low)[:, None] * (line[low + 1] - line[low])
        parts.append(middle + radius * _directions(share, rng) * rng.random((share, 1)) ** (1 / 3))
        total += math.pi * radius**2 * length
    return np.concatenate(parts), total


def _cloud(size_mm: float, rng: np.random.Generator) -> _Solid:
    """A mass without an edge, uneven inside."""
    count = int(rng.integers(1, 7))
    spread = 0.22 * size_mm
    centres = rng.normal(0, spread * float(rng.uniform(0.2, 0.9)), (count, 3))
    which = rng.integers(count, size=_POINTS)
    points = centres[which] + rng.normal(0, spread, (_POINTS, 3)) * rng.uniform(0.5, 1.0, 3)
    thin = np.sin(points @ rng.normal(0, 2.0 / spread, 3)) * np.sin(points @ rng.normal(0, 2.0 / spread, 3))
    points = points[thin < float(rng.uniform(0.1, 1.0))]
    return points, (2.0 * spread) ** 3 * float(rng.uniform(0.7, 2.0))


_MAKE: Final[Mapping[str, Callable[[float, np.random.Generator], _Solid]]] = {
    "grains": _grains,
    "shell": _shell,
    "sheet": _sheet,
    "strands": _strands,
    "cloud": _cloud,
}
