"""How marks meet the truth: each hits a lesion, touches something undecided, or is false."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from edge.types import Lesion, Point
from models.evaluation.truth import Labels, Mask

NEAR_MM: Final = 1.2
"""A mark hits a lesion that lies within this distance of its outline."""
UNDECIDED: Final = "undecided"
"""What lies beneath a mark that is neither right nor wrong: a calcified vessel, cartilage, a lesion lost in noise."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark of the appliance and what became of it.

    Attributes:
        hand: index of the hand that the appliance gave it to.
        certainty: possible, definite or below.
        x: of its middle, in pixels of the film; `y` likewise.
        hits: numbers of the lesions that it reaches.
        beneath: what lies under a mark that hits nothing; empty for a hit.
    """

    score: float
    certainty: str
    hand: int
    region: str
    type: str
    density_grade: int
    area_mm2: float
    long_axis_mm: float
    bodies: int
    x: float
    y: float
    hits: tuple[int, ...]
    beneath: str

    @property
    def is_false(self) -> bool:
        """It hits nothing, and nothing beneath it excuses it."""
        return not self.hits and self.beneath != UNDECIDED


@dataclass(frozen=True, slots=True)
class Scored:
    """One image's outcome: the best score over each lesion of the truth (0: no mark), and the scores of false marks."""

    lesions: dict[int, float]
    false: tuple[float, ...]


def met(lesion: Lesion, truth: Labels, undecided: Mask, wanted: frozenset[int], mm_per_pixel: float) -> Mark:
    """What became of one mark. A mark on a lesion that isn't `wanted` is undecided; `beneath` stays empty if false."""
    numbers, doubtful = touched(lesion.polygon, truth, undecided, NEAR_MM / mm_per_pixel)
    middle = np.mean(lesion.polygon, axis=0)
    return Mark(
        score=lesion.score,
        certainty=lesion.certainty,
        hand=lesion.hand,
        region=lesion.region,
        type=lesion.type,
        density_grade=lesion.density_grade,
        area_mm2=lesion.area_mm2,
        long_axis_mm=lesion.long_axis_mm,
        bodies=lesion.bodies,
        x=float(middle[0]),
        y=float(middle[1]),
        hits=tuple(sorted(numbers & wanted)),
        beneath=UNDECIDED if not numbers & wanted and (doubtful or numbers) else "",
    )


def scored(marks: Iterable[Mark], wanted: Iterable[int]) -> Scored:
    """The outcome of one image's marks."""
    reached = dict.fromkeys(wanted, 0.0)
    false: list[float] = []
    for mark in marks:
        for number in mark.hits:
            if number in reached:
                reached[number] = max(reached[number], mark.score)
        if mark.is_false:
            false.append(mark.score)
    return Scored(reached, tuple(false))


def meet(
    lesions: Sequence[Lesion], truth: Labels, undecided: Mask, wanted: Sequence[int], mm_per_pixel: float
) -> Scored:
    """How the marks of one image meet the truth.

    Args:
        lesions: outlines in pixels of the film, with scores.
        truth: [rows, columns], the number of the lesion in each pixel, 0 for none.
        undecided: where a mark is neither asked for nor punished.
        wanted: the numbers of the lesions that should be found; others are undecided.
        mm_per_pixel: of the film.
    """
    asked = frozenset(wanted)
    return scored((met(lesion, truth, undecided, asked, mm_per_pixel) for lesion in lesions), wanted)


def drawn(polygon: Sequence[Point], shape: tuple[int, ...], margin: int = 0) -> tuple[tuple[slice, slice], Mask]:
    """The window of a film around an outline, and the pixels within the outline in it."""
    corners = np.array(polygon)
    x0, y0 = (max(0, int(v) - margin) for v in corners.min(axis=0))
    x1, y1 = (int(v) + margin + 1 for v in corners.max(axis=0))
    window = slice(y0, min(y1, shape[0])), slice(x0, min(x1, shape[1]))
    size = max(0, window[1].stop - x0), max(0, window[0].stop - y0)
    picture = Image.new("1", size)
    if min(size) > 0:
        ImageDraw.Draw(picture).polygon([(float(x) - x0, float(y) - y0) for x, y in polygon], fill=1, outline=1)
    inside: NDArray[np.bool_] = np.asarray(picture, dtype=bool)
    return window, inside


def touched(polygon: Sequence[Point], truth: Labels, undecided: Mask, reach_px: float) -> tuple[frozenset[int], bool]:
    """The lesions within reach of an outline, and whether anything undecided is."""
    window, inside = drawn(polygon, truth.shape, int(np.ceil(reach_px)) + 1)
    if not inside.any():
        return frozenset(), False
    within = ndimage.distance_transform_edt(~inside) <= reach_px
    numbers = frozenset(int(number) for number in np.unique(truth[window][within])) - {0}
    return numbers, bool(undecided[window][within].any())
