"""What the distal network learns from: digits' ends of varied phantoms, cut as the appliance cuts them.

What always holds: a patch goes through `edge.detector.distal.patch`, with a skeleton as wrong as the anatomy network's,
a pixel size as wrong as an estimate, and pixels as coarse as films have; a batch depends on its seed and number alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge.detector import distal, prepare
from models.phantom.film import Film, HandTruth, Recipe, make_film
from models.phantom.render import render

Array = NDArray[np.float32]

_ROWS, _COLUMNS, _JOINT = 376, 224, 276
"""Of a kept patch, at `distal.MM_PER_PIXEL`: larger than the network's, for turns and shifts."""
NOT_JUDGED: Final = -1
_FLAT_DEG: Final = (12.0, 25.0)
"""A joint's space can be measured when the joint and its last phalanx are bent less than this."""
_TUFT_DEG: Final = (40.0, 50.0)
"""A tuft can be judged when its phalanx is bent less than the first, can't above the second, and may between."""


@dataclass(frozen=True, slots=True)
class DistalSample:
    """One digit's end as the film shows it, tip up, not normalised."""

    image: NDArray[np.float16]
    tip: tuple[float, float]
    """x, y in the kept patch; the joint lies at its (_COLUMNS / 2, _JOINT)."""
    grade: int
    """0 to 4; NOT_JUDGED where it can't be told."""
    maybe: bool
    """Whether somebody might judge the tuft all the same."""
    space_mm: float
    """NaN where it can't be measured."""


def distal_samples(seed: int, renders: int) -> list[DistalSample]:
    """The digits of one film, seen through `renders` exposures and chains each."""
    rng = np.random.default_rng([seed, 41])
    recipe = Recipe(
        pitch_mm=distal.MM_PER_PIXEL,
        layout="left" if rng.random() < 0.5 else "right",
        turn_deg=float(rng.normal(0, 10)),
        varied=True,
        digits_only=True,
    )
    film = replace(make_film(seed, recipe), lesions=())  # they are drawn; how well they show isn't asked here
    return [sample for index in range(renders) for sample in _of_picture(film, render(film, index).image)]


def _of_picture(film: Film, picture: Array) -> Iterator[DistalSample]:
    truth = film.hands[0]
    for digit in range(1, 6):
        name = "IP1" if digit == 1 else f"DIP{digit}"
        (jx, jy), (tx, ty) = truth.keypoints[name], truth.keypoints[f"TIP{digit}"]
        if not (0 <= jx < film.grid.columns and 0 <= jy < film.grid.rows):
            continue
        before = truth.keypoints["MCP1" if digit == 1 else f"PIP{digit}"]
        dx, dy = tx - jx + 0.35 * (jx - before[0]), ty - jy + 0.35 * (jy - before[1])
        length = math.hypot(dx, dy)
        cut = distal.Cut((jx, jy), (dx / length, dy / length), 1.0)
        yield _sample(picture, cut, truth, digit)


def _sample(picture: Array, cut: distal.Cut, truth: HandTruth, digit: int) -> DistalSample:
    name = "IP1" if digit == 1 else f"DIP{digit}"
    ux, uy = cut.up
    matrix = np.array([[-uy, ux], [-ux, -uy]])
    origin = np.array([cut.joint[1], cut.joint[0]]) - matrix @ np.array([_JOINT, _COLUMNS / 2])
    image = ndimage.affine_transform(picture, matrix, origin, output_shape=(_ROWS, _COLUMNS), order=1, mode="constant")
    tip = truth.keypoints[f"TIP{digit}"]
    x, y = cut.from_film(*tip)
    kept = x - distal.COLUMNS / 2 + _COLUMNS / 2, y - distal.JOINT_ROW + _JOINT
    bent, last = truth.bent_deg.get(name, 0.0), truth.bent_deg.get(f"DP{digit}", 0.0)
    whole = 4 <= tip[0] < picture.shape[1] - 4 and 4 <= tip[1] < picture.shape[0] - 4
    readable, maybe = whole and last < _TUFT_DEG[0], whole and last < _TUFT_DEG[1]
    flat = bent < _FLAT_DEG[0] and last < _FLAT_DEG[1]
    return DistalSample(
        image=image.astype(np.float16),
        tip=kept,
        grade=truth.osteolysis_grade(digit) if readable else NOT_JUDGED,
        maybe=maybe,
        space_mm=truth.joint_space_mm.get(name, math.nan) if flat else math.nan,
    )


def save_distal(folder: Path, seed: int, renders: int) -> None:
    """Makes the distal samples of a seed, unless they are there."""
    target = folder / f"distal_{seed:07d}.npz"
    if target.exists():
        return
    samples = distal_samples(seed, renders)
    facts = [[*s.tip, s.grade, s.maybe, s.space_mm] for s in samples]
    part = target.with_suffix(".part")
    with part.open("wb") as stream:
        np.savez(stream, images=np.stack([s.image for s in samples]), facts=np.array(facts, dtype=np.float64))
    part.replace(target)


def load_distal(folder: Path, seeds: Sequence[int]) -> list[DistalSample]:
    """Every distal sample of the seeds, in memory."""
    samples = []
    for seed in seeds:
        with np.load(folder / f"distal_{seed:07d}.npz") as content:
            for image, (x, y, grade, maybe, space) in zip(content["images"], content["facts"], strict=True):
                samples.append(DistalSample(image, (float(x), float(y)), int(grade), bool(maybe), float(space)))
    return samples


