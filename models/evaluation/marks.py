"""How marks meet the truth: each hits a lesion, touches something undecided, or is false."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from edge.types import Lesion, Point

NEAR_MM: Final = 1.2
"""A mark hits a lesion that lies within this distance of its outline."""

Labels = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Scored:
    """One image's outcome: the best score over each lesion of the truth (0: no mark), and the scores of false marks."""

    lesions: dict[int, float]
    false: tuple[float, ...]


def meet(
    marks: Sequence[Lesion], truth: Labels, undecided: NDArray[np.bool_], wanted: Sequence[int], mm_per_pixel: float
) -> Scored:
    """How the marks of one image meet the truth.

    Args:
        marks: outlines in pixels of the film, with scores.
        truth: [rows, columns], the number of the lesion in each pixel, 0 for none.
        undecided: where a mark is neither asked for nor punished.
        wanted: the numbers of the lesions that should be found; others are undecided.
        mm_per_pixel: of the film.
    """
    reached = dict.fromkeys(wanted, 0.0)
    false: list[float] = []
    for mark in marks:
        numbers, doubtful = _touched(mark.polygon, truth, undecided, NEAR_MM / mm_per_pixel)
        for number in numbers & reached.keys():
            reached[number] = max(reached[number], mark.score)
        if not numbers and not doubtful:
            false.append(mark.score)
    return Scored(reached, tuple(false))


def _touched(
    polygon: Sequence[Point], truth: Labels, undecided: NDArray[np.bool_], reach_px: float
) -> tuple[set[int], bool]:
    """The lesions within reach of an outline, and whether anything undecided is."""
    corners = np.array(polygon)
    margin = int(np.ceil(reach_px)) + 1
    x0, y0 = (max(0, int(v) - margin) for v in corners.min(axis=0))
    x1, y1 = (int(v) + margin + 1 for v in corners.max(axis=0))
    window = truth[y0:y1, x0:x1]
    if not window.size:
        return set(), False
    drawn = Image.new("1", (window.shape[1], window.shape[0]))
    ImageDraw.Draw(drawn).polygon([(float(x) - x0, float(y) - y0) for x, y in polygon], fill=1, outline=1)
    within = ndimage.distance_transform_edt(~np.asarray(drawn, dtype=bool)) <= reach_px
    numbers = {int(number) for number in np.unique(window[within])} - {0}
    return numbers, bool(undecided[y0:y1, x0:x1][within].any())
