"""One film from one seed: hands laid on it, lesions and confounders in them, and the truth about all of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from models.phantom import bones, confounders, lesions, lookalikes, soft
from models.phantom.anatomy import Hand, Person, Pose, Side, Vec, sample_hand, sample_person, turned
from models.phantom.raster import Grid

Layout = Literal["left", "right", "both"]

LESION_FREE: Final = 0
GRADES_LOST: Final = (0.0, 0.2, 0.5, 0.8)
"""Part of a distal phalanx lost, above which acro-osteolysis has grade 1, 2, 3, 4."""
_MEASURED: Final = ("IP1", "DIP2", "DIP3", "DIP4", "DIP5")
_REACH_MM: Final = 182.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a film shall show. `None` leaves a choice to the seed."""

    pitch_mm: float = 0.2
    layout: Layout | None = None
    lesions: int | None = None
    """Lesions per hand; 0 for a healthy hand."""
    turn_deg: float | None = None
    cut_off: bool | None = None
    """Whether the field may cut fingers or the wrist."""
    loose: float = 12.0
    """Margin around the hands, mm."""
    varied: bool = False
    """Bent fingers, tufts of all widths, every degree of resorption, joints worn to the bone."""
    view_deg: float = 0.0
    """Turn about the forearm: 0 PA, 45 oblique, 90 lateral."""
    digits_only: bool = False
    """The film ends below the last joints of thumb and fingers: all that the distal network needs."""


@dataclass(frozen=True, slots=True)
class HandTruth:
    """One hand of the film: side, keypoints in pixels of the film (x, y), grades."""

    side: Side
    keypoints: dict[str, Vec]
    joint_gap_mm: dict[str, float]
    osteolysis: dict[int, float]
    joint_space_mm: dict[str, float] = field(default_factory=dict)
    """Of DIP2 to DIP5 and IP1: the dark band that the film shows, without what is added by osteophytes."""
    bent_deg: dict[str, float] = field(default_factory=dict)
    """See `models.phantom.anatomy.Hand`."""

    def osteolysis_grade(self, digit: int) -> int:
        """0 none, 1 the tuft only (a fifth), 2 up to half of the phalanx, 3 more than half, 4 (nearly) all."""
        lost = self.osteolysis.get(digit, 0.0)
        return sum(lost > bound for bound in GRADES_LOST)


@dataclass(frozen=True, slots=True)
class Film:
    """Thickness maps and truth. Render it as often as you like (`models.phantom.render`)."""

    seed: int
    grid: Grid
    person: Person
    maps: confounders.Maps
    hands: tuple[HandTruth, ...]
    lesions: tuple[lesions.Lesion, ...]
    lesion_ids: NDArray[np.int16]
    """Id of the lesion in each pixel, 0 for none."""
    sesamoids: tuple[confounders.Sesamoid, ...]
    regions: NDArray[np.uint8]
    """0 background, 1 + index in `edge.types.REGIONS`; a cell is `soft.REGION_STEP` pixels wide."""

    def region_of(self, x_px: float, y_px: float) -> int:
        """The region's label at a pixel of the film."""
        row = min(max(int(y_px / soft.REGION_STEP), 0), self.regions.shape[0] - 1)
        column = min(max(int(x_px / soft.REGION_STEP), 0), self.regions.shape[1] - 1)
        return int(self.regions[row, column])


