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
from scipy import ndimage

from edge.detector import prepare
from edge.types import Findings, Point
from models.evaluation.appliance import Appliance
from models.evaluation.marks import Scored, meet
from models.evaluation.real import films

DIAMETERS_MM: Final = (1.0, 1.5, 2.0, 3.0, 4.0)
_PLACES: Final = (("DIP", "TIP", 4.5), ("PIP", "DIP", 6.5), ("MCP", "PIP", 7.5))
"""Between which joints, and how far aside in millimetres."""
_PER_HAND: Final = 5


@dataclass(frozen=True, slots=True)
class Inserted:
    """One real hand with lesions added."""

    scored: Scored
    diameter_mm: dict[int, float]


def measure_folder(folder: Path, appliance: Appliance, seed: int = 6) -> list[Inserted]:
    """Every film of a folder with `_PER_HAND` lesions put in; films that aren't analysed are left out."""
    results = []
    for number, (_, film) in enumerate(films(folder)):
        clean = appliance.analyse(film, None)
        if isinstance(clean, Findings) and clean.image.mm_per_pixel is not None:
            rng = np.random.default_rng([seed, number])
            results.append(_measure(film, clean, clean.image.mm_per_pixel, appliance, rng))
    return results


def _measure(
    film: prepare.Image, clean: Findings, mm_per_pixel: float, appliance: Appliance, rng: np.random.Generator
) -> Inserted:
    x0, y0, x1, y1 = clean.hands[0].bbox
    hand = film[y0 : y1 + 1, x0 : x1 + 1]
    soft, dense = (float(v) for v in np.percentile(hand[hand > np.percentile(hand, 40)], [20, 99]))
    changed = film.copy()
    truth = np.zeros(film.shape, dtype=np.int32)
    diameters = {}
    for number in range(1, _PER_HAND + 1):
        place = _place(clean, mm_per_pixel, rng)
        if place is None:
            continue
        diameters[number] = float(rng.choice(DIAMETERS_MM))
        body = _body(film.shape, place, diameters[number] / mm_per_pixel / 2, 0.12 / mm_per_pixel)
        changed = np.minimum(changed + np.float32(rng.uniform(0.3, 0.9) * (dense - soft)) * body, 1)
        truth[body > 0.4 * float(body.max())] = number
    analysis = appliance.analyse(changed, None)
    marks = analysis.lesions if isinstance(analysis, Findings) else ()
    nothing = np.zeros(film.shape, dtype=bool)
    return Inserted(meet(marks, truth, nothing, list(diameters), mm_per_pixel), diameters)


def _place(clean: Findings, mm_per_pixel: float, rng: np.random.Generator) -> Point | None:
    """Beside a finger's bone, in pixels of the film; None where its joints weren't seen."""
    near, far, aside_mm = _PLACES[int(rng.integers(len(_PLACES)))]
    digit = int(rng.integers(2, 6))
    part, side, away = float(rng.uniform(0.1, 0.9)), float(rng.choice((-1, 1))), float(rng.uniform(0.7, 1.0))
    hand = clean.hands[0]
    points = {name: (joint.x, joint.y) for name, joint in hand.joints.items()}
    points |= {f"TIP{name[-1]}": (tuft.x, tuft.y) for name, tuft in hand.tufts.items()}
    if f"{near}{digit}" not in points or f"{far}{digit}" not in points:
        return None
    (x0, y0), (x1, y1) = points[f"{near}{digit}"], points[f"{far}{digit}"]
    length = max(1.0, math.dist((x0, y0), (x1, y1)))
    aside = side * aside_mm * away / mm_per_pixel / length
    return x0 + part * (x1 - x0) + aside * (y1 - y0), y0 + part * (y1 - y0) - aside * (x1 - x0)


def _body(shape: tuple[int, ...], centre: Point, radius_px: float, blur_px: float) -> prepare.Image:
    ys, xs = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    squared = (xs - np.float32(centre[0])) ** 2 + (ys - np.float32(centre[1])) ** 2
    body = np.sqrt(np.clip(1 - squared / np.float32(max(radius_px, 0.7) ** 2), 0, None))
    blurred: prepare.Image = ndimage.gaussian_filter(body, blur_px)
    return blurred
