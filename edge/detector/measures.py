"""What is measured on the bodies of one hand: region, density, area, long axis, type, and the hand's burden index.

What always holds:

- Only bodies at or above the *possible* threshold count towards a region or the index.
- `burden` of a region = 100 x calcified / soft tissue x density grade / 3; a hand's index is the sum over its regions,
  0 to 2000. It is calcedge's own, inspired by published scores and equal to none.
- Density is graded against the same hand's own bone on the same film: grey values mean nothing across films. The
  display's curve bends the scale, so a grade is an estimate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge.detector.anatomy import SeenHand
from edge.detector.bundle import Thresholds
from edge.detector.distal import DistalSign, narrowing
from edge.detector.lesions import Body, Canvas
from edge.detector.outline import Points, area_of, hull, long_axis, short_axis
from edge.detector.regions import RegionMap
from edge.types import (
    JOINTS,
    REGIONS,
    TUFTS,
    BBox,
    Certainty,
    Hand,
    Joint,
    Lesion,
    LesionType,
    Point,
    RegionBurden,
    Tuft,
)

GRADE_BOUNDS: Final = (0.5, 1.0)
"""Contrast of a body with what surrounds it, over that of the hand's cortical bone with soft tissue: below the first it
is fainter than trabecular bone (1), below the second like cortical bone (2), else denser (3)."""
RECOVERY: Final = 1.8
"""Blur, partial volume and processing leave a small body about half of its contrast, and cortical bone more of its own:
measured on 195 bodies of 40 phantom films, median 0.51 of the physical ratio."""
_TUBULAR: Final = tuple(1 + REGIONS.index(f"{kind}{d}") for kind in ("MC", "PP") for d in (2, 3, 4, 5))
_SOFT_PERCENT, _CORTEX_PERCENT = 20.0, 96.0
_LEAST_SOFT_MM2: Final = 20.0
"""A region of which less than this is on the film carries no percentage."""
_LEAST_WHOLE_MM2: Final = {"DP": 100.0, "MP": 150.0, "PP": 250.0, "MC": 350.0, "CA": 1000.0}
"""By the first letters of a region: a third of a small adult's. A sliver at the film's edge, or what is left of one
whose joints weren't seen, isn't a whole: a body in it would make the index jump."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The film's size in pixels, and a pixel's in millimetres."""

    rows: int
    columns: int
    mm_per_pixel: float


@dataclass(frozen=True, slots=True)
class Greys:
    """One hand's grey values on the grid of its lesion map, with what is soft tissue and what is bone in them.

    Attributes:
        values: float32 [rows, columns].
        region: uint8 [rows, columns]: 0 background, 1 + index in `REGIONS`.
        soft: the grey of soft tissue.
        cortex: the grey of cortical bone.
        blank: bool [rows, columns]: cells of any body.
    """

    values: NDArray[np.float32]
    region: NDArray[np.uint8]
    soft: float
    cortex: float
    blank: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MeasuredBody:
    """A body with its region and density."""

    body: Body
    region: str
    grade: int


def greys(small: NDArray[np.float32], region: RegionMap, canvas: Canvas, found: Sequence[Body]) -> Greys:
    """Grey values for grading.

    Args:
        small: the lesion network's input, float32 [rows, columns].
        region: the hand's region map.
        canvas: how the lesion map lies on the film.
        found: bodies that are counted or ignored; they don't speak for bone or soft tissue.
    """
    rows, columns = small.shape[0] // 2, small.shape[1] // 2
    values = small.reshape(rows, 2, columns, 2).mean(axis=(1, 3), dtype=np.float32)
    labels = region.over(*canvas.axes((rows, columns)))
    blank = np.zeros((rows, columns), dtype=np.bool_)
    for body in found:
        blank[body.rows, body.columns] = True
    speaks = np.isin(labels, _TUBULAR) & ~blank
    if speaks.sum() < 100:
        speaks = (labels > 0) & ~blank
    chosen = values[speaks] if speaks.any() else values.ravel()
    soft, cortex = (float(v) for v in np.percentile(chosen, [_SOFT_PERCENT, _CORTEX_PERCENT]))
    return Greys(values, labels, soft, cortex, blank)


