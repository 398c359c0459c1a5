"""The serial link: how fast frames are taken out of a stream, beside MIN's reference decoder in the same run.

MIN (Microcontroller Interconnect Network 2.0) is the protocol nearest to ours. Its reference decoder for hosts is
`host/min.py` of github.com/min-protocol/min, MIT licence, which is on no package index: put a checkout into
var/peers/min, or point MIN_HOST to the folder of its `min.py`. It is measured, not copied; without it the figure does
not hold.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from firmware_bridge.frame import Decoder, Frame, encode
from tests.bench.figure import Figure, at_least, plain

_FRAMES = 300_000
_PEER_FRAMES = 5_000
_CHUNK = 512
_ROUNDS = 5
_ASKED = 1.5
_TIMES_THE_PEER = 50
_PEER = Path("var/peers/min/host")
_ABSENT = (
    "NOT MEASURED, since MIN's host/min.py is not here. To get it: "
    "git clone https://github.com/min-protocol/min var/peers/min - or set MIN_HOST to the folder of its min.py"
)


def decode(folder: Path) -> Iterator[Figure]:
    """Frames with payloads of 24 and 120 bytes, fed 512 bytes at a time, in processor time."""
    del folder
    how = f"{_FRAMES} frames in chunks of {_CHUNK} bytes, best of {_ROUNDS}, processor time of one core"
    ours = _millions_per_s(24)
    yield at_least("streaming decode, 24-byte payload", ours, "million frames/s", _ASKED, how)
    yield plain("streaming decode, 120-byte payload", _millions_per_s(120), "million frames/s", how)
    where = Path(os.environ.get("MIN_HOST", _PEER)) / "min.py"
    if not where.is_file():
        bound = f">= {_TIMES_THE_PEER}"
        yield Figure("streaming decode, ours / MIN's", 0.0, "x", bound, holds=False, how=_ABSENT)
        return
    theirs = _peer_millions_per_s(where, 24)
    how = f"{_PEER_FRAMES} frames of 24 bytes through MIN's host/min.py, same chunks, same run"
    yield plain("streaming decode, MIN's reference decoder", theirs, "million frames/s", how)
    yield at_least("streaming decode, ours / MIN's", ours / theirs, "x", _TIMES_THE_PEER, how)


def _millions_per_s(size: int) -> float:
    one = b"".join(encode(Frame(0x11, 0, 7, seq, bytes(range(size)))) for seq in range(1000))
    return _FRAMES / min(_once(one * (_FRAMES // 1000)) for _ in range(_ROUNDS)) / 1e6


def _once(stream: bytes) -> float:
    decoder = Decoder()
    return _timed(stream, _FRAMES, lambda chunk: len(decoder.feed(chunk)))


def _peer_millions_per_s(where: Path, size: int) -> float:
    return _PEER_FRAMES / min(_peer_once(_peer(where), size) for _ in range(_ROUNDS)) / 1e6


def _peer_once(transport_type: Any, size: int) -> float:
    """MIN's transport between a list of chunks and a list of what it answers (nothing: these frames want no ack)."""
    sent: list[bytes] = []
    arriving: list[bytes] = []

    class InMemory(transport_type):  # type: ignore[misc]
        def _now_ms(self) -> int:
            return int(time.monotonic() * 1000)

        def _serial_write(self, data: bytes) -> None:
            sent.append(data)

        def _serial_any(self) -> bool:
            return bool(arriving)

        def _serial_read_all(self) -> bytes:
            return arriving.pop() if arriving else b""

    transport = InMemory()
    for _ in range(_PEER_FRAMES):
        transport.send_frame(0x11, bytes(range(size)))
    stream = b"".join(sent)

    def poll(chunk: bytes) -> int:
        arriving.append(chunk)
        return len(transport.poll())

    return _timed(stream, _PEER_FRAMES, poll)


def _peer(where: Path) -> Any:
    spec = importlib.util.spec_from_file_location("min_reference", where)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MINTransport


def _timed(stream: bytes, frames: int, feed: Callable[[bytes], int]) -> float:
    start_s = time.process_time()
    count = sum(feed(stream[at : at + _CHUNK]) for at in range(0, len(stream), _CHUNK))
    took_s = time.process_time() - start_s
    assert count == frames
    return took_s
