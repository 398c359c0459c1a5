"""From detector signal to the picture a hospital stores: many makers' processing, drawn at random.

A chain takes -ln of the signal (bright = dense) and gives 0 to 1. Held-out chains (`family` "film") are used in
evaluation only: training never sees them.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from models.phantom.raster import Map

Family = Literal["linear", "musica", "film"]


@dataclass(frozen=True, slots=True)
class Chain:
    """One image processing, fully told."""

    family: Family
    edge_gain: tuple[float, float, float]
    """Gain of the bands of 0.35, 1 and 3 mm."""
    compression: float
    """Part of an 8 mm low-pass that is taken away."""
    smoothing_mm: float
    native_mm: float
    """Pitch at which the image was stored before it came to ours: loses detail when coarse."""
    gamma: float
    toe: float
    """Steepness of the sigmoid, 0 for none."""
    window: tuple[float, float]
    """Percentiles of the object that become black and white."""
    bits: int
    jpeg_quality: int | None
    background: float
    """How much of the open field's grey is kept above black."""


def sample_chain(rng: np.random.Generator, *, held_out: bool = False) -> Chain:
    """A chain of the training families, or of the one held out for evaluation."""
    family: Family = "film" if held_out else ("musica" if rng.random() < 0.6 else "linear")
    strong = family == "musica"
    gains = rng.uniform(0, [1.3, 1.0, 0.8]) if strong else rng.uniform(0, [0.5, 0.3, 0.1])
    return Chain(
        family=family,
        edge_gain=(float(gains[0]), float(gains[1]), float(gains[2])),
        compression=float(rng.uniform(0.1, 0.6)) if strong else float(rng.uniform(0, 0.15)),
        smoothing_mm=float(rng.uniform(0, 0.18)),
        native_mm=float(rng.choice((0.1, 0.15, 0.2, 0.25, 0.3, 0.33))),
        gamma=float(np.exp(rng.normal(0, 0.28))),
        toe=float(rng.uniform(2, 6)) if rng.random() < 0.5 or family == "film" else 0.0,
        window=(float(rng.uniform(0.0, 3.0)), float(rng.uniform(99.3, 100.0))),
        bits=int(rng.choice((8, 8, 10, 12))),
        jpeg_quality=int(rng.integers(60, 96)) if rng.random() < 0.25 else None,
        background=float(rng.choice((0.0, 0.0, 0.0, rng.uniform(0, 0.25)))),
    )


def process(depth: Map, pitch_mm: float, tissue: NDArray[np.bool_], chain: Chain) -> Map:
    """The stored picture, 0 to 1, of -ln of the signal. `tissue` is where the hand is: it sets the window."""
    image = depth
    if chain.native_mm > pitch_mm * 1.2:
        image = _coarse(image, pitch_mm / chain.native_mm)
    if chain.smoothing_mm > 0.03:
        image = ndimage.gaussian_filter(image, chain.smoothing_mm / pitch_mm)
    if chain.family == "film":
        image = _film(image, pitch_mm)
    low = ndimage.gaussian_filter(image[::4, ::4], 8.0 / (4 * pitch_mm))
    low = ndimage.zoom(low, (image.shape[0] / low.shape[0], image.shape[1] / low.shape[1]), order=1)
    out = image - np.float32(chain.compression) * low[: image.shape[0], : image.shape[1]]
    for gain, sigma in zip(chain.edge_gain, (0.35, 1.0, 3.0), strict=True):
        if gain > 0.05:
            band = image - ndimage.gaussian_filter(image, sigma / pitch_mm, truncate=3)
            out = out + np.float32(gain) * np.float32(0.12) * np.tanh(band / np.float32(0.12))
    return _tone(out, tissue, chain)


def _tone(image: Map, tissue: NDArray[np.bool_], chain: Chain) -> Map:
    chosen = image[tissue] if tissue.any() else image.ravel()
    low, high = (float(v) for v in np.percentile(chosen[::7], chain.window))
    air = float(np.median(image[~tissue][::7])) if (~tissue).any() else low
    low = air + (low - air) * (0.75 - chain.background)
    level = np.clip((image - np.float32(low)) / np.float32(max(high - low, 1e-4)), 0, 1)
    if chain.toe:
        k = np.float32(chain.toe)
        level = 1 / (1 + np.exp(-k * (level - np.float32(0.5))))
        level = (level - 1 / (1 + np.exp(k / 2))) / np.float32(1 - 2 / (1 + np.exp(float(k) / 2)))
    level = np.clip(level, 0, 1) ** np.float32(chain.gamma)
    if chain.jpeg_quality is not None:
        return _jpeg(level, chain.jpeg_quality)
    steps = np.float32(2**chain.bits - 1)
    stored: Map = (np.round(level * steps) / steps).astype(np.float32)
    return stored


def _coarse(image: Map, factor: float) -> Map:
    """Stored at a coarser pitch and brought back by linear interpolation, as a small image file is."""
    blurred = ndimage.gaussian_filter(image, 0.35 / factor)
    small = ndimage.zoom(blurred, factor, order=1)
    back: Map = ndimage.zoom(small, (image.shape[0] / small.shape[0], image.shape[1] / small.shape[1]), order=1)
    return back[: image.shape[0], : image.shape[1]]


def _film(image: Map, pitch_mm: float) -> Map:
    """A digitised film: screen unsharpness, grain and the film's own curve."""
    soft = ndimage.gaussian_filter(image, 0.12 / pitch_mm)
    curve: Map = (1 - np.exp(-np.float32(1.1) * soft)).astype(np.float32)
    return curve


def _jpeg(level: Map, quality: int) -> Map:
    buffer = io.BytesIO()
    Image.fromarray((level * 255).round().astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer), dtype=np.float32) / np.float32(255)