def density_ratio(body: Body, grey: Greys) -> float:
    """A body's contrast with its surroundings over that of cortical bone with soft tissue, as it was before blur."""
    reach = 5
    top, left = max(0, int(body.rows.min()) - reach), max(0, int(body.columns.min()) - reach)
    window = slice(top, int(body.rows.max()) + reach + 1), slice(left, int(body.columns.max()) + reach + 1)
    mine = np.zeros(grey.values[window].shape, dtype=np.bool_)
    mine[body.rows - top, body.columns - left] = True
    near = ndimage.binary_dilation(mine, iterations=reach) & ~ndimage.binary_dilation(mine, iterations=2)
    ring = near & ~grey.blank[window] & (grey.region[window] > 0)
    around = float(np.median(grey.values[window][ring])) if ring.sum() >= 8 else grey.soft
    inside = np.sort(grey.values[body.rows, body.columns])
    core = float(inside[len(inside) // 2 :].mean())
    return RECOVERY * (core - around) / max(grey.cortex - grey.soft, 0.05)


def density_grade(ratio: float) -> int:
    """1 fainter than trabecular bone, 2 like cortical bone, 3 denser."""
    return 1 + sum(ratio >= bound for bound in GRADE_BOUNDS)


def region_of(body: Body, region: RegionMap, keypoints: Mapping[str, Point], canvas: Canvas) -> tuple[str, float]:
    """The region in which most of a body lies, and how much of it lies in the hand at all, 0 to 1."""
    points = canvas.to_film(np.stack([body.columns, body.rows], axis=1).astype(np.float64))
    xs, ys = points[:, 0], points[:, 1]
    votes = np.bincount(region.at(xs, ys, keypoints), minlength=1 + len(REGIONS))
    return REGIONS[int(votes.argmax()) - 1], float(region.inside[region.cells_of(xs, ys)].mean())


def lesion(number: int, hand: int, group: Sequence[MeasuredBody], thresholds: Thresholds, scale: Scale) -> Lesion:
    """One body or cluster as it is reported."""
    bodies = [measured.body for measured in group]
    points = bodies[0].points if len(bodies) == 1 else hull(np.concatenate([body.points for body in bodies]))
    areas: dict[str, float] = {}
    for measured in group:
        areas[measured.region] = areas.get(measured.region, 0.0) + measured.body.area_mm2
    score = max(body.score for body in bodies)
    return Lesion(
        id=number,
        hand=hand,
        region=max(areas, key=lambda name: (areas[name], name)),
        score=score,
        certainty=certainty(score, thresholds),
        polygon=tuple((round(float(x), 2), round(float(y), 2)) for x, y in points),
        bbox=bbox_of(points, scale),
        area_mm2=math.fsum(body.area_mm2 for body in bodies),
        long_axis_mm=long_axis(points) * scale.mm_per_pixel,
        density_grade=_mean_grade(group),
        type=lesion_type(bodies, scale.mm_per_pixel),
        distribution="single" if len(bodies) == 1 else "cluster",
        bodies=len(bodies),
    )


def certainty(score: float, thresholds: Thresholds) -> Certainty:
    """Where a score stands among the release's operating points."""
    if score >= thresholds.definite:
        return "definite"
    return "possible" if score >= thresholds.possible else "below"


def lesion_type(bodies: Sequence[Body], mm: float) -> LesionType:
    """Stone, plate, net or amorphous, by the shape of the largest body.

    A net is open, a plate long and thin, an amorphous body large and ragged; what is small or round is a stone.
    """
    largest = max(bodies, key=lambda body: body.area_mm2)
    corners = hull(largest.points)
    length, width, full = long_axis(corners) * mm, short_axis(corners) * mm, area_of(corners) * mm**2
    filled = largest.area_mm2 / full if full > 0 else 1.0
    if length < 4.0:
        return "stone"
    if filled < 0.55:
        return "net"
    if length >= 3.0 * width:
        return "plate"
    return "amorphous" if filled < 0.8 else "stone"


def hand(seen: SeenHand, counted: Sequence[MeasuredBody], mm: float, signs: Mapping[int, DistalSign]) -> Hand:
    """A hand with its regions, joints, tufts and index.

    Args:
        seen: the hand.
        counted: bodies at or above *possible*.
        mm: millimetres per pixel.
        signs: what the distal network says of each digit; empty in a release without it.
    """
    burdens = regions(seen.region, counted, mm)
    return Hand(
        side=seen.side,
        bbox=seen.bbox,
        burden_index=math.fsum(region.burden for region in burdens.values()),
        regions=burdens,
        joints=joints(seen.keypoints, signs),
        tufts=tufts(seen.keypoints, signs),
    )


def joints(points: Mapping[str, Point], signs: Mapping[int, DistalSign]) -> dict[str, Joint]:
    """The joints that are seen; the last one of each digit with its space, where it could be measured."""
    last = {("IP1" if digit == 1 else f"DIP{digit}"): sign.space_mm for digit, sign in signs.items()}
    spaces = {name: mm for name, mm in last.items() if mm is not None}
    grades = narrowing(spaces)
    return {name: Joint(*points[name], spaces.get(name), grades.get(name)) for name in JOINTS if name in points}


def tufts(points: Mapping[str, Point], signs: Mapping[int, DistalSign]) -> dict[str, Tuft]:
    """The tips that are seen, each with its grade where it could be judged."""
    out = {}
    for name in TUFTS:
        digit = int(name[-1])
        at, sign = points.get(f"TIP{digit}"), signs.get(digit)
        if at is not None:
            out[name] = Tuft(*at) if sign is None else Tuft(*at, sign.osteolysis_grade, sign.score)
    return out


def regions(region: RegionMap, counted: Sequence[MeasuredBody], mm: float) -> dict[str, RegionBurden]:
    """The burden of each region that is on the film."""
    cells = np.bincount(region.labels.ravel(), minlength=1 + len(REGIONS))
    soft_mm2 = cells[1:] * (region.cell_px * mm) ** 2
    out: dict[str, RegionBurden] = {}
    for name, soft in zip(REGIONS, soft_mm2, strict=True):
        here = [measured for measured in counted if measured.region == name]
        area = math.fsum(measured.body.area_mm2 for measured in here)
        if soft < _LEAST_SOFT_MM2 and not here:
            continue
        whole = whole_mm2(name, float(soft), area)
        grade = _mean_grade(here) if here else 0
        out[name] = RegionBurden(area, whole, grade, 100.0 * area / whole * grade / 3.0)
    return out


def whole_mm2(name: str, soft_mm2: float, calcified_mm2: float) -> float:
    """What a region's calcified area is a part of."""
    return max(soft_mm2, calcified_mm2, _LEAST_WHOLE_MM2[name[:2]])


def bbox_of(points: Points, scale: Scale) -> BBox:
    """The pixels that an outline touches, within the film."""
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    rows, columns = scale.rows, scale.columns
    return (
        min(max(0, math.floor(x0 + 0.5)), columns - 1),
        min(max(0, math.floor(y0 + 0.5)), rows - 1),
        min(max(0, math.ceil(x1 - 0.5)), columns - 1),
        min(max(0, math.ceil(y1 - 0.5)), rows - 1),
    )


def _mean_grade(group: Sequence[MeasuredBody]) -> int:
    """The grade of several bodies: the mean by area, rounded."""
    area = sum(measured.body.area_mm2 for measured in group)
    if area <= 0:
        return max(measured.grade for measured in group)
    return round(sum(measured.grade * measured.body.area_mm2 for measured in group) / area)
