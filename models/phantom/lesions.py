"""Calcinosis: bodies of hydroxyapatite in soft tissue, with their exact outlines.

Places: tufts 35 %, finger joints 25 %, MCP 15 %, wrist 20 %, elsewhere 5 %; the thumb most, the little finger least
(19 % falling to 8 %). Shapes: stone 91 %, plate 5 %, net 4 % in the literature; drawn here more evenly so that the rare
ones are learnt too. A stone is often a cluster of bodies. Packing of mineral 0.08 to 0.8.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from models.phantom.anatomy import Hand, Vec
from models.phantom.raster import Grid, Map, Slices, smooth_noise

LesionKind = Literal["stone", "plate", "net", "amorphous"]

KIND_SHARE: Final[Mapping[LesionKind, float]] = {"stone": 0.74, "plate": 0.09, "net": 0.06, "amorphous": 0.11}
KINDS: Final = tuple(KIND_SHARE)
_OUTLINE: Final = 0.25
"""A body's outline: where it holds this part of its peak thickness."""
_DIGIT_SHARE: Final = (0.30, 0.24, 0.19, 0.15, 0.12)


@dataclass(frozen=True, slots=True)
class Lesion:
    """One lesion (a body or a cluster). `x`, `y` and areas refer to the film; thickness is of solid mineral."""

    id: int
    hand: int
    kind: LesionKind
    bodies: int
    x_px: float
    y_px: float
    area_mm2: float
    peak_ha_mm: float
    on_bone: float
    """Part of the outline that lies over bone."""


@dataclass(slots=True)
class LesionMaps:
    """What lesions are drawn into, and what they are drawn among."""

    ha_mm: Map
    ids: NDArray[np.int16]
    """The lesion in each pixel, 0 for none."""
    soft_mm: Map
    bone_mm: Map


def add_lesions(
    grid: Grid,
    hand: Hand,
    hand_index: int,
    count: int,
    maps: LesionMaps,
    *,
    rng: np.random.Generator,
) -> list[Lesion]:
    """Draws up to `count` lesions into soft tissue; a place outside tissue, or (mostly) on bone, is drawn again."""
    made: list[Lesion] = []
    for _ in range(count):
        on_bone_allowed = bool(rng.random() < 0.06)
        for _attempt in range(10):
            site = _site(hand, rng)
            x, y = grid.to_pixel(hand.pose.to_film(site))
            column, row = round(x), round(y)
            if not (8 <= column < grid.columns - 8 and 8 <= row < grid.rows - 8):
                continue
            if maps.soft_mm[row, column] < 2.0 or (maps.bone_mm[row, column] > 0.8 and not on_bone_allowed):
                continue
            identity = int(maps.ids.max()) + 1
            lesion = _draw(grid, hand, site, maps, rng=rng, hand_index=hand_index, identity=identity)
            if lesion is not None:
                made.append(lesion)
            break
    return made


def sample_count(rng: np.random.Generator) -> int:
    """Lesions per affected hand: 5.4 (SD 4.6) where clinically evident."""
    return int(np.clip(round(float(rng.gamma(1.4, 3.9))), 1, 18))


def draw_flat(rng: np.random.Generator, pitch_mm: float) -> Map:
    """The thickness of mineral of one lesion, mm, in the middle of a square patch: no hand, no film."""
    axis = np.arange(-14.0, 14.0, pitch_mm).astype(np.float32)
    kind = KINDS[int(rng.choice(len(KINDS), p=tuple(KIND_SHARE.values())))]
    thickness, _, _ = _DRAW[kind](*np.meshgrid(axis, axis), pitch_mm, rng)
    return thickness


def _site(hand: Hand, rng: np.random.Generator) -> Vec:
    digit = int(rng.choice(5, p=_DIGIT_SHARE)) + 1
    side = float(rng.choice((-1, 1)))
    place = float(rng.random())
    if place < 0.35:
        tip = hand.bone(f"DP{digit}")
        return tip.at(float(rng.uniform(0.35, 1.25)), side * float(rng.uniform(0, 7.0)))
    if place < 0.60:
        joint = "IP1" if digit == 1 else f"{rng.choice(['PIP', 'DIP', 'DIP'])}{digit}"
        x, y = hand.keypoints[joint]
        return x + side * float(rng.uniform(3, 9.5)), y + float(rng.normal(0, 4))
    if place < 0.75:
        x, y = hand.keypoints[f"MCP{digit}"]
        return x + side * float(rng.uniform(3, 11)), y + float(rng.normal(0, 6))
    if place < 0.95:
        x, y = hand.keypoints["WRIST"]
        return x + float(rng.uniform(-28, 28)), y + float(rng.uniform(-20, 26))
    bone = hand.bones[int(rng.integers(0, 19))]
    return bone.at(float(rng.random()), side * float(rng.uniform(3, 10)))


