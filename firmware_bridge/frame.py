"""Bytes to frames and back: COBS, a ten-byte header and CRC-32.

    wire   = COBS(header | payload | crc) 00           a second 00 in front flushes noise after a pause
    header = version u8 = 1 | type u8 | flags u8 | reserved u8 = 0 | session u16 | seq u32      little-endian
    crc    = CRC-32/ISO-HDLC of header and payload, little-endian                   (zlib.crc32)

What always holds:

- `Decoder.feed` never raises, whatever the bytes, and holds at most `MAX_ENCODED` bytes between calls.
- The frames and counts don't depend on how the bytes were cut into chunks.
- Every good frame that follows a clean 00 is delivered: damage costs no more than the frames it touches.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag
from typing import Final, NamedTuple
from zlib import crc32

from cobs import cobs

VERSION: Final = 1
MAX_PAYLOAD: Final = 320
"""Bytes. A whole frame stays under 371 bytes, up to which CRC-32 finds every pattern of up to 4 wrong bits."""
MAX_ENCODED: Final = 1024
"""Bytes without a delimiter that can't be a frame of this or any later version."""
DELIMITER: Final = b"\0"

_HEADER: Final = struct.Struct("<BBBBHI")
_CRC: Final = struct.Struct("<I")
_OVERHEAD: Final = _HEADER.size + _CRC.size
_FIELDS_BY_SIZE: Final = {
    _OVERHEAD + size: struct.Struct(f"<xBBxHI{size}s4x").unpack for size in range(MAX_PAYLOAD + 1)
}
"""Takes type, flags, session, seq and payload out of a whole body in one call; a size that is not here is no frame."""
_CRC_RESIDUE: Final = 0x2144DF1C
"""CRC-32 of anything followed by its own CRC-32: one pass checks a frame without cutting it."""


class FrameFlag(IntFlag):
    """The third byte of the header."""

    ACK_WANTED = 1
    REPLAY = 2


class Frame(NamedTuple):
    """One frame. `session` is the low 16 bits of the unit's boot id; `seq` counts within session and class."""

    type: int
    flags: int
    session: int
    seq: int
    payload: bytes


@dataclass(slots=True)
class FrameCounters:
    """What the decoder has seen. Each candidate between two delimiters counts once."""

    good: int = 0
    bad_cobs: int = 0
    bad_crc: int = 0
    bad_header: int = 0
    overlong: int = 0


def encode(frame: Frame, *, flush: bool = False) -> bytes:
    """The bytes on the wire, delimiter included; `flush` puts a delimiter in front, for the first after a pause.

    Raises:
        ValueError: if the payload is too long or a header field doesn't fit.
    """
    if len(frame.payload) > MAX_PAYLOAD:
        raise ValueError(f"{len(frame.payload)} bytes of payload; {MAX_PAYLOAD} is the limit")
    try:
        body = _HEADER.pack(VERSION, frame.type, frame.flags, 0, frame.session, frame.seq) + frame.payload
    except struct.error as error:
        raise ValueError(f"header: {error}") from None
    wire: bytes = cobs.encode(body + _CRC.pack(crc32(body))) + DELIMITER
    return DELIMITER + wire if flush else wire


class Decoder:
    """Finds the frames in a stream of bytes."""

    def __init__(self) -> None:
        self.counters = FrameCounters()
        self._pending = b""
        self._discarding = False

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes, in order."""
        candidates = (self._pending + data).split(DELIMITER)
        self._pending = candidates.pop()
        if self._discarding and candidates:
            candidates[0] = b""  # the tail of something overlong, already counted
            self._discarding = False
        frames = self._decode_all(candidates)
        if len(self._pending) > MAX_ENCODED:
            self.counters.overlong += not self._discarding
            self._discarding = True
        if self._discarding:
            self._pending = b""
        return frames

    def reset(self) -> None:
        """Forgets a half-received frame: the port was closed in between. Counters stay."""
        self._pending = b""
        self._discarding = False

    def _decode_all(self, candidates: list[bytes]) -> list[Frame]:
        # The inner loop of the link: names are bound locally, the good path makes one call per layer, and
        # tuple.__new__ makes a Frame at half the price of its constructor.
        frames: list[Frame] = []
        keep, unstuff, fields_of, new = frames.append, cobs.decode, _FIELDS_BY_SIZE.get, tuple.__new__
        for candidate in candidates:
            if not candidate:
                continue
            if len(candidate) > MAX_ENCODED:
                self.counters.overlong += 1
                continue
            try:
                body = unstuff(candidate)
            except cobs.DecodeError:
                self.counters.bad_cobs += 1
                continue
            if crc32(body) != _CRC_RESIDUE:
                self.counters.bad_crc += 1
                continue
            fields = fields_of(len(body))
            if fields is None or body[0] != VERSION or body[3]:
                self.counters.bad_header += 1
                continue
            keep(new(Frame, fields(body)))
        self.counters.good += len(frames)
        return frames
