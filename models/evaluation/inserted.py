"""Real hands with lesions put in: does a mark appear where a lesion was added, on a background no phantom made?

Bodies are grown in voxels (`models.evaluation.voxels`); nothing is shared with the phantom's lesions, physics or
rendering. How a body becomes grey values:

- Its thickness of mineral times the effective attenuation of hydroxyapatite over soft tissue at 55 kVp gives the
  change of -ln of the beam (tungsten, 2.8 mm Al, behind 15 mm of tissue; hardening by a saturating curve).
- Grey values per unit of -ln come from the same film: the step from soft tissue to the cortex of the proximal
  phalanges, whose cortex seen end-on changes -ln by about 0.6 (a shaft of 9 mm, walls of 1.4 mm), 20 % more or less.
- Near white the step shrinks, as on a display curve's shoulder; the detector's blur is that of the film's pixels; the
  grain behind the body grows as quantum noise does; the result is rounded to the 256 shades of these files.

Which lesions are asked for is decided as on phantoms (`models.phantom.conspicuity`): those that stand out from the
clutter around them in this picture. The others are counted and told.

What it can't know is what a maker's edge enhancement would have done to such a body: it is a little softer than real.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge.detector import prepare
from edge.types import LesionType, Point
from models.evaluation import eyes, voxels
from models.evaluation.truth import Labels, Mask, TrueLesion, is_visible, shape_of
from models.phantom.conspicuity import conspicuity

PER_HAND: Final = 5
MODEL: Final = "voxels, inserted"
_MINERAL_PER_MM: Final = 0.426
"""Hydroxyapatite less soft tissue, effective, 1/mm at 55 kVp."""
_HARDENING: Final = 0.24
_CORTEX_CONTRAST: Final = 0.6
_APART_MM: Final = 7.0
_ON_BONE_RATE: Final = 0.15
_BLUR_MM: Final = 0.10
_BLUR_PX: Final = 0.45

_Place = tuple[str, str, float, float, float, float]
_PLACES: Final[tuple[tuple[float, _Place], ...]] = (
    (0.25, ("DIP", "TIP", 0.45, 1.15, 0.0, 6.5)),  # tuft and pulp
    (0.25, ("PIP", "DIP", 0.6, 1.1, 4.0, 7.5)),  # beside the DIP joint
    (0.20, ("MCP", "PIP", 0.7, 1.1, 5.0, 9.0)),  # beside the PIP joint
    (0.15, ("MCP", "PIP", -0.1, 0.35, 5.0, 11.0)),  # beside the MCP joint
    (0.15, ("MCP", "PIP", -2.1, -1.4, 0.0, 16.0)),  # carpus
)
"""Share; between which joints, from and to which part of the way, how far aside in millimetres."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A film with lesions added, and the truth about them."""

    image: prepare.Image
    numbers: Labels
    undecided: Mask
    lesions: tuple[TrueLesion, ...]


def insert(
    film: prepare.Image,
    points: Mapping[str, Point],
    mm_per_pixel: float,
    rng: np.random.Generator,
    *,
    by_eye: bool = False,
) -> Changed:
    """A film with up to `PER_HAND` lesions.

    Args:
        film: float32 [rows, columns], 0 to 1.
        points: joints and tips in pixels.
        mm_per_pixel: of the film.
        rng: of sites and bodies.
        by_eye: the points were set by a person: then each lesion's region is told from them.
    """
    slope = grey_per_contrast(film, points, mm_per_pixel) * float(rng.uniform(0.8, 1.2))
    changed, numbers = film.copy(), np.zeros(film.shape, dtype=np.int16)
    made: list[TrueLesion] = []
    sites: list[Point] = []
    for _ in range(12 * PER_HAND):
        if len(made) == PER_HAND:
            break
        at = _site(points, mm_per_pixel, rng)
        if at is None or any(math.dist(at, other) * mm_per_pixel < _APART_MM for other in sites):
            continue
        kind, size = voxels.sample(rng, 0.8, 8.0)
        body = voxels.grow(kind, size, mm_per_pixel, rng)
        window = _window(at, body.mask.shape, film.shape)
        bone_allowed = bool(rng.random() < _ON_BONE_RATE)
        if window is None or not _on_hand(film, at, mm_per_pixel):
            continue
        on_bone = _on_bone(film, at, mm_per_pixel)
        if on_bone and not bone_allowed:
            continue
        mineral = np.float32(_MINERAL_PER_MM) * body.thickness_mm
        contrast = mineral / (1 + np.float32(_HARDENING) * mineral)
        _put(changed, window, contrast, slope, max(_BLUR_MM / mm_per_pixel, _BLUR_PX))
        number = len(made) + 1
        numbers[window][body.mask] = number
        sites.append(at)
        region = eyes.region_at(points, at, clear_px=1.5 / mm_per_pixel) if by_eye else ""
        peak = float(contrast.max())
        made.append(_lesion(number, kind, region, body.mask, mm_per_pixel, contrast=peak, on_bone=on_bone))
    image = (np.round(np.clip(changed, 0, 1) * 255) / 255).astype(np.float32)
    found = conspicuity(image, film, numbers, mm_per_pixel)
    lesions = tuple(_judged(lesion, found.get(lesion.number, 0.0)) for lesion in made)
    hidden = [lesion.number for lesion in lesions if not lesion.visible]
    return Changed(image, numbers, np.isin(numbers, hidden) & (numbers > 0), lesions)


def _judged(lesion: TrueLesion, stands_out: float) -> TrueLesion:
    return replace(lesion, conspicuity=stands_out, visible=is_visible(stands_out, lesion.area_mm2))


