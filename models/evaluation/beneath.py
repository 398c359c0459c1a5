"""What lies beneath a false mark: which confounder or normal anatomy the model took for calcinosis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from scipy import ndimage

from edge.types import REGIONS, Point
from models.evaluation.marks import drawn
from models.evaluation.phantoms import Specimen, nearest_hand, region_pixels

_CARPUS: Final = 1 + REGIONS.index("CARPUS")
_BONE_MM: Final = 0.5
_MARGIN_MM: Final = 1.4
"""Bone nearer than this to its edge is called cortex."""
_JOINT_MM: Final = 5.0
_TUFT_MM: Final = 4.0


def beneath(polygon: Sequence[Point], specimen: Specimen) -> str:  # noqa: PLR0911 - one line for each name
    """The name of what a false mark on a phantom lies on, by the phantom's thickness maps."""
    film, picture = specimen.film, specimen.picture
    window, inside = drawn(polygon, film.grid.shape, margin=12)
    if not inside.any():
        return "edge of the film"
    maps = film.maps
    tissue = (maps.soft_mm[window] > 1.0)[inside].mean()
    if picture.metal[window][inside].mean() > 0.1:
        return "ring, wire or splinter" if tissue > 0.5 else "marker"
    if ndimage.binary_dilation(maps.sesamoid[window], iterations=3)[inside].any():
        return "sesamoid"
    if tissue < 0.3:
        return "open field, collimation, text"
    bone = maps.bone_mm[window] > _BONE_MM
    share = float(bone[inside].mean())
    labels = region_pixels(film)[window][inside]
    rows, columns = np.nonzero(inside)
    x, y = float(columns.mean()) + window[1].start, float(rows.mean()) + window[0].start
    keypoints = film.hands[nearest_hand(film, x, y)].keypoints
    pitch = film.grid.pitch_mm
    if (labels == _CARPUS).mean() > 0.5:
        return "carpus and forearm: bone" if share > 0.3 else "carpus and forearm: soft tissue"
    if _near(keypoints, (x, y), "TIP") * pitch < _TUFT_MM:
        return "tuft and nail"
    if share < 0.2:
        return "soft tissue"
    if min(_near(keypoints, (x, y), kind) for kind in ("MCP", "IP", "PIP", "DIP")) * pitch < _JOINT_MM:
        return "joint margin, osteophyte"
    deep = ndimage.distance_transform_edt(bone)[inside].mean() * pitch > _MARGIN_MM
    return "trabeculae, bone island" if deep else "cortex"


def beneath_real(at: Point, region: str, keypoints: Mapping[str, Point], mm_per_pixel: float) -> str:
    """Where a mark on a real hand lies, by the appliance's own anatomy: nobody has labelled these films."""
    if region == "CARPUS":
        return "carpus and forearm"
    if _near(keypoints, at, "TIP") * mm_per_pixel < _TUFT_MM:
        return "tuft and nail"
    for kind, name in (
        ("MCP1", "thumb's MCP (sesamoids)"),
        ("MCP", "MCP joint"),
        ("IP", "IP"),
        ("PIP", "PIP"),
        ("DIP", "DIP"),
    ):
        if _near(keypoints, at, kind) * mm_per_pixel < _JOINT_MM + 3 * (kind == "MCP1"):
            return name
    return f"shaft of {region}" if region else "elsewhere"


def _near(keypoints: Mapping[str, Point], at: Point, kind: str) -> float:
    """Distance in pixels to the nearest keypoint whose name begins so."""
    return min((math.dist(at, point) for name, point in keypoints.items() if name.startswith(kind)), default=math.inf)