@dataclass(frozen=True, slots=True)
class DistalBatch:
    """What a step learns from: images [n, 1, ROWS, COLUMNS], and what is true of each."""

    images: Array
    heat: Array
    """[n, 2, ROWS / 2, COLUMNS / 2]."""
    space_mm: Array
    """[n], NaN where it can't be measured."""
    grade: NDArray[np.int64]
    """[n], NOT_JUDGED where it can't be told."""
    ask: Array
    """[n, 2]: whether `tuft` and `space` can be judged: 0, 1, or NaN where either answer is right."""


class DistalBatches:
    """Patches with a skeleton that is wrong by a millimetre or two, and sometimes by far too much."""

    SIGMA = 1.6
    MISLAID = 0.06

    def __init__(self, samples: list[DistalSample], batch: int, seed: int) -> None:
        self.samples, self.batch, self.seed = samples, batch, seed
        grades = np.array([sample.grade for sample in samples])
        self.by_grade = [np.nonzero(grades == grade)[0] for grade in (NOT_JUDGED, 0, 1, 2, 3, 4)]

    SHARES = (0.06, 0.5, 0.14, 0.14, 0.1, 0.06)
    """Of patches that can't be judged, and of grades 0 to 4."""

    def __call__(self, iteration: int) -> DistalBatch:
        """The batch of an iteration."""
        rng = np.random.default_rng([self.seed, iteration, 2])
        rows, columns = distal.ROWS, distal.COLUMNS
        images = np.zeros((self.batch, 1, rows, columns), dtype=np.float32)
        heat = np.zeros((self.batch, 2, rows // 2, columns // 2), dtype=np.float32)
        space = np.full(self.batch, np.nan, dtype=np.float32)
        grade = np.full(self.batch, NOT_JUDGED, dtype=np.int64)
        ask = np.zeros((self.batch, 2), dtype=np.float32)
        for i in range(self.batch):
            kind = int(rng.choice(6, p=self.SHARES))
            pool = self.by_grade[kind] if len(self.by_grade[kind]) else self.by_grade[1]
            sample = self.samples[int(pool[int(rng.integers(len(pool)))])]
            images[i, 0], heat[i], stretch, mislaid = self._view(sample, rng)
            if mislaid:
                ask[i] = 0.0
                continue
            grade[i] = sample.grade
            space[i] = sample.space_mm * stretch
            ask[i, 0] = 1.0 if sample.grade != NOT_JUDGED else (np.nan if sample.maybe else 0.0)
            ask[i, 1] = float(not math.isnan(sample.space_mm))
        return DistalBatch(images, heat, space, grade, ask)

    def _view(self, sample: DistalSample, rng: np.random.Generator) -> tuple[Array, Array, float, bool]:
        mislaid = rng.random() < self.MISLAID
        angle = float(rng.normal(0, 4))
        shift = rng.normal(0, 0.8, 2) / distal.MM_PER_PIXEL
        if mislaid:
            angle += float(rng.choice((-1, 1)) * rng.uniform(35, 120))
            shift += rng.uniform(5, 9) / distal.MM_PER_PIXEL * rng.choice((-1, 1), 2)
        stretch = float(np.exp(rng.normal(0, 0.05)))  # an estimated pixel size is wrong by so much
        native = 1.0 if rng.random() < 0.35 else float(rng.uniform(1.0, 2.6))
        image = sample.image.astype(np.float32)
        if rng.random() < 0.5:
            image = image[:, ::-1]
            tip = _COLUMNS - 1 - sample.tip[0], sample.tip[1]
            joint = _COLUMNS - 1 - _COLUMNS / 2, float(_JOINT)
        else:
            tip, joint = sample.tip, (_COLUMNS / 2, float(_JOINT))
        image = prepare.resize(image, 1 / native)
        mapping = prepare.Mapping(1 / native)
        up = (math.sin(math.radians(angle)), -math.cos(math.radians(angle)))
        at = mapping.forward(joint[0] + float(shift[0]), joint[1] + float(shift[1]))
        cut = distal.Cut(at, up, 1 / (native * stretch))
        out = _grey(distal.patch(image, cut), rng)
        heat = np.zeros((2, distal.ROWS // 2, distal.COLUMNS // 2), dtype=np.float32)
        for index, point in enumerate((joint, tip)):
            x, y = prepare.image_to_grid(*cut.from_film(*mapping.forward(*point)), distal.STRIDE)
            across = np.exp(-((np.arange(heat.shape[2], dtype=np.float32) - x) ** 2) / (2 * self.SIGMA**2))
            down = np.exp(-((np.arange(heat.shape[1], dtype=np.float32) - y) ** 2) / (2 * self.SIGMA**2))
            heat[index] = down[:, None] * across[None, :]
        return out, heat, stretch, mislaid


def _grey(image: Array, rng: np.random.Generator) -> Array:
    """Other gain, offset and curve, noise, blur, sharpening, and now and then the fog of another object."""
    low, high = prepare.CLIP
    unit = np.clip((image - low) / (high - low), 0, 1) ** np.float32(np.exp(rng.normal(0, 0.2)))
    out = unit * np.float32((high - low) * (1 + rng.normal(0, 0.1))) + np.float32(low + rng.normal(0, 0.06))
    if rng.random() < 0.3:
        out = out + rng.standard_normal(out.shape, dtype=np.float32) * np.float32(rng.uniform(0.01, 0.08))
    choice = rng.random()
    if choice < 0.25:
        out = ndimage.gaussian_filter(out, float(rng.uniform(0.5, 1.8)))
    elif choice < 0.45:
        out = out + np.float32(rng.uniform(0.2, 1.2)) * (out - ndimage.gaussian_filter(out, float(rng.uniform(1, 5))))
    return np.clip(out, low, high).astype(np.float32)
