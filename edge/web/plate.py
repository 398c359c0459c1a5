"""A film as the viewer gets it: 16 bits a pixel, dense is bright, and the window that the unit asked for. Pure.

What always holds: the values are the unit's own after the modality transformation, stretched to 16 bits by one straight
line: nothing is clipped, so that the viewer's window can show what the sent one hides. Raw images (FOR PROCESSING) have
no such values to show and come as the attenuation that the detector sees.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from edge.detector import greyscale, pixels
from edge.detector.decode import stored

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset

    from edge.detector.decode import Stored

HIGHEST: Final = 65535
_HEAD: Final = struct.Struct("<5I")
RAW: Final = 0
DELTA: Final = 1
"""Each row as differences to the left neighbour, modulo 65536, the high bytes of all before the low bytes of all."""
_SAMPLES: Final = 200_000
_INSIDE: Final = (0.02, 0.98)


@dataclass(frozen=True, slots=True)
class Plate:
    """`grey`: uint16 [rows, columns]; the window as sent shows `low` as black and `high` as white."""

    grey: NDArray[np.uint16]
    low: int
    high: int


def develop(dataset: Dataset) -> Plate:
    """The plate of a data set with its pixels.

    Raises:
        Refused: as `edge.detector.pixels.film` does.
    """
    film = pixels.film(dataset)
    if film.presentation:
        found = stored(dataset)
        if found.codes.ndim == 2:
            values = greyscale.modality(dataset, found.values.astype(np.float64), signed=found.signed)
            return _stretched(found, values, film.image)
    return Plate(np.rint(film.image * HIGHEST).astype(np.uint16), 0, HIGHEST)


def _stretched(found: Stored, values: greyscale.Values, shown: NDArray[np.float32]) -> Plate:
    codes = found.codes
    used = values[np.unique(codes)] if found.signed else values[int(codes.min()) : int(codes.max()) + 1]
    lowest, highest = float(used.min()), float(used.max())
    span = (highest - lowest) or 1.0
    table = np.clip((values - lowest) / span, 0.0, 1.0) * HIGHEST
    step = max(1, int((codes.size / _SAMPLES) ** 0.5))
    level, bright = table[codes[::step, ::step]].ravel(), shown[::step, ::step].ravel()
    inside = (bright > _INSIDE[0]) & (bright < _INSIDE[1])
    slope, offset = np.polyfit(level[inside], bright[inside], 1) if inside.sum() > 1 else (1.0 / HIGHEST, 0.0)
    if slope < 0:  # MONOCHROME1 and its kin: dense is dark in the values
        table, offset, slope = HIGHEST - table, offset + slope * HIGHEST, -slope
    low, high = -offset / slope if slope else 0.0, (1.0 - offset) / slope if slope else HIGHEST
    low = float(np.clip(low, -HIGHEST, HIGHEST - 1))
    grey = np.take(np.rint(table).astype(np.uint16), codes)
    return Plate(grey, round(max(0.0, low)), round(float(np.clip(high, low + 1, 2 * HIGHEST))))


def packed(plate: Plate, *, small: bool) -> bytes:
    """The plate as bytes: rows, columns, low, high, coding (five uint32, little-endian), then the pixels.

    `small` for a network: coded by differences, to be compressed with zlib by `squeezed`.
    """
    rows, columns = plate.grey.shape
    head = _HEAD.pack(rows, columns, plate.low, plate.high, DELTA if small else RAW)
    if not small:
        return head + plate.grey.astype("<u2").tobytes()
    steps = np.diff(plate.grey, axis=1, prepend=np.uint16(0))
    return head + (steps >> 8).astype(np.uint8).tobytes() + (steps & 0xFF).astype(np.uint8).tobytes()


def squeezed(body: bytes) -> bytes:
    """Bytes compressed as HTTP's `gzip` (RFC 9110 section 8.4.1.3), quickly."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    return compressor.compress(body) + compressor.flush()
