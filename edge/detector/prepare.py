"""What the networks see: one way from a film to their input, shared by training and the appliance.

What always holds:

- Images are float32 [rows, columns], bright = dense. Pixel centres lie at whole numbers, x = column, y = row.
- Shrinking averages areas (no sample is skipped, no noise folded in); enlarging interpolates linearly.
- Every change of size comes back as a `Mapping`, so a point found in a network's grid returns to the film.
- The same input gives the same bytes: no randomness, no clock, no threads of its own.

    film --resize--> small --normalise--> about [0, 1] --pad--> sides that are whole multiples
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

LOW_PERCENTILE: Final = 1.0
HIGH_PERCENTILE: Final = 99.5
CLIP: Final = (-0.25, 1.5)
"""Values kept beyond the percentiles: lesions and metal are brighter than nearly all of a hand."""
_SAMPLES_ABOUT: Final = 400_000


@dataclass(frozen=True, slots=True)
class Mapping:
    """From a source image to an image made from it: `scale` in pixels per source pixel, then shifted by (dx, dy)."""

    scale: float
    dx: float = 0.0
    dy: float = 0.0

    def forward(self, x: float, y: float) -> tuple[float, float]:
        """Where the source's (x, y) lies in the made image."""
        return (x + 0.5) * self.scale - 0.5 + self.dx, (y + 0.5) * self.scale - 0.5 + self.dy

    def backward(self, x: float, y: float) -> tuple[float, float]:
        """Where the made image's (x, y) lies in the source."""
        return (x - self.dx + 0.5) / self.scale - 0.5, (y - self.dy + 0.5) / self.scale - 0.5


class Letterboxed(NamedTuple):
    """An image fitted into a frame. `offset` is (dx, dy): where the image's first pixel lies in the frame."""

    image: Image
    scale: float
    offset: tuple[int, int]

    @property
    def mapping(self) -> Mapping:
        """From the source image to the frame."""
        return Mapping(self.scale, *self.offset)


def grid_to_image(x: float, y: float, stride: int = 2) -> tuple[float, float]:
    """From a network's output grid to its input pixels: cell j covers input pixels j*stride to j*stride+stride-1."""
    return (x + 0.5) * stride - 0.5, (y + 0.5) * stride - 0.5


def image_to_grid(x: float, y: float, stride: int = 2) -> tuple[float, float]:
    """From a network's input pixels to its output grid."""
    return (x + 0.5) / stride - 0.5, (y + 0.5) / stride - 0.5


def resize(image: Image, scale: float) -> Image:
    """The image at `scale` pixels per source pixel: area-averaged when smaller, linear when larger.

    Args:
        image: float32 [rows, columns].
        scale: more than 0. The new sides are the rounded old ones times `scale`, at least 1.

    Returns:
        float32, C-contiguous. `Mapping(scale)` tells where source points went.
    """
    if scale <= 0 or not math.isfinite(scale):
        raise ValueError(f"a scale is more than 0, not {scale}")
    if scale == 1.0:
        return np.ascontiguousarray(image, dtype=np.float32)
    rows, columns = (max(1, round(side * scale)) for side in image.shape)
    tall = _weights(image.shape[0], rows, scale) @ np.asarray(image, dtype=np.float32)
    wide = _weights(image.shape[1], columns, scale) @ np.ascontiguousarray(tall.T)
    return np.ascontiguousarray(wide.T, dtype=np.float32)


def resample(image: Image, mm_per_pixel: float, target_mm: float) -> Image:
    """The image at `target_mm` per pixel. `Mapping(mm_per_pixel / target_mm)` tells where points went."""
    return resize(image, mm_per_pixel / target_mm)


