"""The film as a grid: patches of it in a hand's own coordinates, and the noise textures that bones are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.phantom.anatomy import Pose, Vec

Map = NDArray[np.float32]
Slices = tuple[slice, slice]

_TILE: Final = 768
_TILE_MM: Final = 0.15


@dataclass(frozen=True, slots=True)
class Grid:
    """`rows` x `columns` pixels of `pitch_mm`; pixel (0, 0) has its centre at film (0, 0) mm."""

    rows: int
    columns: int
    pitch_mm: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.rows, self.columns

    def zeros(self) -> Map:
        """An empty map."""
        return np.zeros(self.shape, dtype=np.float32)

    def to_pixel(self, film_mm: Vec) -> Vec:
        """Film millimetres to pixels (x, y)."""
        return film_mm[0] / self.pitch_mm, film_mm[1] / self.pitch_mm

    def patch(self, pose: Pose, points: Sequence[Vec], margin_mm: float) -> tuple[Slices, Map, Map] | None:
        """The part of the film around `points` (hand coordinates), with each pixel's hand coordinates.

        Returns None when it lies outside the film.
        """
        film = [self.to_pixel(pose.to_film(point)) for point in points]
        margin = margin_mm / self.pitch_mm
        x0 = max(0, math.floor(min(x for x, _ in film) - margin))
        x1 = min(self.columns, math.ceil(max(x for x, _ in film) + margin) + 1)
        y0 = max(0, math.floor(min(y for _, y in film) - margin))
        y1 = min(self.rows, math.ceil(max(y for _, y in film) + margin) + 1)
        if x0 >= x1 or y0 >= y1:
            return None
        xs = np.arange(x0, x1, dtype=np.float32)[None, :] * np.float32(self.pitch_mm)
        ys = np.arange(y0, y1, dtype=np.float32)[:, None] * np.float32(self.pitch_mm)
        x, y = pose.to_hand(xs, ys)
        return (slice(y0, y1), slice(x0, x1)), x, y


def smoothstep(value: Map, low: float, high: float) -> Map:
    """0 below `low`, 1 above `high`, smooth between."""
    t: Map = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)


@lru_cache(maxsize=8)
def _tile(along_mm: float, across_mm: float, ridged: bool, variant: int) -> Map:  # noqa: FBT001 - a cache key
    """A seamless tile of band-limited noise, mean 0, deviation 1."""
    rng = np.random.default_rng([977, variant])
    white = rng.normal(size=(_TILE, _TILE)).astype(np.float32)
    sigma = np.array([along_mm, across_mm]) / _TILE_MM / 2
    band = ndimage.gaussian_filter(white, sigma, mode="wrap") - ndimage.gaussian_filter(white, sigma * 2.5, mode="wrap")
    band /= band.std()
    if ridged:
        band = np.maximum(0, 1 - np.abs(band) / 0.75)
    band -= band.mean()
    tile: Map = (band / band.std()).astype(np.float32)
    return tile


def trabeculae(along: Map, across: Map, rng: np.random.Generator) -> Map:
    """A net of bone lines in a bone's own coordinates (mm): mostly along its axis, some across; deviation about 1."""
    lines = _look_up(_tile(2.2, 0.34, True, 1), along, across, rng)
    ties = _look_up(_tile(0.34, 1.2, True, 2), along, across, rng)
    cells = _look_up(_tile(0.6, 0.6, False, 3), along, across, rng)
    weights = rng.dirichlet((6.0, 3.0, 2.0))
    total: Map = np.float32(weights[0]) * lines + np.float32(weights[1]) * ties + np.float32(weights[2]) * cells
    return total * np.float32(1 / math.sqrt(float((weights**2).sum())))


def grain(along: Map, across: Map, rng: np.random.Generator) -> Map:
    """Fine unevenness of cortex; deviation about 1."""
    return _look_up(_tile(1.6, 0.5, False, 4), along, across, rng)


def smooth_noise(shape: tuple[int, int], sigma_px: float, rng: np.random.Generator) -> Map:
    """Noise with structures of `sigma_px`, deviation 1, made coarse and enlarged."""
    step = max(1.0, sigma_px / 2)
    coarse = rng.normal(size=(math.ceil(shape[0] / step) + 3, math.ceil(shape[1] / step) + 3)).astype(np.float32)
    coarse = ndimage.gaussian_filter(coarse, sigma_px / step)
    coarse /= max(float(coarse.std()), 1e-6)
    large: Map = ndimage.zoom(coarse, step, order=1)[: shape[0], : shape[1]]
    return large


def _look_up(tile: Map, along: Map, across: Map, rng: np.random.Generator) -> Map:
    a0, b0 = rng.uniform(0, _TILE * _TILE_MM, 2)
    rows = ((along + np.float32(a0)) * np.float32(1 / _TILE_MM)).astype(np.int32) % _TILE
    columns = ((across + np.float32(b0)) * np.float32(1 / _TILE_MM)).astype(np.int32) % _TILE
    return tile[rows, columns]