def _draw(
    grid: Grid,
    hand: Hand,
    site: Vec,
    maps: LesionMaps,
    *,
    rng: np.random.Generator,
    hand_index: int,
    identity: int,
) -> Lesion | None:
    kind = KINDS[int(rng.choice(len(KINDS), p=tuple(KIND_SHARE.values())))]
    patch = grid.patch(hand.pose, (site,), 14.0)
    if patch is None:
        return None
    where, x, y = patch
    dx, dy = x - np.float32(site[0]), y - np.float32(site[1])
    thick, mask, bodies = _DRAW[kind](dx, dy, grid.pitch_mm, rng)
    tissue = maps.soft_mm[where] > 1.0
    thick, mask = thick * tissue, mask & tissue
    if not mask.any():
        return None
    maps.ha_mm[where] += thick
    _claim(maps.ids, where, mask, identity)
    ys, xs = np.nonzero(mask)
    return Lesion(
        id=identity,
        hand=hand_index,
        kind=kind,
        bodies=bodies,
        x_px=float(xs.mean()) + where[1].start,
        y_px=float(ys.mean()) + where[0].start,
        area_mm2=float(mask.sum()) * grid.pitch_mm**2,
        peak_ha_mm=float(thick.max()),
        on_bone=float((maps.bone_mm[where][mask] > 0.5).mean()),
    )


def _claim(ids: NDArray[np.int16], where: Slices, mask: NDArray[np.bool_], identity: int) -> None:
    area = ids[where]
    area[mask] = identity


def _packing(rng: np.random.Generator) -> float:
    return float(np.clip(np.exp(rng.normal(math.log(0.32), 0.55)), 0.08, 0.8))


_Drawn = tuple[Map, NDArray[np.bool_], int]


def _body(dx: Map, dy: Map, centre: Vec, half_axes_mm: Vec, pitch_mm: float, *, rng: np.random.Generator) -> Map:
    """A rounded body's thickness: an ellipsoid with an uneven outline; a body below a pixel keeps its volume."""
    angle = float(rng.uniform(0, math.pi))
    c, s = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    px, py = dx - np.float32(centre[0]), dy - np.float32(centre[1])
    floor = 0.6 * pitch_mm
    a, b = max(half_axes_mm[0], floor), max(half_axes_mm[1], floor)
    kept = (half_axes_mm[0] * half_axes_mm[1]) / (a * b)
    u, v = (c * px + s * py) / np.float32(a), (c * py - s * px) / np.float32(b)
    theta = np.arctan2(v, u)
    outline = 1 + np.float32(rng.uniform(0, 0.13)) * np.cos(2 * theta + np.float32(rng.uniform(0, 6.3)))
    outline += np.float32(rng.uniform(0, 0.11)) * np.cos(3 * theta + np.float32(rng.uniform(0, 6.3)))
    outline += np.float32(rng.uniform(0, 0.06)) * np.cos(5 * theta + np.float32(rng.uniform(0, 6.3)))
    rho2 = (u * u + v * v) / (outline * outline)
    depth = 0.5 * (half_axes_mm[0] + half_axes_mm[1]) * float(rng.uniform(0.7, 1.2))
    thick: Map = np.float32(2 * depth * kept) * np.sqrt(np.clip(1 - rho2, 0, None))
    return thick


