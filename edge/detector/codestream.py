"""Reads the head of a compressed picture before a decoder sees it.

Decoders believe what a codestream says of itself. Here it can be compared with what the DICOM header says, so that no
decoder is made to allocate more, to return another shape, or to guess its way through a broken scan.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

_SOF_SEQUENTIAL_DCT: Final = frozenset({0xC0, 0xC1})
_SOF_LOSSLESS: Final = frozenset({0xC3, 0xF7})  # F7: JPEG-LS
_SOF: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_SOT, _EOC = 0x90, 0xD9


class BadCodestream(Exception):  # noqa: N818 - says what was found
    """The codestream contradicts its standard or ends early."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """What a codestream says of its picture."""

    rows: int
    columns: int
    samples: int
    precision: int


def geometry(stream: bytes) -> Geometry:
    """The shape that a JPEG, JPEG-LS or JPEG 2000 codestream states.

    Raises:
        BadCodestream: if there is none to be found, its scans can't belong to its process, or its end is missing.
    """
    if stream[:4] == b"\xff\x4f\xff\x51":
        return _jpeg2000(stream)
    if stream[:2] == b"\xff\xd8":
        return _jpeg(stream)
    raise BadCodestream("no codestream")


def _jpeg(stream: bytes) -> Geometry:
    """Walks the markers to the first scan (ITU-T T.81 annex B; T.87 annex C)."""
    found: tuple[int, Geometry] | None = None
    at = 2
    while True:
        marker, at = _marker(stream, at)
        if marker in _WITHOUT_LENGTH or marker == _SOI:
            continue
        body = _segment(stream, at)
        if marker in _SOF and len(body) >= 6:
            precision, rows, columns, samples = struct.unpack(">BHHB", body[:6])
            found = marker, Geometry(rows, columns, samples, precision)
        elif marker == _SOS:
            if found is None:
                raise BadCodestream("a scan without a frame")
            process, shape = found
            _check_scan(process, body)
            if b"\xff\xd9" not in stream[-4:]:
                raise BadCodestream("no end of image")
            return shape
        elif marker == _EOI:
            raise BadCodestream("no scan")
        at += len(body) + 2


def _check_scan(process: int, body: bytes) -> None:
    """Spectral selection and approximation as the process demands (T.81 table B.3)."""
    if len(body) < 4:
        raise BadCodestream("a scan without parameters")
    start, stop, approximation = body[-3:]
    if process in _SOF_SEQUENTIAL_DCT and (start, stop, approximation) != (0, 63, 0):
        raise BadCodestream("scan parameters of no sequential process")
    if process == 0xC3 and not (1 <= start <= 7 and stop == 0):
        raise BadCodestream("scan parameters of no lossless process")
    if process not in _SOF_SEQUENTIAL_DCT | _SOF_LOSSLESS:
        raise BadCodestream("a process that DICOM doesn't use")


def _jpeg2000(stream: bytes) -> Geometry:
    """Reads the SIZ segment (ITU-T T.800 section A.5.1) and steps through the tile-parts."""
    if len(stream) < 45:
        raise BadCodestream("ends within its size")
    _, _, x1, y1, x0, y0 = struct.unpack(">HHIIII", stream[4:24])
    samples, precision = struct.unpack(">HB", stream[40:43])
    if b"\xff\xd9" not in stream[-4:]:
        raise BadCodestream("no end of codestream")
    _walk_tiles(stream)
    return Geometry(y1 - y0, x1 - x0, samples, (precision & 0x7F) + 1)


def _walk_tiles(stream: bytes) -> None:
    """Each tile-part is as long as it says (T.800 section A.4.2): the decoder would guess its way over a gap."""
    marker, at = _marker(stream, 2)
    while marker != _SOT:
        at += len(_segment(stream, at)) + 2
        marker, at = _marker(stream, at)
    while marker == _SOT:
        body = _segment(stream, at)
        if len(body) != 8:
            raise BadCodestream("no tile-part where one must be")
        (length,) = struct.unpack(">I", body[2:6])
        if length == 0:  # the last one, to the end
            return
        if length < 14 or at - 2 + length > len(stream) - 2:
            raise BadCodestream("a tile-part ends beyond the stream")
        marker, at = _marker(stream, at - 2 + length)
    if marker != _EOC:
        raise BadCodestream("no tile-part where one must be")


def _marker(stream: bytes, at: int) -> tuple[int, int]:
    if at + 2 > len(stream) or stream[at] != 0xFF:
        raise BadCodestream("no marker where one must be")
    while at + 1 < len(stream) and stream[at + 1] == 0xFF:
        at += 1
    if at + 2 > len(stream):
        raise BadCodestream("ends within a marker")
    return stream[at + 1], at + 2


def _segment(stream: bytes, at: int) -> bytes:
    if at + 2 > len(stream):
        raise BadCodestream("ends within a segment")
    (length,) = struct.unpack(">H", stream[at : at + 2])
    if length < 2 or at + length > len(stream):
        raise BadCodestream("ends within a segment")
    return stream[at + 2 : at + length]