def make_film(seed: int, recipe: Recipe = Recipe()) -> Film:
    """The film of a seed. The same seed and recipe give the same film."""
    rng = np.random.default_rng([seed, 11])
    person = sample_person(rng)
    layout = recipe.layout or str(rng.choice(["left", "right", "both"], p=[0.45, 0.4, 0.15]))
    sides: tuple[Side, ...] = {"left": ("L",), "right": ("R",), "both": ("L", "R")}[layout]  # type: ignore[assignment]
    affected = (
        recipe.lesions if recipe.lesions is not None else (lesions.sample_count(rng) if rng.random() < 0.6 else 0)
    )
    varied = np.random.default_rng([seed, 17]) if recipe.varied else None
    posed = _lay(rng, person, sides, recipe, diseased=affected > 0, varied=varied)
    grid, hands = _frame(rng, posed, recipe)
    maps = confounders.empty_maps(grid)
    ids = np.zeros(grid.shape, dtype=np.int16)
    found: list[lesions.Lesion] = []
    sesamoids: list[confounders.Sesamoid] = []
    ends: list[dict[str, bones.Ends]] = []
    for index, hand in enumerate(hands):
        soft.add_soft(grid, hand, maps.soft_mm, rng)
        ends.append(bones.add_bones(grid, hand, maps.bone_mm, rng))
        sesamoids += confounders.add_sesamoids(grid, hand, index, maps, rng)
        confounders.add_bony(grid, hand, maps, rng)
        lookalikes.add_lookalikes(grid, hand, maps, rng)
        confounders.add_soft_signs(grid, hand, maps, rng)
    for index, hand in enumerate(hands):
        target = lesions.LesionMaps(maps.ha_mm, ids, maps.soft_mm, maps.bone_mm)
        found += lesions.add_lesions(grid, hand, index, affected, target, rng=rng)
        confounders.add_metal(grid, hand, maps, rng)
    return Film(
        seed=seed,
        grid=grid,
        person=person,
        maps=maps,
        hands=tuple(_truth(grid, hand, drawn) for hand, drawn in zip(hands, ends, strict=True)),
        lesions=tuple(found),
        lesion_ids=ids,
        sesamoids=tuple(sesamoids),
        regions=soft.regions(grid, hands, maps.soft_mm),
    )


def _lay(
    rng: np.random.Generator,
    person: Person,
    sides: tuple[Side, ...],
    recipe: Recipe,
    *,
    diseased: bool,
    varied: np.random.Generator | None,
) -> list[Hand]:
    """Hands at their places; for two, the left hand lies left, thumbs towards each other."""
    hands = []
    for index, side in enumerate(sides):
        lean = recipe.turn_deg if recipe.turn_deg is not None else float(rng.normal(0, 7))
        lean += float(rng.uniform(-8, 8)) if len(sides) > 1 else 0.0
        apart = float(rng.uniform(136, 178)) * index * person.size
        pose = Pose(side, math.radians(lean), (apart, float(rng.normal(0, 8)) * index))
        hands.append(turned(sample_hand(rng, person, pose, diseased=diseased, varied=varied), recipe.view_deg))
    return hands


def _frame(rng: np.random.Generator, hands: list[Hand], recipe: Recipe) -> tuple[Grid, tuple[Hand, ...]]:
    """The field around the hands: forearm cut below the wrist, sometimes fingers cut too."""
    points = [hand.pose.to_film(point) for hand in hands for point in hand.keypoints.values()]
    points += [hand.pose.to_film((aside, -18.0)) for hand in hands for aside in (-34.0, 34.0)]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    left, right = min(xs) - recipe.loose - 8, max(xs) + recipe.loose + 8
    top, bottom = min(ys) - recipe.loose - 6, max(ys) + float(rng.uniform(5, 75))
    cut = recipe.cut_off if recipe.cut_off is not None else bool(rng.random() < 0.08)
    if cut:
        top += float(rng.uniform(0, 35))
        left += float(rng.uniform(0, 25))
    extra = rng.uniform(0, 25, 4)
    left, right, top = left - float(extra[0]), right + float(extra[1]), top - float(extra[2])
    if recipe.digits_only:
        bottom = max(hand.pose.to_film(hand.keypoints[name])[1] for hand in hands for name in _MEASURED) + 15.0
    grid = Grid(round((bottom - top) / recipe.pitch_mm), round((right - left) / recipe.pitch_mm), recipe.pitch_mm)
    moved = tuple(
        replace(hand, pose=replace(hand.pose, centre=(hand.pose.centre[0] - left, hand.pose.centre[1] - top)))
        for hand in hands
    )
    return grid, moved


def _truth(grid: Grid, hand: Hand, ends: dict[str, bones.Ends]) -> HandTruth:
    spaces = {joint: bones.joint_space_mm(hand, ends, joint) for joint in _MEASURED}
    return HandTruth(
        side=hand.pose.side,
        keypoints={name: grid.to_pixel(hand.pose.to_film(point)) for name, point in hand.keypoints.items()},
        joint_gap_mm=dict(hand.joint_gap_mm),
        osteolysis=dict(hand.osteolysis),
        joint_space_mm={joint: space for joint, space in spaces.items() if space is not None},
        bent_deg=dict(hand.bent_deg),
    )
