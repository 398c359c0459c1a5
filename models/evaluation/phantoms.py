"""Held-out phantoms with all that is true of them.

What is held out from training, and how the groups are laid out:

- Every film: seeds from 500,000; the training's lie below.
- Every second film: the processing family that training never sees (`held_out` in `models.phantom.render`).
- Every second pair of films: lesions grown in voxels (`models.evaluation.voxels`), a model that training never sees,
  at sites drawn here. The other films carry the phantom's own lesions.

Films of the group `distal` have fine pixels, every grade of acro-osteolysis, narrowed joints and bent fingers.
Tuning films (for thresholds) and measured films are of the same make and of different seeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from edge.detector.measures import density_grade
from edge.types import REGIONS, Point
from models.evaluation import voxels
from models.evaluation.truth import (
    Labels,
    Mask,
    TrueFilm,
    TrueHand,
    TrueLesion,
    burden,
    counts,
    is_visible,
    shape_of,
)
from models.phantom import physics
from models.phantom.film import Film, HandTruth, Layout, Recipe, make_film
from models.phantom.lesions import Lesion
from models.phantom.render import Picture, render
from models.phantom.soft import REGION_STEP

Group = Literal["tuning", "measured", "two hands", "distal"]

FIRST_SEED: Final[dict[Group, int]] = {"tuning": 500_000, "measured": 520_000, "two hands": 540_000, "distal": 560_000}
_TUBULAR: Final = tuple(1 + REGIONS.index(f"{kind}{d}") for kind in ("MC", "PP") for d in (2, 3, 4, 5))
_PLACES: Final[tuple[tuple[str, float], ...]] = (
    ("DP", 0.35),
    ("MP", 0.15),
    ("PP", 0.15),
    ("MC", 0.15),
    ("CARPUS", 0.20),
)
_ON_BONE_RATE: Final = 0.15
_FINE_MM: Final = 0.14
_AFFECTED_RATE: Final = 0.6
_TUFT_DEG: Final = 40.0
"""A tuft on a phalanx that is bent more than this against the film can't be judged, by anybody."""
_JOINT_DEG, _LAST_DEG = 12.0, 25.0
"""The space of a joint that is bent more, or whose last phalanx is, can't be measured."""
_GRADED: Final = ("IP1", "DIP2", "DIP3", "DIP4", "DIP5")


@dataclass(frozen=True, slots=True)
class Specimen:
    """A film with its picture and truth, ready to be shown to the appliance.

    Attributes:
        truth: what is on it.
        picture: the radiograph and how it was made.
        film: the thickness maps; lesions are in them.
        numbers: int [rows, columns], the lesion in each pixel.
        undecided: bool [rows, columns], where a mark is neither asked for nor punished.
    """

    truth: TrueFilm
    picture: Picture
    film: Film
    numbers: Labels
    undecided: Mask


