"""Real hands with lesions put in: does a mark appear where a lesion was added, on a background no phantom made?

The inserter shares no code with the phantom's lesions. It adds rounded bodies to the stored picture, as bright as a
part of the step from soft tissue to dense bone in the same hand, blurred as a detector would. It knows nothing of how a
maker's processing would have changed them: these are lesions of the right size and place, not of the right physics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from scipy import ndimage

from edge.detector import prepare
from models.evaluation.marks import Scored, score
from models.evaluation.runtime import Graph, HandView, calcification, lesion_map, look

DIAMETERS_MM: Final = (1.0, 1.5, 2.0, 3.0, 4.0)
_PLACES: Final = (
    # between which keypoints, and how far aside (mm)
    ("DIP", "TIP", 4.5),
    ("PIP", "DIP", 6.5),
    ("MCP", "PIP", 7.5),
)
_PER_HAND: Final = 5


@dataclass(frozen=True, slots=True)
class Inserted:
    """One real hand with lesions added."""

    scored: Scored
    diameter_mm: dict[int, float]
    strength: dict[int, float]
    """Brightness as a part of the step from soft tissue to dense bone."""


def measure_folder(folder: Path, anatomy: Graph, lesions: Graph, seed: int = 6) -> list[Inserted]:
    """Every PNG of a folder with `_PER_HAND` lesions put in; hands that aren't found are left out."""
    results = []
    for number, path in enumerate(sorted(folder.glob("*.png"))):
        film = np.asarray(Image.open(path).convert("L"), dtype=np.float32) / np.float32(255)
        view = look(anatomy, film)
        if view is None:
            continue
        rng = np.random.default_rng([seed, number])
        results.append(_measure(film, view, anatomy, lesions, rng=rng))
    return results


def _measure(
    film: prepare.Image, view: HandView, anatomy: Graph, lesions: Graph, *, rng: np.random.Generator
) -> Inserted:
    inside = view.image[view.mask]
    soft, dense = (float(v) for v in np.percentile(inside, [35, 99]))
    changed = film.copy()
    truth = np.zeros(film.shape, dtype=np.int32)
    diameters, strengths = {}, {}
    for number in range(1, _PER_HAND + 1):
        x, y = _place(view, rng)
        diameter = float(rng.choice(DIAMETERS_MM))
        strength = float(rng.uniform(0.3, 0.9))
        body = _body(film.shape, x, y, diameter / view.mm_per_pixel / 2, blur_px=0.12 / view.mm_per_pixel)
        changed = np.minimum(changed + np.float32(strength * (dense - soft)) * body, 1)
        truth[body > 0.4] = number
        diameters[number], strengths[number] = diameter, strength
    seen = look(anatomy, changed) or view
    boxed, planes = lesion_map(lesions, seen)
    cells = _cells(truth, seen, boxed, planes.shape[1:])
    nothing = np.zeros(cells.shape, dtype=bool)
    scored = score(calcification(planes), cells, ~nothing, nothing)
    complete = Scored({number: scored.lesions.get(number, 0.0) for number in diameters}, scored.false)
    return Inserted(complete, diameters, strengths)


def _place(view: HandView, rng: np.random.Generator) -> tuple[float, float]:
    """Beside a finger's bone, in pixels of the film."""
    near, far, aside_mm = _PLACES[int(rng.integers(len(_PLACES)))]
    digit = int(rng.integers(2, 6))
    x0, y0, _ = view.keypoints[f"{near}{digit}"]
    x1, y1, _ = view.keypoints[f"{far}{digit}"]
    part, side = float(rng.uniform(0.1, 0.9)), float(rng.choice((-1, 1)))
    length = max(1.0, math.dist((x0, y0), (x1, y1)))
    away = side * aside_mm * float(rng.uniform(0.7, 1.0)) / view.mm_per_pixel
    x = x0 + part * (x1 - x0) + away * (y1 - y0) / length
    y = y0 + part * (y1 - y0) - away * (x1 - x0) / length
    return x + view.left, y + view.top


def _body(shape: tuple[int, ...], x: float, y: float, radius_px: float, *, blur_px: float) -> prepare.Image:
    ys, xs = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    squared = ((xs - np.float32(x)) ** 2 + (ys - np.float32(y)) ** 2) / np.float32(max(radius_px, 0.5) ** 2)
    body: prepare.Image = np.sqrt(np.clip(1 - squared, 0, None))
    return ndimage.gaussian_filter(body, blur_px)


def _cells(truth: np.ndarray, view: HandView, boxed: prepare.Letterboxed, shape: tuple[int, ...]) -> np.ndarray:
    cells = np.zeros(shape, dtype=np.int32)
    for number in range(1, int(truth.max()) + 1):
        ys, xs = np.nonzero(truth == number)
        if ys.size:
            places = [
                boxed.mapping.forward(float(x) - view.left, float(y) - view.top) for x, y in zip(xs, ys, strict=True)
            ]
            columns, rows = (np.round([prepare.image_to_grid(*p)[axis] for p in places]).astype(int) for axis in (0, 1))
            inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
            cells[rows[inside], columns[inside]] = number
    return cells
