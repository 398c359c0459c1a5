"""Batches: random crops, turns and grey scales of the samples, drawn from a seed and the iteration's number.

A batch depends on (seed, iteration) alone, so a run that was stopped goes on with the batches it would have had.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge.detector import prepare
from models.phantom.raster import smooth_noise
from models.phantom.soft import REGION_STEP
from models.training.bodies import Bodies
from models.training.samples import AnatomySample, LesionSample

Array = NDArray[np.float32]

COARSE = 0.4
"""Of crops, how many come from a film of larger pixels than the network's."""
_COARSER = (0.5, 0.92)
"""The network's pixel in such a film's."""
_OUTSIDE = -9.0
"""What a frame holds where there is no film."""


def load_lesions(folder: Path, seeds: range, renders: int) -> list[LesionSample]:
    """Every lesion sample of the seeds, in memory."""
    samples = []
    for seed in seeds:
        with np.load(folder / f"lesions_{seed:07d}.npz") as content:
            samples += [
                LesionSample(
                    content[f"image{i}"],
                    content[f"label{i}"],
                    content[f"places{i}"],
                    content[f"ground{i}"],
                    float(content[f"step{i}"]),
                )
                for i in range(renders)
            ]
    return samples


def load_anatomy(folder: Path, seeds: range, renders: int) -> list[AnatomySample]:
    """Every anatomy sample of the seeds, in memory."""
    samples = []
    for seed in seeds:
        with np.load(folder / f"anatomy_{seed:07d}.npz") as content:
            samples += [
                AnatomySample(content[f"image{i}"], content["regions"], content["keypoints"]) for i in range(renders)
            ]
    return samples


