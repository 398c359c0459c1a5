"""The ends of the digits: how much of the tuft is left, and how wide the last joint's space is.

One small network looks at each digit's end at 0.125 mm per pixel, cut out along the skeleton, fingertip up. It says
where the joint and the tip lie, how wide the dark band between the bones is, how much of the phalanx is resorbed, and
whether either can be judged at all: a bent finger or a joint that isn't there gives no number.

What always holds: training cuts its patches with the same lines (`patch`); a sign that can't be judged is None, never
0; grades are *suspected*, for a person to confirm.

- Acro-osteolysis: 0 none, 1 the tuft only, 2 up to half of the phalanx, 3 more than half, 4 (nearly) all of it.
- Narrowing, against the hand's own other finger joints, as no norm fits every age and sex: see `narrowing`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge.detector import prepare
from edge.types import DIGITS, Point

Image = NDArray[np.float32]

MM_PER_PIXEL: Final = 0.125
ROWS: Final = 256
COLUMNS: Final = 128
JOINT_ROW: Final = 204
"""Where the joint is expected: 25.5 mm of fingertip lie above it, 6.5 mm of the bone before it below."""
STRIDE: Final = 2
PLACES: Final = ("joint", "tip")
SIGNS: Final = ("grade 1", "grade 2", "grade 3", "grade 4", "tuft", "space")
"""Probabilities: that the grade is at least so much, that the tuft can be judged, that the space can be measured."""
COARSEST_MM: Final = 0.3
"""Coarser films can't show a joint space of a millimetre."""
_THUMB: Final = 1
"""The thumb lies askew in a PA view and its joint is seldom seen through: on clean real hands the space read there
spread from 0.15 to 1.6 mm, so it isn't given."""
_PLACED: Final = 0.25
"""A place's peak from which it is believed."""
_JUDGED: Final = 0.5
_FARTHEST_MM: Final = 5.0
"""Farther from the skeleton's joint than this, the network has found another one."""
_ABSOLUTE_MM: Final = (0.6, 0.4, 0.15)
_RELATIVE: Final = (0.6, 0.4, 0.15)
_LEAST_OTHERS: Final = 2
_CHAIN: Final[Mapping[int, tuple[str, str, str]]] = {1: ("MCP1", "IP1", "TIP1")} | {
    d: (f"PIP{d}", f"DIP{d}", f"TIP{d}") for d in DIGITS[1:]
}


@dataclass(frozen=True, slots=True)
class Cut:
    """How a patch lies on the film.

    Attributes:
        joint: the point of the film that lies at the patch's (COLUMNS / 2, JOINT_ROW).
        up: unit vector on the film towards the fingertip.
        px_per_cell: pixels of the film in one pixel of the patch.
    """

    joint: Point
    up: Point
    px_per_cell: float

    def to_film(self, x: float, y: float) -> Point:
        """A point of the patch on the film."""
        across, down = (x - COLUMNS / 2) * self.px_per_cell, (y - JOINT_ROW) * self.px_per_cell
        ux, uy = self.up
        return self.joint[0] - uy * across - ux * down, self.joint[1] + ux * across - uy * down

    def from_film(self, x: float, y: float) -> Point:
        """A point of the film on the patch."""
        dx, dy = (x - self.joint[0]) / self.px_per_cell, (y - self.joint[1]) / self.px_per_cell
        ux, uy = self.up
        return COLUMNS / 2 - uy * dx + ux * dy, JOINT_ROW - ux * dx - uy * dy


@dataclass(frozen=True, slots=True)
class Answer:
    """What the network says of n patches.

    Attributes:
        places: [n, 2, ROWS / 2, COLUMNS / 2], where joint and tip are.
        space: [n, 1, ROWS / 2, COLUMNS / 2], mm, meaningful where the joint is.
        signs: [n, 6], see `SIGNS`.
    """

    places: Image
    space: Image
    signs: Image


Look = Callable[[Image], Answer]
"""The network: from patches [n, ROWS, COLUMNS]."""


@dataclass(frozen=True, slots=True)
class DistalSign:
    """What is said of one digit's end.

    Attributes:
        joint: its centre on the film, refined; None if it was not found again.
        tip: the bone's tip on the film, likewise.
        space_mm: of the joint; None if it can't be measured.
        osteolysis_grade: 0 to 4; None if it can't be judged.
        score: the probability that something is resorbed (grade 1 or more).
    """

    joint: Point | None
    tip: Point | None
    space_mm: float | None
    osteolysis_grade: int | None
    score: float | None


