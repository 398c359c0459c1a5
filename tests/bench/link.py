"""The serial link: how fast frames are taken out of a stream."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from firmware_bridge.frame import Decoder, Frame, encode
from tests.bench.figure import Figure, plain

_FRAMES = 300_000
_CHUNK = 512


def decode(folder: Path) -> Iterator[Figure]:
    """Frames with payloads of 24 and 120 bytes, fed 512 bytes at a time, in processor time."""
    del folder
    for size in (24, 120):
        one = b"".join(encode(Frame(0x11, 0, 7, seq, bytes(range(size)))) for seq in range(1000))
        stream = one * (_FRAMES // 1000)
        best_s = min(_once(stream) for _ in range(3))
        how = f"{_FRAMES} frames in chunks of {_CHUNK} bytes, best of 3, processor time"
        yield plain(f"streaming decode, {size}-byte payload", _FRAMES / best_s / 1e6, "million frames/s", how)


def _once(stream: bytes) -> float:
    decoder = Decoder()
    start_s = time.process_time()
    count = sum(len(decoder.feed(stream[at : at + _CHUNK])) for at in range(0, len(stream), _CHUNK))
    took_s = time.process_time() - start_s
    assert count == _FRAMES
    return took_s
