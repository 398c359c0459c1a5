"""From outlines to the pixels inside them, and to the packed bits of binary frames (PS3.5 8.1.1, PS3.3 C.8.20.2).

A pixel belongs to a lesion when its centre lies inside the outline. Frames follow each other bit by bit, with no
padding between them: the first pixel is the lowest bit of the first byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.types import Point

Indices = NDArray[np.int64]


def inside(polygon: Sequence[Point], rows: int, columns: int) -> Indices:
    """The pixels inside a closed outline, as row * columns + column, sorted; even-odd rule.

    At least one: an outline that holds no pixel centre marks the pixel nearest to its middle.

    Args:
        polygon: corners in pixels, centres at whole numbers.
        rows: the frame's height.
        columns: the frame's width.
    """
    corners = np.asarray(polygon, dtype=np.float64)
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, (columns - 1, rows - 1)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), 0, (columns - 1, rows - 1)).astype(int)
    x, y = corners.T
    x_next, y_next = np.roll(x, -1), np.roll(y, -1)
    lines = np.arange(top, bottom + 1, dtype=np.float64)[:, None]
    row, edge = np.nonzero((y <= lines) != (y_next <= lines))
    share = (lines[row, 0] - y[edge]) / (y_next[edge] - y[edge])
    first = np.ceil(x[edge] + share * (x_next[edge] - x[edge])).astype(int)
    turns = np.zeros((bottom - top + 1, right - left + 2), dtype=np.uint8)
    np.add.at(turns, (row, np.clip(first - left, 0, right - left + 1)), 1)
    within = np.cumsum(turns, axis=1, dtype=np.uint8)[:, :-1] & 1
    found_y, found_x = np.nonzero(within)
    if not len(found_y):
        middle = np.clip(np.rint(corners.mean(axis=0)), 0, (columns - 1, rows - 1)).astype(int)
        return np.asarray([middle[1] * columns + middle[0]], dtype=np.int64)
    return np.asarray((found_y + top) * columns + found_x + left, dtype=np.int64)


def packed(frames: Iterable[Indices], pixels: int) -> bytes:
    """Binary frames of `pixels` pixels each, one after the other, padded to an even number of bytes."""
    positions = [indices + number * pixels for number, indices in enumerate(frames)]
    size = (len(positions) * pixels + 7) // 8
    bits = np.zeros(size + size % 2, dtype=np.uint8)
    every = np.concatenate(positions)
    np.bitwise_or.at(bits, every >> 3, np.left_shift(1, every & 7).astype(np.uint8))
    return bits.tobytes()


def unpacked(content: bytes, frames: int, pixels: int) -> list[Indices]:
    """What `packed` packed, found by looking at the bytes that are not zero.

    Raises:
        ValueError: if the length is not that of so many frames.
    """
    size = (frames * pixels + 7) // 8
    if len(content) != size + size % 2:
        raise ValueError("not as many bytes as the frames need")
    octets = np.frombuffer(content, dtype=np.uint8)
    marked = np.flatnonzero(octets)
    bits = np.unpackbits(octets[marked][:, None], axis=1, bitorder="little")
    byte, bit = np.nonzero(bits)
    every = marked[byte] * 8 + bit
    cuts = np.searchsorted(every, [number * pixels for number in range(1, frames)])
    return [part - number * pixels for number, part in enumerate(np.split(every, cuts))]
