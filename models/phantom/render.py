"""A film's picture: exposure, scene around the hand, processing. Another seed gives another picture of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from models.phantom import physics
from models.phantom.chain import Chain, process, sample_chain
from models.phantom.confounders import Mask
from models.phantom.conspicuity import conspicuity
from models.phantom.film import Film
from models.phantom.raster import Map

_LETTERS = "L", "R", "L MG", "R JE", "L AP", "R 12", "L SB7"


@dataclass(frozen=True, slots=True)
class Picture:
    """A radiograph, 0 to 1, bright = dense, with how it was made and where metal lies on it."""

    image: Map
    exposure: physics.Exposure
    chain: Chain
    metal: Mask
    """Rings, wires, markers and letters."""
    conspicuity: Mapping[int, float]
    """Of each lesion, by its number (see `models.phantom.conspicuity`)."""


def render(film: Film, seed: int, *, held_out: bool = False, plain: bool = False) -> Picture:
    """One picture of a film.

    Args:
        film: what was exposed.
        seed: of exposure, noise, scene and processing.
        held_out: use the processing family kept for evaluation.
        plain: no marker, no veil, no collimation.
    """
    picture = _picture(film, film.maps.ha_mm, seed, held_out=held_out, plain=plain)
    if not film.lesions:
        return picture
    rest = np.where(film.lesion_ids > 0, np.float32(0), film.maps.ha_mm)
    without = _picture(film, rest, seed, held_out=held_out, plain=plain).image
    return replace(picture, conspicuity=conspicuity(picture.image, without, film.lesion_ids, film.grid.pitch_mm))


def _picture(film: Film, ha_mm: Map, seed: int, *, held_out: bool, plain: bool) -> Picture:
    """The same seed gives the same exposure, noise and scene whatever mineral there is."""
    rng = np.random.default_rng([film.seed, seed, 23])
    exposure = physics.sample_exposure(rng)
    chain = sample_chain(rng, held_out=held_out)
    maps = film.maps
    depth = physics.attenuation(maps.soft_mm, maps.bone_mm, ha_mm, maps.metal_mm, exposure.kvp)
    depth = depth + maps.veil
    metal = maps.metal.copy()
    tissue = maps.soft_mm > 1.0
    if not plain:
        depth = depth + _veil(depth.shape, film.grid.pitch_mm, rng)
        for _ in range(int(rng.choice((0, 1, 1, 1, 2)))):
            depth = _marker(depth, metal, tissue, film.grid.pitch_mm, rng)
    signal = physics.expose(depth, film.grid.pitch_mm, exposure, rng)
    if not plain:
        tilt = rng.uniform(-0.05, 0.05, 2).astype(np.float32)
        rows, columns = signal.shape
        signal = signal + tilt[0] * np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
        signal = signal + tilt[1] * np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    image = process(signal, film.grid.pitch_mm, tissue, chain)
    if not plain:
        image = _border(image, film.grid.pitch_mm, rng)
    return Picture(image.astype(np.float32), exposure, chain, metal, {})


def _veil(shape: tuple[int, ...], pitch_mm: float, rng: np.random.Generator) -> Map:
    """A plate, tape or cassette edge over the hand: straight steps of extra attenuation."""
    veil = np.zeros(shape, dtype=np.float32)
    if rng.random() > 0.25:
        return veil
    for _ in range(int(rng.integers(1, 3))):
        angle = math.radians(float(rng.normal(0, 6)) + float(rng.choice((0, 90))))
        ys = np.arange(shape[0], dtype=np.float32)[:, None] * np.float32(pitch_mm)
        xs = np.arange(shape[1], dtype=np.float32)[None, :] * np.float32(pitch_mm)
        along = xs * np.float32(math.cos(angle)) + ys * np.float32(math.sin(angle))
        start = float(rng.uniform(float(along.min()), float(along.max())))
        wide = float(rng.uniform(20, 120))
        veil += np.float32(rng.uniform(0.03, 0.3)) * ((along > start) & (along < start + wide))
    return ndimage.gaussian_filter(veil, 0.2 / pitch_mm)


def _marker(depth: Map, metal: Mask, tissue: Mask, pitch_mm: float, rng: np.random.Generator) -> Map:
    """A lead letter on a plastic plate, mostly beside the hand; sometimes a disc or a dot."""
    size_mm = float(rng.uniform(8, 18))
    height = int(size_mm / pitch_mm)
    stamp = Image.new("L", (height * 3, height * 3), 0)
    draw = ImageDraw.Draw(stamp)
    font = ImageFont.load_default(size=max(8, int(height * float(rng.uniform(0.6, 1.0)))))
    text = str(rng.choice(_LETTERS)).replace(" ", "\n")
    draw.multiline_text((height * 1.5, height * 1.5), text, fill=255, font=font, anchor="mm", align="center")
    if rng.random() < 0.15:
        draw.ellipse((height * 0.9, height * 0.9, height * 2.1, height * 2.1), outline=255, width=max(1, height // 10))
    letters = (
        np.asarray(stamp.rotate(float(rng.normal(0, 25)) + float(rng.choice((0, 0, 90, 180)))), dtype=np.float32) / 255
    )
    if rng.random() < 0.3:
        letters = letters[:, ::-1]
    plate = ndimage.maximum_filter(letters > 0.3, size=max(3, int(4 / pitch_mm)))
    rows, columns = letters.shape
    if rows >= depth.shape[0] or columns >= depth.shape[1]:
        return depth
    best, where = 2.0, (0, 0)
    for _ in range(14):
        y, x = int(rng.integers(0, depth.shape[0] - rows)), int(rng.integers(0, depth.shape[1] - columns))
        covered = float(tissue[y : y + rows, x : x + columns][plate].mean()) if plate.any() else 0.0
        if covered < best:
            best, where = covered, (y, x)
        if covered < 0.02:
            break
    y, x = where
    out = depth.copy()
    strength = float(rng.uniform(1.5, 4.0))
    out[y : y + rows, x : x + columns] += np.float32(strength) * letters
    out[y : y + rows, x : x + columns] += np.float32(rng.uniform(0.0, 0.25)) * plate
    metal[y : y + rows, x : x + columns] |= letters > 0.4
    return out


def _border(image: Map, pitch_mm: float, rng: np.random.Generator) -> Map:
    """Collimator edges (black, grey or white outside), a bright seam along them, burnt-in text."""
    rows, columns = image.shape
    if rng.random() < 0.35:
        outside = np.float32(rng.choice((0.0, 0.35, 1.0)))
        seam = rng.random() < 0.5
        turn = math.tan(math.radians(float(rng.normal(0, 1.2))))
        ys = np.arange(rows, dtype=np.float32)[:, None]
        xs = np.arange(columns, dtype=np.float32)[None, :]
        distance = np.full(image.shape, 1e6, dtype=np.float32)
        for side in range(4):
            if rng.random() < 0.7:
                inset = float(rng.uniform(0, 9)) / pitch_mm
                line = (xs + turn * ys, columns - 1 - xs - turn * ys, ys - turn * xs, rows - 1 - ys + turn * xs)[side]
                distance = np.minimum(distance, line - np.float32(inset))
        image = np.where(distance < 0, outside, image)
        if seam:
            image = np.maximum(image, np.exp(-((distance / np.float32(0.6 / pitch_mm)) ** 2)) * np.float32(0.95))
    if rng.random() < 0.15:
        stamp = Image.new("L", (columns, rows), 0)
        font = ImageFont.load_default(size=max(8, int(4 / pitch_mm)))
        place = (float(rng.uniform(0, columns * 0.7)), float(rng.choice((rows * 0.02, rows * 0.95))))
        ImageDraw.Draw(stamp).text(place, "PORT @ 9:30  60 @ 2.5", fill=255, font=font)
        image = np.maximum(image, np.asarray(stamp, dtype=np.float32) / 255)
    framed: Map = image.astype(np.float32)
    return framed
