"""What is true of a film: its lesions and hands, as plain values that can be kept beside the appliance's answer.

Lengths are millimetres, areas square millimetres, places pixels of the film.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge.detector.lesions import CLUSTER_GAP_MM
from edge.detector.measures import whole_mm2
from edge.detector.outline import hull, long_axis
from edge.types import REGIONS, Point
from models.phantom.conspicuity import SEEN

Labels = NDArray[np.integer]
Mask = NDArray[np.bool_]

LEAST_MM2: Final = 0.3
_TOUCHING: Final = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class TrueLesion:
    """One lesion, drawn or inserted.

    Attributes:
        number: its label on the film.
        hand: index of its hand.
        type: stone, plate, net or amorphous.
        model: which lesion model drew it.
        region: where most of it lies; empty when that isn't known.
        on_bone: part of its outline over bone, 0 to 1.
        long_axis_mm: of the outline; for a cluster, of the whole cluster.
        diameter_mm: of a disc of the same area.
        contrast: peak change of -ln of the beam.
        density_grade: 1 to 3, by the physical contrast; 0 when not known.
        conspicuity: contrast over clutter in this picture (`models.phantom.conspicuity`).
        visible: a careful eye finds it in this picture; only these are asked for.
    """

    number: int
    hand: int
    type: str
    model: str
    region: str
    on_bone: float
    long_axis_mm: float
    diameter_mm: float
    area_mm2: float
    contrast: float
    density_grade: int
    conspicuity: float
    visible: bool


@dataclass(frozen=True, slots=True)
class TrueHand:
    """One hand. `lesions` counts clusters as the appliance does; measures are of the visible lesions.

    `tufts`: acro-osteolysis grade of each distal phalanx; `spaces`: gap of each IP1 and DIP joint, mm. Both empty where
    not known.
    """

    side: str
    keypoints: Mapping[str, Point]
    burden_index: float
    calcified_mm2: float
    lesions: int
    bodies: int
    tufts: Mapping[str, int]
    spaces: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TrueFilm:
    """One film: its group, how it was exposed and processed (empty and 0 where not known), what is on it."""

    name: str
    group: str
    mm_per_pixel: float
    family: str
    dose_ugy: float
    kvp: float
    lesions: tuple[TrueLesion, ...]
    hands: tuple[TrueHand, ...]


def is_visible(conspicuity: float, area_mm2: float) -> bool:
    """Whether a lesion is asked for."""
    return conspicuity >= SEEN and area_mm2 >= LEAST_MM2


def shape_of(mask: Mask, mm_per_pixel: float) -> tuple[float, float, float]:
    """Long axis, diameter of a disc of the same area, and area of a lesion's outline."""
    rows, columns = np.nonzero(mask)
    corners = np.concatenate([np.stack([columns + dx, rows + dy], axis=1) for dx in (-0.5, 0.5) for dy in (-0.5, 0.5)])
    area = len(rows) * mm_per_pixel**2
    return long_axis(hull(corners.astype(np.float64))) * mm_per_pixel, 2 * math.sqrt(area / math.pi), area


def counts(mask: Mask, mm_per_pixel: float) -> tuple[int, int]:
    """How many lesions (bodies nearer than the appliance's gap are one) and how many bodies a mask shows."""
    if not mask.any():
        return 0, 0
    _, bodies = ndimage.label(mask, structure=_TOUCHING)
    away = ndimage.distance_transform_edt(~mask)
    _, clusters = ndimage.label(away <= CLUSTER_GAP_MM / mm_per_pixel / 2 + 0.5, structure=_TOUCHING)
    return int(clusters), int(bodies)


def burden(
    lesions: Sequence[TrueLesion], numbers: Labels, regions: Labels, region_mm2: Mapping[str, float], pixel_mm2: float
) -> float:
    """The burden index of one hand by the appliance's formula, from the truth.

    Args:
        lesions: those of the hand that count.
        numbers: [rows, columns], the lesion in each pixel.
        regions: [rows, columns], 1 + index in `REGIONS` in each pixel, 0 outside.
        region_mm2: soft tissue of each region.
        pixel_mm2: of both maps.
    """
    grades = np.zeros(1 + int(numbers.max()), dtype=np.int64)
    for lesion in lesions:
        grades[lesion.number] = lesion.density_grade
    grade = grades[numbers]
    total = 0.0
    for label in np.unique(regions[grade > 0]):
        if label:
            here = grade[(regions == label) & (grade > 0)]
            area = len(here) * pixel_mm2
            name = REGIONS[label - 1]
            whole = whole_mm2(name, region_mm2.get(name, 0.0), area)
            total += 100.0 * area / whole * round(float(here.mean())) / 3.0
    return total