def _stone(dx: Map, dy: Map, pitch_mm: float, rng: np.random.Generator) -> _Drawn:
    """One body, or a cluster of bodies of about 1.5 mm (0.5 to 5 mm) within 1.5 to 6 mm."""
    clustered = rng.random() < 0.6
    count = int(rng.integers(3, 22)) if clustered else int(rng.choice((1, 1, 2)))
    reach = float(rng.uniform(1.2, 4.5)) if clustered else 1.2
    packing = _packing(rng)
    ha = np.zeros_like(dx)
    mask = np.zeros(dx.shape, dtype=bool)
    for index in range(count):
        diameter = float(np.clip(np.exp(rng.normal(math.log(1.45), 0.45)), 0.5, 5.0))
        centre = (float(rng.normal(0, reach * 0.55)), float(rng.normal(0, reach * 0.55))) if index else (0.0, 0.0)
        axes = (0.5 * diameter, 0.5 * diameter * float(rng.uniform(0.65, 1.0)))
        thick = _body(dx, dy, centre, axes, pitch_mm, rng=rng) * np.float32(packing * float(rng.uniform(0.7, 1.3)))
        ha += thick
        mask |= thick > _OUTLINE * float(thick.max())
    if rng.random() < 0.4:
        ha *= np.clip(1 + np.float32(0.25) * smooth_noise(ha.shape, 0.4 / pitch_mm, rng), 0.2, 2)
    return ha, mask, count


def _plate(dx: Map, dy: Map, pitch_mm: float, rng: np.random.Generator) -> _Drawn:
    """A sheet of 0.2 to 0.75 mm, 3 to 9 mm wide, broken."""
    half = float(rng.uniform(1.8, 5.0))
    blob = _body(dx, dy, (0.0, 0.0), (half, half * float(rng.uniform(0.3, 0.7))), pitch_mm, rng=rng) > 0
    broken = smooth_noise(dx.shape, 0.7 / pitch_mm, rng) > float(rng.uniform(-1.2, -0.2))
    mask = blob & broken
    uneven = np.clip(1 + np.float32(0.3) * smooth_noise(dx.shape, 0.5 / pitch_mm, rng), 0.3, 2)
    thickness = float(rng.uniform(0.2, 0.75)) * max(_packing(rng), 0.2)
    return (mask * np.float32(thickness) * uneven).astype(np.float32), mask, 1


def _net(dx: Map, dy: Map, pitch_mm: float, rng: np.random.Generator) -> _Drawn:
    """Lines that cross: a reticular pattern of 3 to 10 mm."""
    half = float(rng.uniform(2.0, 5.5))
    blob = _body(dx, dy, (0.0, 0.0), (half, half * float(rng.uniform(0.5, 1.0))), pitch_mm, rng=rng) > 0
    lines = np.abs(smooth_noise(dx.shape, float(rng.uniform(0.5, 0.9)) / pitch_mm, rng))
    mask = blob & (lines < float(rng.uniform(0.22, 0.4)))
    thickness = float(rng.uniform(0.3, 0.8)) * max(_packing(rng), 0.2)
    return (mask * np.float32(thickness)).astype(np.float32), mask, 1


def _amorphous(dx: Map, dy: Map, pitch_mm: float, rng: np.random.Generator) -> _Drawn:
    """Cloudy or lobulated masses without a sharp edge, up to tumoral size."""
    tumoral = rng.random() < 0.25
    lobes = int(rng.integers(4, 12)) if tumoral else int(rng.integers(1, 4))
    radius = float(rng.uniform(2.5, 5.0)) if tumoral else float(rng.uniform(1.2, 2.8))
    ha = np.zeros_like(dx)
    for _ in range(lobes):
        cx, cy = (float(v) for v in rng.normal(0, radius * 0.55, 2))
        sigma = radius * float(rng.uniform(0.3, 0.55))
        ha += np.exp(-((dx - np.float32(cx)) ** 2 + (dy - np.float32(cy)) ** 2) / np.float32(2 * sigma**2))
    cloud = np.clip(1 + np.float32(0.5) * smooth_noise(dx.shape, 0.6 / pitch_mm, rng), 0.05, 3)
    ha = ha * cloud * np.float32(radius * _packing(rng) * float(rng.uniform(0.4, 1.0)) / max(1.0, 0.5 * lobes))
    fade = np.clip((13.0 - np.hypot(dx, dy)) / 3, 0, 1)
    ha = (ha * fade).astype(np.float32)
    return ha, ha > _OUTLINE * float(ha.max()), 1


_DRAW: Final[Mapping[LesionKind, Callable[[Map, Map, float, np.random.Generator], _Drawn]]] = {
    "stone": _stone,
    "plate": _plate,
    "net": _net,
    "amorphous": _amorphous,
}
