"""Makes a hostile input of a sound one. The same seed and number give the same bytes.

Half of the changes know nothing (bits, lengths, cuts, splices); the other half know where the format is weak: numbers
at their bounds, words that mean something elsewhere, nesting, very long values.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from typing import Final

Change = Callable[[bytearray, random.Random], None]

MOST_BYTES: Final = 1 << 20
_EDGES: Final = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_WORDS: Final = (
    b"../../../../etc/passwd", b"%00", b"%2e%2e%2f", b"'; DROP TABLE images;--", b"{{7*7}}", b"${7*7}", b"<script>",
    b"\xff\xfe", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\x1b$B", b"\x1b(J", b"\x00", b"\r\n\r\n", b"-1", b"1e999",
    b"NaN", b"Infinity", b"0x10", b"9" * 400, b"1" * 5000, b"\xe2\x80\xae", b"=cmd|' /C calc'!A0", b"\\\\?\\", b"true",
    b"null", b'"', b"[" * 3000, b'{"a":' * 3000, b"A" * 70_000, b"*", b"\xc2\xb2", b"\xd9\xa3",
)  # fmt: skip


def mutated(
    seeds: Sequence[bytes], seed: int, number: int, changes: Sequence[Change] = (), knowing: float = 0.5
) -> bytes:
    """Input `number`: one of the seeds, changed a few times. Every fiftieth is left as it is.

    `knowing`: the share of changes that know the format.
    """
    rng = random.Random(f"{seed}:{number}")
    data = bytearray(seeds[number % len(seeds)])
    if rng.random() < 0.02:
        return bytes(data)
    for _ in range(1 + min(7, int(rng.expovariate(0.6)))):
        own = changes and rng.random() < knowing
        (rng.choice(changes) if own else rng.choice(BLIND))(data, rng)
        if rng.random() < 0.03:
            _splice(data, rng, rng.choice(seeds))
    return bytes(data[:MOST_BYTES])


def _at(data: bytearray, rng: random.Random) -> int:
    """A place, more often near the beginning, where headers are."""
    if not data:
        return 0
    return min(len(data) - 1, int(rng.betavariate(1, rng.choice((1, 4, 12))) * len(data)))


def _flip(data: bytearray, rng: random.Random) -> None:
    if data:
        data[_at(data, rng)] ^= 1 << rng.randrange(8)


def _set(data: bytearray, rng: random.Random) -> None:
    if data:
        data[_at(data, rng)] = rng.randrange(256)


def _edge(data: bytearray, rng: random.Random) -> None:
    form = rng.choice(("B", "<H", ">H", "<I", ">I"))
    value = rng.choice(_EDGES) & ((1 << 8 * struct.calcsize(form)) - 1)
    at = _at(data, rng)
    data[at : at + struct.calcsize(form)] = struct.pack(form, value)


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[_at(data, rng) :]


def _remove(data: bytearray, rng: random.Random) -> None:
    at = _at(data, rng)
    del data[at : at + rng.randrange(1, 64)]


def _repeat(data: bytearray, rng: random.Random) -> None:
    at = _at(data, rng)
    data[at:at] = data[at : at + rng.randrange(1, 256)] * rng.choice((1, 2, 8, 100))


def _noise(data: bytearray, rng: random.Random) -> None:
    at = _at(data, rng)
    data[at:at] = rng.randbytes(rng.randrange(1, 32))


def _word(data: bytearray, rng: random.Random) -> None:
    at = _at(data, rng)
    word = rng.choice(_WORDS)
    data[at : at + rng.choice((0, len(word)))] = word


def _swap(data: bytearray, rng: random.Random) -> None:
    first, second, size = _at(data, rng), _at(data, rng), rng.randrange(1, 32)
    one, other = data[first : first + size], data[second : second + size]
    if first + size <= second and len(one) == len(other):
        data[first : first + size], data[second : second + size] = other, one


def _splice(data: bytearray, rng: random.Random, other: bytes) -> None:
    start = rng.randrange(len(other) or 1)
    at = _at(data, rng)
    data[at:] = other[start:]


BLIND: Final[tuple[Change, ...]] = (_flip, _flip, _set, _edge, _edge, _cut, _remove, _repeat, _noise, _word, _swap)