def grey_per_contrast(film: prepare.Image, points: Mapping[str, Point], mm_per_pixel: float) -> float:
    """By how much the grey rises for a unit of -ln of the beam, from the proximal phalanges' own cortex."""
    steps = []
    reach = np.arange(-11.0, 11.01, 0.15) / mm_per_pixel
    for digit in (2, 3, 4, 5):
        if f"MCP{digit}" not in points or f"PIP{digit}" not in points:
            continue
        (x0, y0), (x1, y1) = points[f"MCP{digit}"], points[f"PIP{digit}"]
        length = max(math.dist((x0, y0), (x1, y1)), 1.0)
        for part in (0.4, 0.5, 0.6):
            xs = x0 + part * (x1 - x0) + reach * (y1 - y0) / length
            ys = y0 + part * (y1 - y0) - reach * (x1 - x0) / length
            profile = ndimage.map_coordinates(film, [ys, xs], order=1, mode="nearest")
            middle = np.abs(reach) * mm_per_pixel < 6.5
            beside = (np.abs(reach) * mm_per_pixel > 6.5) & (np.abs(reach) * mm_per_pixel < 8.5)
            steps.append(float(np.percentile(profile[middle], 95) - np.median(profile[beside])))
    if not steps:
        return 0.5
    return max(float(np.median(steps)), 0.05) / _CORTEX_CONTRAST


def _put(
    changed: prepare.Image, window: tuple[slice, slice], contrast: prepare.Image, slope: float, blur_px: float
) -> None:
    """Adds a body to the picture."""
    margin = 6
    rows = slice(max(0, window[0].start - margin), window[0].stop + margin)
    columns = slice(max(0, window[1].start - margin), window[1].stop + margin)
    before = changed[rows, columns]
    delta = np.zeros(before.shape, dtype=np.float32)
    top, left = window[0].start - rows.start, window[1].start - columns.start
    delta[top : top + contrast.shape[0], left : left + contrast.shape[1]] = contrast
    delta = ndimage.gaussian_filter(delta, blur_px)
    room = np.maximum(1 - before, np.float32(1e-3))
    raised = room * (1 - np.exp(-np.float32(slope) * delta / room))
    grain = before - ndimage.gaussian_filter(before, 1.0)
    changed[rows, columns] = before + raised + grain * (np.exp(delta / 2) - 1)


def _site(points: Mapping[str, Point], mm_per_pixel: float, rng: np.random.Generator) -> Point | None:
    """Where a lesion may lie; None where those joints aren't known."""
    near, far, low, high, least_mm, most_mm = _PLACES[int(rng.choice(len(_PLACES), p=[share for share, _ in _PLACES]))][
        1
    ]
    digit = int(rng.integers(1, 6))
    part, side, aside = float(rng.uniform(low, high)), float(rng.choice((-1, 1))), float(rng.uniform(least_mm, most_mm))
    if digit == 1:
        near, far = {"DIP": "IP", "PIP": "MCP"}.get(near, near), {"DIP": "IP", "PIP": "IP"}.get(far, far)
        if low < -1:
            return None
    if f"{near}{digit}" not in points or f"{far}{digit}" not in points:
        return None
    (x0, y0), (x1, y1) = points[f"{near}{digit}"], points[f"{far}{digit}"]
    length = max(1.0, math.dist((x0, y0), (x1, y1)))
    away = side * aside / mm_per_pixel / length
    return x0 + part * (x1 - x0) + away * (y1 - y0), y0 + part * (y1 - y0) - away * (x1 - x0)


def _window(at: Point, shape: tuple[int, ...], film: tuple[int, ...]) -> tuple[slice, slice] | None:
    top, left = round(at[1]) - shape[0] // 2, round(at[0]) - shape[1] // 2
    if top < 8 or left < 8 or top + shape[0] > film[0] - 8 or left + shape[1] > film[1] - 8:
        return None
    return slice(top, top + shape[0]), slice(left, left + shape[1])


def _on_hand(film: prepare.Image, at: Point, mm_per_pixel: float) -> bool:
    """Brighter than the air around the hand."""
    reach = max(2, round(1.0 / mm_per_pixel))
    row, column = round(at[1]), round(at[0])
    here = float(np.median(film[row - reach : row + reach + 1, column - reach : column + reach + 1]))
    air, dense = np.percentile(film[::4, ::4], [10, 95])
    return here > float(air) + 0.12 * float(dense - air)


def _on_bone(film: prepare.Image, at: Point, mm_per_pixel: float) -> bool:
    """Brighter than the middle between the soft tissue and the bone that lie within a centimetre: a guess by grey."""
    reach, near = round(10.0 / mm_per_pixel), max(1, round(0.6 / mm_per_pixel))
    row, column = round(at[1]), round(at[0])
    around = film[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    low, high = np.percentile(around, [15, 95])
    here = float(np.median(film[row - near : row + near + 1, column - near : column + near + 1]))
    return here > 0.5 * float(low + high)


def _lesion(
    number: int,
    kind: LesionType,
    region: str,
    mask: NDArray[np.bool_],
    mm_per_pixel: float,
    *,
    contrast: float,
    on_bone: bool,
) -> TrueLesion:
    long_axis_mm, diameter_mm, area_mm2 = shape_of(mask, mm_per_pixel)
    return TrueLesion(
        number=number,
        hand=0,
        type=kind,
        model=MODEL,
        region=region,
        on_bone=float(on_bone),
        long_axis_mm=long_axis_mm,
        diameter_mm=diameter_mm,
        area_mm2=area_mm2,
        contrast=contrast,
        density_grade=0,
        conspicuity=0.0,
        visible=False,
    )