def normalise(
    image: Image,
    mask: Mask | None = None,
    *,
    low_percentile: float = LOW_PERCENTILE,
    high_percentile: float = HIGH_PERCENTILE,
) -> Image:
    """Grey values on a common footing: the two percentiles become 0 and 1, the rest is clipped to `CLIP`.

    Args:
        image: float32 [rows, columns], bright = dense, any range.
        mask: which pixels speak (the hand). Without one, all pixels that are not at the very ends of the image's range:
            those are padding, clipped background or burnt-in text.
        low_percentile: what becomes 0.
        high_percentile: what becomes 1.

    Returns:
        float32 of the same shape; all 0 for an image without contrast.
    """
    step = max(1, math.isqrt(max(1, image.size // _SAMPLES_ABOUT)))
    sample = image[::step, ::step]
    if mask is not None:
        chosen = sample[mask[::step, ::step]]
    else:
        lowest, highest = float(sample.min()), float(sample.max())
        edge = 1e-4 * (highest - lowest)
        chosen = sample[(sample > lowest + edge) & (sample < highest - edge)]
    if chosen.size < 16:
        chosen = sample.reshape(-1)
    low, high = (float(v) for v in np.percentile(chosen, [low_percentile, high_percentile]))
    if high - low < 1e-6:
        return np.zeros(image.shape, dtype=np.float32)
    out = (image - np.float32(low)) * np.float32(1.0 / (high - low))
    return np.clip(out, *CLIP, out=out).astype(np.float32, copy=False)


def pad(image: Image, multiple: int, *, fill: float = 0.0) -> tuple[Image, tuple[int, int]]:
    """The image in the middle of a frame whose sides are whole multiples, and its offset (dx, dy) in it."""
    rows, columns = (math.ceil(side / multiple) * multiple for side in image.shape)
    dy, dx = (rows - image.shape[0]) // 2, (columns - image.shape[1]) // 2
    frame = np.full((rows, columns), fill, dtype=np.float32)
    frame[dy : dy + image.shape[0], dx : dx + image.shape[1]] = image
    return frame, (dx, dy)


def letterbox(image: Image, long_side: int, multiple: int, *, fill: float = 0.0) -> Letterboxed:
    """The image with its longer side `long_side` pixels, in a frame whose sides are whole multiples of `multiple`."""
    scale = long_side / max(image.shape)
    frame, offset = pad(resize(image, scale), multiple, fill=fill)
    return Letterboxed(frame, scale, offset)


def anatomy_input(image: Image, long_side: int, multiple: int) -> Letterboxed:
    """What the anatomy network sees of a film or of the crop of one hand; needs no pixel spacing."""
    scale = long_side / max(image.shape)
    frame, offset = pad(normalise(resize(image, scale)), multiple)
    return Letterboxed(frame, scale, offset)


def lesion_input(image: Image, mm_per_pixel: float, hand: Mask | None, target_mm: float, multiple: int) -> Letterboxed:
    """What the lesion network sees of the crop of one hand.

    Args:
        image: float32 [rows, columns], the crop, at `mm_per_pixel`.
        mm_per_pixel: of the crop.
        hand: bool, the crop's size: where the hand is (regions other than background). It sets the grey scale.
        target_mm: the network's pitch.
        multiple: of the frame's sides.
    """
    scale = mm_per_pixel / target_mm
    small = resize(image, scale)
    small_hand = None if hand is None else resize(hand.astype(np.float32), scale) > 0.5
    frame, offset = pad(normalise(small, small_hand), multiple)
    return Letterboxed(frame, scale, offset)


def _weights(count_in: int, count_out: int, scale: float) -> sparse.csr_array:
    """The matrix [count_out, count_in] that resizes one axis; each row sums to 1."""
    index = np.arange(count_out)
    if scale < 1:
        start, stop = index / scale, np.minimum((index + 1) / scale, count_in)
        first = np.minimum(start.astype(np.int64), count_in - 1)
        span = int(np.ceil(1 / scale)) + 1
        columns = first[:, None] + np.arange(span)[None, :]
        values = np.minimum(columns + 1, stop[:, None]) - np.maximum(columns, start[:, None])
        values = np.clip(values, 0, None)
    else:
        centre = np.clip((index + 0.5) / scale - 0.5, 0, count_in - 1)
        first = np.minimum(centre.astype(np.int64), max(count_in - 2, 0))
        columns = first[:, None] + np.arange(2)[None, :]
        part = centre - first
        values = np.stack([1 - part, part], axis=1)
    values[columns >= count_in] = 0
    values = values / values.sum(axis=1, keepdims=True)
    rows = np.repeat(index, columns.shape[1])
    columns = np.minimum(columns, count_in - 1)
    matrix = sparse.coo_array((values.astype(np.float32).ravel(), (rows, columns.ravel())), shape=(count_out, count_in))
    return sparse.csr_array(matrix)