def specimen(group: Group, index: int) -> Specimen:
    """The `index`-th film of a group; the same index always gives the same film."""
    seed = FIRST_SEED[group] + index
    layout: Layout = "both" if group == "two hands" else ("left" if index % 8 < 4 else "right")
    grown = bool(index // 2 % 2)
    recipe = Recipe(layout=layout, cut_off=False, lesions=0 if grown else None)
    if group == "distal":
        recipe = replace(recipe, pitch_mm=_FINE_MM, varied=True)
    film = make_film(seed, recipe)
    if grown:
        film = _grow(film, np.random.default_rng([seed, 71]))
    picture = render(film, 0, held_out=bool(index % 2))
    lesions = tuple(_lesion(film, picture, drawn.id, drawn.kind, grown=grown) for drawn in film.lesions)
    hidden = [lesion.number for lesion in lesions if not lesion.visible]
    undecided = (film.maps.undecided | np.isin(film.lesion_ids, hidden)) & ~picture.metal
    truth = TrueFilm(
        name=f"{group} {index}",
        group=group,
        mm_per_pixel=film.grid.pitch_mm,
        family=picture.chain.family,
        dose_ugy=picture.exposure.detector_dose_ugy,
        kvp=picture.exposure.kvp,
        lesions=lesions,
        hands=tuple(_hand(film, index, hand, lesions) for index, hand in enumerate(film.hands)),
    )
    return Specimen(truth, picture, film, film.lesion_ids, undecided)


def region_pixels(film: Film) -> NDArray[np.uint8]:
    """The region map at the film's pitch."""
    large = np.repeat(np.repeat(film.regions, REGION_STEP, axis=0), REGION_STEP, axis=1)
    return large[: film.grid.rows, : film.grid.columns]


def nearest_hand(film: Film, x_px: float, y_px: float) -> int:
    """Which hand of a film a place belongs to: the one whose keypoints are nearest."""
    away = [min(math.dist((x_px, y_px), point) for point in hand.keypoints.values()) for hand in film.hands]
    return int(np.argmin(away))


def _grow(film: Film, rng: np.random.Generator) -> Film:
    """The film with lesions grown in voxels in its maps."""
    made: list[Lesion] = []
    if rng.random() >= _AFFECTED_RATE:
        return film
    labels = region_pixels(film)
    for _ in range(int(np.clip(rng.poisson(4), 1, 12)) * len(film.hands)):
        kind, size = voxels.sample(rng)
        body = voxels.grow(kind, size, film.grid.pitch_mm, rng)
        where = _site(film, labels, body.mask.shape, rng)
        if where is None:
            continue
        inside = film.maps.soft_mm[where] > 1.0
        mask = body.mask & inside & (film.lesion_ids[where] == 0)
        if mask.sum() < 0.7 * body.mask.sum():
            continue
        number = 1 + len(made)
        film.maps.ha_mm[where] += body.thickness_mm * inside
        film.lesion_ids[where][mask] = number
        rows, columns = np.nonzero(film.lesion_ids == number)
        x, y = float(columns.mean()), float(rows.mean())
        on_bone = float((film.maps.bone_mm[rows, columns] > 0.5).mean())
        area_mm2, peak = len(rows) * film.grid.pitch_mm**2, float(body.thickness_mm.max())
        made.append(Lesion(number, nearest_hand(film, x, y), kind, 1, x, y, area_mm2, peak, on_bone))
    return replace(film, lesions=tuple(made))


def _site(
    film: Film, labels: NDArray[np.uint8], shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[slice, slice] | None:
    """A window for a lesion, its centre in soft tissue of a region drawn by its share; mostly off bone."""
    kind, _ = _PLACES[int(rng.choice(len(_PLACES), p=[part for _, part in _PLACES]))]
    wanted = [1 + i for i, name in enumerate(REGIONS) if name.startswith(kind)]
    bone_allowed = rng.random() < _ON_BONE_RATE
    rows, columns = np.nonzero(np.isin(labels, wanted) & (film.maps.soft_mm > 2.0))
    for _ in range(20 if len(rows) else 0):
        at = int(rng.integers(len(rows)))
        row, column = int(rows[at]), int(columns[at])
        top, left = row - shape[0] // 2, column - shape[1] // 2
        if top < 0 or left < 0 or top + shape[0] > film.grid.rows or left + shape[1] > film.grid.columns:
            continue
        if film.maps.bone_mm[row, column] <= 0.8 or bone_allowed:
            return slice(top, top + shape[0]), slice(left, left + shape[1])
    return None


def _lesion(film: Film, picture: Picture, number: int, kind: str, *, grown: bool) -> TrueLesion:
    where = film.lesion_ids == number
    if not where.any():  # another body lies over all of it
        return TrueLesion(number, 0, kind, _model(grown=grown), "", 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0.0, visible=False)
    rows, columns = np.nonzero(where)
    hand = nearest_hand(film, float(columns.mean()), float(rows.mean()))
    votes = np.bincount(region_pixels(film)[where], minlength=1 + len(REGIONS))
    votes[0] = 0
    kvp = picture.exposure.kvp
    contrast = _contrast(film, where, kvp)
    core = np.sort(contrast)[len(contrast) // 2 :]
    long_axis_mm, diameter_mm, area_mm2 = shape_of(where, film.grid.pitch_mm)
    stands_out = float(picture.conspicuity.get(number, 0.0))
    return TrueLesion(
        number=number,
        hand=hand,
        type=kind,
        model=_model(grown=grown),
        region=REGIONS[int(votes.argmax()) - 1] if votes.any() else "",
        on_bone=float((film.maps.bone_mm[where] > 0.5).mean()),
        long_axis_mm=long_axis_mm,
        diameter_mm=diameter_mm,
        area_mm2=area_mm2,
        contrast=float(contrast.max()),
        density_grade=density_grade(float(core.mean()) / cortex_contrast(film, kvp)),
        conspicuity=stands_out,
        visible=is_visible(stands_out, area_mm2),
    )


def _model(*, grown: bool) -> str:
    return "voxels (held out)" if grown else "phantom"


def _contrast(film: Film, where: Mask, kvp: float) -> NDArray[np.float32]:
    """By how much each pixel's -ln I grew through the lesion."""
    zero = np.zeros(int(where.sum()), dtype=np.float32)
    under = physics.mineral_contrast(film.maps.bone_mm[where], zero, zero, kvp)
    return physics.mineral_contrast(film.maps.bone_mm[where], film.maps.ha_mm[where], zero, kvp) - under


def cortex_contrast(film: Film, kvp: float) -> float:
    """-ln I of cortical bone over soft tissue: between the appliance's percentiles, unprocessed."""
    cells = (slice(None, None, REGION_STEP),) * 2
    bone = film.maps.bone_mm[cells][np.isin(film.regions, _TUBULAR)[: film.grid.rows, : film.grid.columns]]
    zero = np.zeros(bone.shape, dtype=np.float32)
    low, high = np.percentile(physics.mineral_contrast(bone, zero, zero, kvp), [20, 96])
    return float(max(high - low, 0.05))


def _hand(film: Film, index: int, hand: HandTruth, lesions: tuple[TrueLesion, ...]) -> TrueHand:
    mine = tuple(lesion for lesion in lesions if lesion.hand == index and lesion.visible)
    pitch = film.grid.pitch_mm
    mask = np.isin(film.lesion_ids, [lesion.number for lesion in mine])
    together, bodies = counts(mask, pitch)
    return TrueHand(
        side=hand.side,
        keypoints={name: (float(x), float(y)) for name, (x, y) in hand.keypoints.items()},
        burden_index=burden(
            mine, np.where(mask, film.lesion_ids, 0), region_pixels(film), _soft(film, index), pitch**2
        ),
        calcified_mm2=float(mask.sum()) * pitch**2,
        lesions=together,
        bodies=bodies,
        tufts={
            f"DP{digit}": hand.osteolysis_grade(digit)
            for digit in range(1, 6)
            if hand.bent_deg.get(f"DP{digit}", 0.0) < _TUFT_DEG
        },
        spaces={name: mm for name, mm in hand.joint_space_mm.items() if name in _GRADED and _flat(hand, name)},
    )


def _flat(hand: HandTruth, joint: str) -> bool:
    """Whether a last joint lies flat enough for its space to show."""
    return hand.bent_deg.get(joint, 0.0) < _JOINT_DEG and hand.bent_deg.get(f"DP{joint[-1]}", 0.0) < _LAST_DEG


def _soft(film: Film, index: int) -> dict[str, float]:
    """Tissue of each region of one hand, mm2, as the appliance counts it: all cells of the region."""
    rows, columns = np.nonzero(film.regions)
    if len(film.hands) > 1:
        points = np.stack([columns, rows], axis=1) * REGION_STEP
        away = np.stack([_away(points, hand.keypoints) for hand in film.hands])
        own = away.argmin(axis=0) == index
        rows, columns = rows[own], columns[own]
    cells = np.bincount(film.regions[rows, columns], minlength=1 + len(REGIONS))
    cell_mm2 = (film.grid.pitch_mm * REGION_STEP) ** 2
    return {name: float(cells[1 + i]) * cell_mm2 for i, name in enumerate(REGIONS)}


def _away(points: NDArray[np.integer], keypoints: dict[str, Point]) -> NDArray[np.float64]:
    there = np.array(list(keypoints.values()))
    squared = ((points[:, None, :] - there[None, :, :]) ** 2).sum(axis=2)
    nearest: NDArray[np.float64] = squared.min(axis=1)
    return nearest
