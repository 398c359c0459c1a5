"""Calcifications grown in voxels, for evaluation only: what the networks never learned from.

The phantom's lesions are flat formulas (ellipsoids, thresholded sheets). These are solid bodies: grains packed in three
dimensions, egg shells, curved sheets seen aslant, wandering tubes, clouds; projected along the beam. Nothing of
`models.phantom.lesions` is used, so that a network that has learnt the phantom's drawing habits is found out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge.detector import prepare
from edge.types import LesionType

SHARE: Final[Mapping[LesionType, float]] = {"stone": 0.72, "plate": 0.10, "net": 0.06, "amorphous": 0.12}
"""Stone 91 %, net 4 %, plate 5 % in the literature (Bartoli 2016); rare ones come more often here, to be measured."""
OUTLINE: Final = 0.25
"""A body's outline: where it holds this part of its peak thickness, the convention of the truth everywhere."""
_LEAST_SHAPED_MM: Final = 3.0
"""Below this a sheet or a net can't be told from a stone."""
_SIDE: Final = 64
"""Voxels along each edge."""
_FILLED: Final = 0.8
"""How much of the edge the body takes."""

Volume = NDArray[np.float32]
Axes = tuple[Volume, Volume, Volume]


@dataclass(frozen=True, slots=True)
class Grown:
    """One lesion on a film's grid.

    Attributes:
        thickness_mm: float32 [rows, columns], of solid mineral along the beam.
        mask: bool [rows, columns], its outline.
    """

    thickness_mm: prepare.Image
    mask: NDArray[np.bool_]


def grow(kind: LesionType, size_mm: float, pitch_mm: float, rng: np.random.Generator) -> Grown:
    """A lesion about `size_mm` long, on pixels of `pitch_mm`.

    Packing (the part of the body that is mineral) is drawn evenly from 0.12 to 0.75: chalk to stone.
    """
    voxel_mm = size_mm / (_FILLED * _SIDE)
    volume = ndimage.gaussian_filter(_GROW[kind](_axes(), size_mm, rng), 0.6)
    packing = np.float32(rng.uniform(0.12, 0.75))
    projected = volume.sum(axis=0) * np.float32(voxel_mm) * packing
    margin = math.ceil(2 * pitch_mm / voxel_mm)
    thickness = prepare.resize(np.pad(projected, margin), voxel_mm / pitch_mm)
    return Grown(thickness, thickness > OUTLINE * float(thickness.max()))


def sample(rng: np.random.Generator, low_mm: float = 0.8, high_mm: float = 12.0) -> tuple[LesionType, float]:
    """A type and a length: most lesions are of 1 to 4 mm, few are large; small ones are stones or clouds."""
    size = float(np.clip(math.exp(rng.normal(math.log(2.4), 0.6)), low_mm, high_mm))
    kinds = tuple(SHARE)
    kind = kinds[int(rng.choice(len(kinds), p=tuple(SHARE.values())))]
    return ("stone" if size < _LEAST_SHAPED_MM and kind in {"plate", "net"} else kind), size


def _axes() -> Axes:
    line = np.linspace(-1, 1, _SIDE, dtype=np.float32) / np.float32(_FILLED)
    z, y, x = np.meshgrid(line, line, line, indexing="ij")
    return z, y, x


def _noise(sigma: float, rng: np.random.Generator) -> Volume:
    """Smooth noise of unit variance; `sigma` in voxels."""
    rough = rng.standard_normal((_SIDE,) * 3, dtype=np.float32)
    smooth = ndimage.gaussian_filter(rough, sigma, mode="wrap")
    unit: Volume = smooth / np.float32(smooth.std())
    return unit