class LesionBatches:
    """Crops of `crop_px` with further bodies laid on them.

    `mined` holds hard negatives found by an earlier state of the network.
    """

    SHARES = (0.30, 0.10, 0.05, 0.55)
    """Of crops centred at a lesion, a sesamoid, metal, anywhere in the hand."""
    MINED = 0.3

    def __init__(self, samples: list[LesionSample], crop_px: int, batch: int, seed: int, bodies: Bodies) -> None:
        self.samples, self.crop_px, self.batch, self.seed = samples, crop_px, batch, seed
        self.bodies = bodies
        self.mined: list[tuple[int, int, int]] = []
        self.by_kind = [
            [(i, int(r), int(c)) for i, s in enumerate(samples) for k, r, c in s.places if k == kind]
            for kind in range(4)
        ]

    def __call__(self, iteration: int) -> tuple[Array, NDArray[np.uint8]]:
        """Images [n, 1, side, side] and labels [n, side / 2, side / 2] of an iteration."""
        rng = np.random.default_rng([self.seed, iteration])
        images = np.zeros((self.batch, 1, self.crop_px, self.crop_px), dtype=np.float32)
        labels = np.zeros((self.batch, self.crop_px // 2, self.crop_px // 2), dtype=np.uint8)
        for index in range(self.batch):
            images[index, 0], labels[index] = self._crop(rng)
        return images, labels

    def _crop(self, rng: np.random.Generator) -> tuple[Array, NDArray[np.uint8]]:
        if self.mined and rng.random() < self.MINED:
            which, row, column = self.mined[int(rng.integers(len(self.mined)))]
        else:
            kind = int(rng.choice(4, p=self.SHARES))
            places = self.by_kind[kind] or self.by_kind[3]
            which, row, column = places[int(rng.integers(len(places)))]
        sample, side = self.samples[which], self.crop_px
        jitter = rng.integers(-side // 3, side // 3 + 1, 2)
        top = int(np.clip(row + jitter[0] - side // 2, 0, max(0, sample.image.shape[0] - side))) // 2 * 2
        left = int(np.clip(column + jitter[1] - side // 2, 0, max(0, sample.image.shape[1] - side))) // 2 * 2
        part = sample.image[top : top + side, left : left + side].astype(np.float32)
        image = np.zeros((side, side), dtype=np.float32)
        label = np.zeros((side // 2, side // 2), dtype=np.uint8)
        image[: part.shape[0], : part.shape[1]] = part
        cut = sample.label[top // 2 : (top + side) // 2, left // 2 : (left + side) // 2]
        label[: cut.shape[0], : cut.shape[1]] = cut
        ground = np.zeros_like(label)
        ground[: cut.shape[0], : cut.shape[1]] = sample.ground[
            top // 2 : (top + side) // 2, left // 2 : (left + side) // 2
        ]
        self.bodies.put(image, label, ground, sample.step, rng)
        if rng.random() < COARSE:
            image = as_coarse_film(image, rng)
        if rng.random() < 0.5:
            image, label = image[:, ::-1], label[:, ::-1]
        if rng.random() < 0.2:
            image, label = image[::-1], label[::-1]
        if rng.random() < 0.3:
            image, label = image.T, label.T
        return _grey(image, rng), label


def as_coarse_film(image: Array, rng: np.random.Generator) -> Array:
    """As a film of larger pixels shows it, brought back to the network's as the appliance would; now and then noisy."""
    side = image.shape[0]
    coarse = round(side * float(rng.uniform(*_COARSER)))
    small = prepare.resize(image, coarse / side)
    if rng.random() < 0.3:
        small = small + np.float32(rng.uniform(0.2, 0.8)) * (small - ndimage.gaussian_filter(small, 1.0))
    if rng.random() < 0.3:
        small = small + rng.standard_normal(small.shape, dtype=np.float32) * np.float32(rng.uniform(0.005, 0.03))
    return prepare.resize(small, side / coarse)


def _grey(image: Array, rng: np.random.Generator) -> Array:
    """Other gain, offset and curve; sometimes noise, blur or sharpening: normalisation in the field isn't exact."""
    low, high = prepare.CLIP
    unit = np.clip((image - low) / (high - low), 0, 1) ** np.float32(np.exp(rng.normal(0, 0.12)))
    out = unit * np.float32((high - low) * (1 + rng.normal(0, 0.08))) + np.float32(low + rng.normal(0, 0.05))
    if rng.random() < 0.25:
        out = out + rng.standard_normal(out.shape, dtype=np.float32) * np.float32(rng.uniform(0.005, 0.04))
    choice = rng.random()
    if choice < 0.2:
        out = ndimage.gaussian_filter(out, float(rng.uniform(0.4, 1.0)))
    elif choice < 0.4:
        out = out + np.float32(rng.uniform(0.2, 1.2)) * (out - ndimage.gaussian_filter(out, float(rng.uniform(0.8, 3))))
    return np.clip(out, low, high).astype(np.float32)


class AnatomyBatches:
    """Whole films and single hands in a square frame, turned, mirrored, at 35 to 100 %; some frames hold no hand."""

    NO_HAND = 0.07
    SIGMA = 1.5

    def __init__(self, samples: list[AnatomySample], side_px: int, batch: int, seed: int) -> None:
        self.samples, self.side, self.batch, self.seed = samples, side_px, batch, seed

    def __call__(self, iteration: int) -> tuple[Array, NDArray[np.int64], Array]:
        """Images, region labels and keypoint heat of an iteration."""
        rng = np.random.default_rng([self.seed, iteration, 1])
        cells = self.side // 2
        images = np.zeros((self.batch, 1, self.side, self.side), dtype=np.float32)
        regions = np.zeros((self.batch, cells, cells), dtype=np.int64)
        heat = np.zeros((self.batch, 20, cells, cells), dtype=np.float32)
        for index in range(self.batch):
            if rng.random() < self.NO_HAND:
                images[index, 0] = no_hand(self.side, rng)
            else:
                images[index, 0], regions[index], heat[index] = self._view(rng)
        return images, regions, heat

    def _view(self, rng: np.random.Generator) -> tuple[Array, NDArray[np.int64], Array]:
        sample = self.samples[int(rng.integers(len(self.samples)))]
        rows, columns = sample.image.shape
        x0, y0, x1, y1 = 0.0, 0.0, float(columns - 1), float(rows - 1)
        if rng.random() < 0.55:  # the second look: one hand's box with a margin, other hand left in where it overlaps
            points = sample.keypoints[int(rng.integers(len(sample.keypoints)))]
            (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
            around = 0.14 * max(x1 - x0, y1 - y0)
            left, top, right, bottom = rng.uniform(0.25, 1.5, 4) * around
            x0, y0, x1, y1 = x0 - left, y0 - top, x1 + right, y1 + bottom * 1.2
        fill = float(rng.uniform(0.8, 1.0)) if rng.random() < 0.6 else float(rng.uniform(0.45, 1.0))
        scale = fill * self.side / max(x1 - x0, y1 - y0)
        angle = float(rng.uniform(-25, 25)) if rng.random() < 0.88 else float(rng.uniform(-180, 180))
        mirror = -1.0 if rng.random() < 0.5 else 1.0
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        forward = scale * np.array([[c * mirror, -s], [s * mirror, c]])  # film (x, y) to frame (x, y)
        slack = (1 - fill) * self.side / 2
        centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
        shift = np.array([self.side / 2, self.side / 2]) + rng.uniform(-slack, slack, 2) - forward @ centre
        back = np.linalg.inv(forward)
        image = ndimage.gaussian_filter(sample.image.astype(np.float32), max(0.0, 0.4 / scale - 0.3))
        frame = _warp(image, back, -back @ shift, self.side)
        within = frame > _OUTSIDE / 2
        cells = self.side // 2
        # frame cell (i + .5) * 2 - .5 -> film -> region cell
        matrix = back * 2 / REGION_STEP
        offset = (back @ (0.5 - shift) - (REGION_STEP - 1) / 2) / REGION_STEP
        label = ndimage.affine_transform(
            sample.regions, matrix[::-1, ::-1], offset[::-1], output_shape=(cells, cells), order=0, mode="constant"
        )
        heat = np.zeros((20, cells, cells), dtype=np.float32)
        axis = np.arange(cells, dtype=np.float32)
        for hand in sample.keypoints:
            for index, point in enumerate(hand):
                x, y = (forward @ point + shift + 0.5) / 2 - 0.5
                if 0 <= x < cells and 0 <= y < cells and 0 <= point[0] < columns and 0 <= point[1] < rows:
                    across = np.exp(-((axis - np.float32(x)) ** 2) / np.float32(2 * self.SIGMA**2))
                    down = np.exp(-((axis - np.float32(y)) ** 2) / np.float32(2 * self.SIGMA**2))
                    np.maximum(heat[index], down[:, None] * across[None, :], out=heat[index])
        return _film_grey(frame, within, rng), label.astype(np.int64), heat


def _warp(image: Array, back: NDArray[np.float64], offset: NDArray[np.float64], side: int) -> Array:
    out: Array = ndimage.affine_transform(
        image, back[::-1, ::-1], offset[::-1], output_shape=(side, side), order=1, mode="constant", cval=_OUTSIDE
    )
    return out


def _film_grey(frame: Array, within: NDArray[np.bool_], rng: np.random.Generator) -> Array:
    """Normalised as in the appliance (the frame's padding does not speak), with other curves and noise."""
    values = np.clip(frame, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.2)))
    if rng.random() < 0.3:
        values = values + rng.standard_normal(values.shape, dtype=np.float32) * np.float32(rng.uniform(0.003, 0.03))
    rows, columns = np.nonzero(within.any(axis=1))[0], np.nonzero(within.any(axis=0))[0]
    out = np.zeros_like(values)
    if rows.size and columns.size:
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        out[box] = prepare.normalise(values[box].astype(np.float32))
    return out


def no_hand(side: int, rng: np.random.Generator) -> Array:
    """Pictures without a hand: clouds, blobs, rods, gradients, noise, blank."""
    kind = int(rng.integers(6))
    ys, xs = np.mgrid[:side, :side].astype(np.float32) / np.float32(side)
    image = np.zeros((side, side), dtype=np.float32)
    if kind == 0:
        image = smooth_noise((side, side), float(rng.uniform(3, 40)), rng)
    elif kind == 1:
        image = rng.standard_normal((side, side), dtype=np.float32)
    elif kind == 2:
        image = xs * np.float32(rng.normal()) + ys * np.float32(rng.normal())
    elif kind == 3:
        for _ in range(int(rng.integers(1, 9))):
            cx, cy, a, b = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.04, 0.5), rng.uniform(0.04, 0.5)
            image += np.float32(rng.uniform(0.2, 1)) * np.sqrt(
                np.clip(1 - ((xs - cx) / a) ** 2 - ((ys - cy) / b) ** 2, 0, None)
            )
    elif kind == 4:
        for _ in range(int(rng.integers(1, 5))):
            angle, place, wide = rng.uniform(0, math.pi), rng.uniform(0.2, 0.8), rng.uniform(0.03, 0.2)
            across = (xs - 0.5) * math.cos(angle) + (ys - 0.5) * math.sin(angle) + 0.5 - place
            tube = np.sqrt(np.clip(1 - (across / wide) ** 2, 0, None)) - 0.6 * np.sqrt(
                np.clip(1 - (across / wide / 0.7) ** 2, 0, None)
            )
            image += tube.astype(np.float32)
        image += 0.4 * smooth_noise((side, side), 30.0, rng)
    if kind in {3, 4} and rng.random() < 0.6:
        image += np.float32(0.15) * smooth_noise((side, side), float(rng.uniform(1, 5)), rng)
    return prepare.normalise(image.astype(np.float32))