_MIDDLE: Final = (
    *((f"MCP{d}", f"PIP{d}", f"DIP{d}") for d in DIGITS[1:]),
    ("WRIST", "MCP1", "IP1"),
    *(("WRIST", f"MCP{d}", f"PIP{d}") for d in DIGITS[1:]),
)


def cut_of(digit: int, keypoints: Mapping[str, Point], mm_per_pixel: float) -> Cut | None:
    """Where a digit's patch lies; None if its joint or its direction isn't known."""
    return _cut(_CHAIN[digit], keypoints, mm_per_pixel)


def _cut(chain: tuple[str, str, str], keypoints: Mapping[str, Point], mm_per_pixel: float) -> Cut | None:
    """A patch at the middle one of three keypoints.

    The direction is that of the bone beyond and, for a third, of the one before it: a resorbed phalanx has none.
    """
    before, joint, tip = chain
    if joint not in keypoints:
        return None
    jx, jy = keypoints[joint]
    dx = dy = 0.0
    if tip in keypoints:
        dx, dy = keypoints[tip][0] - jx, keypoints[tip][1] - jy
    if before in keypoints:
        dx, dy = dx + 0.35 * (jx - keypoints[before][0]), dy + 0.35 * (jy - keypoints[before][1])
    length = math.hypot(dx, dy)
    if length * mm_per_pixel < 3.0:
        return None
    return Cut((jx, jy), (dx / length, dy / length), MM_PER_PIXEL / mm_per_pixel)


def patch(image: Image, cut: Cut) -> Image:
    """A digit's end, tip up: float32 [ROWS, COLUMNS], normalised, 0 beyond the film."""
    reach = math.ceil(cut.px_per_cell * math.hypot(ROWS, COLUMNS)) + 4
    x0, y0 = (max(0, math.floor(v) - reach) for v in cut.joint)
    x1, y1 = (math.floor(v) + reach for v in cut.joint)
    part = np.asarray(image[y0:y1, x0:x1], dtype=np.float32)
    if min(part.shape, default=0) < 2:
        return np.zeros((ROWS, COLUMNS), dtype=np.float32)
    if cut.px_per_cell > 1.2:
        part = ndimage.gaussian_filter(part, 0.4 * (cut.px_per_cell - 1))
    ux, uy = cut.up
    # rows and columns of the patch to rows and columns of the part
    matrix = cut.px_per_cell * np.array([[-uy, ux], [-ux, -uy]])
    origin = np.array([cut.joint[1] - y0, cut.joint[0] - x0]) - matrix @ np.array([JOINT_ROW, COLUMNS / 2])
    frame = ndimage.affine_transform(
        part, matrix, origin, output_shape=(ROWS, COLUMNS), order=1, mode="constant", cval=_BEYOND
    )
    on_film = frame > _BEYOND / 2
    if not on_film.any():
        return np.zeros((ROWS, COLUMNS), dtype=np.float32)
    out = prepare.normalise(np.where(on_film, frame, frame[on_film].min()), on_film)
    out[~on_film] = 0
    return out


_BEYOND: Final = -9.0


def signs(image: Image, keypoints: Mapping[str, Point], mm_per_pixel: float, network: Look) -> dict[int, DistalSign]:
    """The ends of one hand's digits, by digit; a digit whose joint wasn't seen is absent.

    Args:
        image: the film, float32 [rows, columns], bright = dense.
        keypoints: of the hand, on the film.
        mm_per_pixel: of the film.
        network: the distal network.

    Raises:
        ModelError: if the network fails.
    """
    cuts = {d: cut for d in DIGITS if (cut := cut_of(d, keypoints, mm_per_pixel)) is not None}
    if not cuts:
        return {}
    answer = network(np.stack([patch(image, cut) for cut in cuts.values()]))
    return {
        digit: read(answer, index, cut, fine=mm_per_pixel <= COARSEST_MM and digit != _THUMB)
        for index, (digit, cut) in enumerate(cuts.items())
    }