def _stone(axes: Axes, size_mm: float, rng: np.random.Generator) -> Volume:
    """Grains that lie together, each a bumpy pebble; a small stone is one grain; some are hollow like an egg."""
    z, y, x = axes
    grains = 1 if size_mm < 1.6 else int(rng.integers(1, 3 + int(3 * size_mm)))
    bumps = np.float32(0.22) * _noise(5.0, rng)
    out = np.zeros(z.shape, dtype=np.float32)
    place = np.zeros(3)
    for number in range(grains):
        radius = 0.95 if grains == 1 else float(rng.uniform(0.14, 0.42))
        stretch = rng.uniform(0.7, 1.0, 3)
        if number:
            step = rng.standard_normal(3)
            place = place * float(rng.uniform(0.3, 1.0)) + step / np.linalg.norm(step) * float(rng.uniform(0.2, 0.6))
            place *= min(1.0, (0.97 - radius) / max(float(np.linalg.norm(place)), 1e-6))
        squared = sum(
            ((axis - np.float32(at)) / np.float32(radius * wide)) ** 2
            for axis, at, wide in zip((z, y, x), place, stretch, strict=True)
        )
        solid = squared < 1 + bumps
        if rng.random() < 0.15:
            solid &= squared > float(rng.uniform(0.2, 0.5))
        out = np.maximum(out, np.float32(rng.uniform(0.6, 1.0)) * solid)
    return out


def _plate(axes: Axes, size_mm: float, rng: np.random.Generator) -> Volume:
    """A curved sheet of 0.3 to 0.9 mm, tilted against the beam."""
    z, y, x = axes
    tilt, turn = float(rng.uniform(-0.9, 0.9)), float(rng.uniform(0, math.pi))
    along = x * np.float32(math.cos(turn)) + y * np.float32(math.sin(turn))
    across = y * np.float32(math.cos(turn)) - x * np.float32(math.sin(turn))
    sheet = np.float32(math.tan(tilt)) * across + np.float32(rng.uniform(-0.5, 0.5)) * along**2
    half = 0.5 * float(rng.uniform(0.3, 0.9)) / (0.5 * size_mm)
    wide = float(rng.uniform(0.25, 0.6))
    inside = along**2 + (across / np.float32(wide)) ** 2 < 1 + np.float32(0.3) * _noise(6.0, rng)
    return (inside & (np.abs(z - sheet) < half / math.cos(tilt))).astype(np.float32)


def _net(axes: Axes, size_mm: float, rng: np.random.Generator) -> Volume:
    """Tubes of 0.4 to 0.7 mm that wander through an ellipsoid and cross."""
    z, _, _ = axes
    line = np.zeros(z.shape, dtype=bool)
    half = 0.5 * _FILLED * _SIDE
    for _ in range(int(rng.integers(5, 11))):
        place, heading = rng.uniform(-0.6, 0.6, 3) * half, rng.standard_normal(3)
        for _ in range(3 * _SIDE):
            heading = heading / np.linalg.norm(heading) + 0.12 * rng.standard_normal(3)
            place = place + 0.7 * heading / np.linalg.norm(heading)
            if np.linalg.norm(place) > half:
                break
            row, column, slab = (min(max(round(float(v) + _SIDE / 2), 0), _SIDE - 1) for v in place)
            line[row, column, slab] = True
    thick = 0.5 * float(rng.uniform(0.4, 0.7)) / (size_mm / (_FILLED * _SIDE))
    away = ndimage.distance_transform_edt(~line)
    return (away <= max(thick, 0.9)).astype(np.float32)


def _amorphous(axes: Axes, _size_mm: float, rng: np.random.Generator) -> Volume:
    """A cloud: dense in the middle, fading, with holes."""
    z, y, x = axes
    squared = (z / np.float32(rng.uniform(0.5, 1))) ** 2 + y**2 + (x / np.float32(rng.uniform(0.6, 1))) ** 2
    cloud = np.clip(1 - squared, 0, 1) * np.clip(0.8 + 0.6 * _noise(4.0, rng), 0, 2) * np.float32(0.5)
    faded: Volume = cloud.astype(np.float32)
    return faded


_GROW: Final[Mapping[LesionType, Callable[[Axes, float, np.random.Generator], Volume]]] = {
    "stone": _stone,
    "plate": _plate,
    "net": _net,
    "amorphous": _amorphous,
}
