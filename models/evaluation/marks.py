"""Marks from a lesion map, and how they meet the truth: each hits a lesion, touches the undecided, or is false."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FLOOR: Final = 0.10
"""Cells below this probability are never part of a mark."""
_NEAR_CELLS: Final = 3
"""A mark hits a lesion that lies within this many cells (1.2 mm) of it."""
_EIGHT: Final = np.ones((3, 3), dtype=int)

Array = NDArray[np.float32]
Labels = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Mark:
    """A connected part of the map: its highest probability, its centre (cells) and size."""

    score: float
    x: float
    y: float
    cells: int


@dataclass(frozen=True, slots=True)
class Scored:
    """One image's outcome: the best score over each visible lesion (0: no mark), and the scores of false marks."""

    lesions: dict[int, float]
    false: tuple[float, ...]


def find_marks(probability: Array, *, floor: float = FLOOR) -> tuple[list[Mark], Labels]:
    """Marks of a map [rows, columns], and the map of their numbers (1 is the first mark)."""
    labelled, count = ndimage.label(probability > floor, structure=_EIGHT)
    if not count:
        return [], labelled.astype(np.int32)
    numbers = range(1, count + 1)
    tops = np.atleast_1d(ndimage.maximum(probability, labelled, numbers))
    centres = ndimage.center_of_mass(probability, labelled, numbers)
    sizes = np.bincount(labelled.ravel(), minlength=count + 1)[1:]
    marks = [Mark(float(t), float(x), float(y), int(n)) for t, (y, x), n in zip(tops, centres, sizes, strict=True)]
    return marks, labelled.astype(np.int32)


def score(probability: Array, truth: Labels, free: NDArray[np.bool_], undecided: NDArray[np.bool_]) -> Scored:
    """How the marks of one image meet the truth.

    Args:
        probability: [rows, columns] of calcification.
        truth: number of the visible lesion in each cell, 0 for none.
        free: where marks count at all (the hand).
        undecided: where a mark is neither asked for nor punished.
    """
    marks, labelled = find_marks(np.where(free, probability, 0).astype(np.float32))
    reached = {int(n): 0.0 for n in np.unique(truth) if n}
    wide = ndimage.grey_dilation(truth, size=(2 * _NEAR_CELLS + 1,) * 2) if reached else truth
    close = ndimage.binary_dilation(undecided, iterations=_NEAR_CELLS) if undecided.any() else undecided
    false = []
    for number, mark in enumerate(marks, start=1):
        cells = labelled == number
        hit = {int(n) for n in np.unique(wide[cells]) if n}
        for lesion in hit:
            reached[lesion] = max(reached[lesion], mark.score)
        if not hit and not close[cells].any():
            false.append(mark.score)
    return Scored(reached, tuple(false))