def middle_joints(image: Image, keypoints: Mapping[str, Point], mm_per_pixel: float, network: Look) -> dict[str, Point]:
    """The middle joints and knuckles of one hand where the network finds them again: they look much like the last.

    Args and errors: as for `signs`.
    """
    cuts = {chain[1]: cut for chain in _MIDDLE if (cut := _cut(chain, keypoints, mm_per_pixel)) is not None}
    if not cuts:
        return {}
    answer = network(np.stack([patch(image, cut) for cut in cuts.values()]))
    found = {}
    for index, (name, cut) in enumerate(cuts.items()):
        place = _joint(answer.places[index, 0])
        if place is not None:
            found[name] = cut.to_film(*place)
    return found


def read(answer: Answer, index: int, cut: Cut, *, fine: bool = True) -> DistalSign:
    """What the network's answer for one patch means. `fine`: the film can show this joint's space."""
    chances = answer.signs[index]
    joint = _joint(answer.places[index, 0])
    tip = _place(answer.places[index, 1])
    space = None
    if fine and joint is not None and chances[5] >= _JUDGED:
        space = round(max(0.0, _space(joint, answer.places[index, 0], answer.space[index, 0])), 2)
    seen = joint is not None and tip is not None and chances[4] >= _JUDGED
    grade = int(np.sum(np.minimum.accumulate(chances[:4]) >= _JUDGED)) if seen else None
    return DistalSign(
        joint=None if joint is None else cut.to_film(*joint),
        tip=None if tip is None or grade is None else cut.to_film(*tip),
        space_mm=space,
        osteolysis_grade=grade,
        score=None if grade is None else round(float(chances[0]), 4),
    )


def without_spaces(found: Mapping[int, DistalSign]) -> dict[int, DistalSign]:
    """The same without joint spaces: in a hand that is turned, bones hide them."""
    return {digit: replace(sign, space_mm=None) for digit, sign in found.items()}


def places(found: Mapping[int, DistalSign]) -> dict[str, Point]:
    """The keypoints that the network found again, by name: joints and tips."""
    out: dict[str, Point] = {}
    for digit, sign in found.items():
        _, joint, tip = _CHAIN[digit]
        if sign.joint is not None:
            out[joint] = sign.joint
        if sign.tip is not None:
            out[tip] = sign.tip
    return out


def narrowing(spaces_mm: Mapping[str, float]) -> dict[str, int]:
    """Narrowing grades of the joints whose space was measured: `DIP2` to `DIP5`.

    0 none; 1 below 0.6, 2 below 0.4, 3 below 0.15 of the median of the hand's *other* last joints, or of as many
    millimetres.
    """
    grades = {}
    for name, space in spaces_mm.items():
        others = [mm for other, mm in spaces_mm.items() if other != name]
        usual = float(np.median(others)) if len(others) >= _LEAST_OTHERS else 0.0
        grades[name] = sum(
            space < max(least, part * usual) for least, part in zip(_ABSOLUTE_MM, _RELATIVE, strict=True)
        )
    return grades


def _joint(heat: Image) -> Point | None:
    """Where the joint is, near where it was expected: a patch may show another one, too."""
    first = round((JOINT_ROW - _FARTHEST_MM / MM_PER_PIXEL) / STRIDE)
    near = np.zeros_like(heat)
    near[first:] = heat[first:]
    place = _place(near)
    if place is None or MM_PER_PIXEL * math.dist(place, (COLUMNS / 2, JOINT_ROW)) > _FARTHEST_MM:
        return None
    return place


def _place(heat: Image) -> Point | None:
    """Where a map is hottest, in pixels of the patch: the centre of what is hot around it."""
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    if heat[row, column] < _PLACED:
        return None
    top, left = max(0, int(row) - 3), max(0, int(column) - 3)
    weight = heat[top : int(row) + 4, left : int(column) + 4].astype(np.float64)
    ys, xs = np.indices(weight.shape, dtype=np.float64)
    total = float(weight.sum())
    y, x = top + float((weight * ys).sum()) / total, left + float((weight * xs).sum()) / total
    return prepare.grid_to_image(x, y, STRIDE)


def _space(joint: Point, heat: Image, space: Image) -> float:
    """The space where the joint is: the mean, by heat, over the cells around it."""
    column, row = (round(cell) for cell in prepare.image_to_grid(*joint, STRIDE))
    window = slice(max(0, row - 3), row + 4), slice(max(0, column - 3), column + 4)
    near = heat[window]
    weight = np.where(near >= 0.5 * near.max(), near, 0).astype(np.float64)
    return float((weight * space[window]).sum() / weight.sum())
