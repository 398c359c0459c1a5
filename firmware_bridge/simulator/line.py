"""The cable between unit and host: carries bytes both ways and spoils what it is told to spoil.

Rules without I/O: frames go in with the time, bytes come out when they are due. All randomness is the owner's, so that
a seed repeats it.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Final

from firmware_bridge.simulator.faults import (
    Corrupt,
    Direction,
    Drop,
    Duplicate,
    LineFault,
    Partial,
    Silence,
    Slow,
    WrongBaud,
)

_NS: Final = 1_000_000_000


class Line:
    """One cable.

    Args:
        rng: of everything random.
        baud: the speed that the unit means to speak at.
        paced: bytes to the host take the time that they take at that speed, not just what faults make them take.
    """

    def __init__(self, rng: random.Random, baud: int = 115_200, *, paced: bool = False) -> None:
        self._rng = rng
        self._baud = baud
        self._paced = paced
        self._armed: dict[Direction, deque[Drop | Corrupt | Duplicate | Partial]] = {
            "to-host": deque(),
            "to-unit": deque(),
        }
        self._silent_until_ns = self._slow_until_ns = self._other_baud_until_ns = 0
        self._slow = Slow()
        self._other_baud = baud
        self._under_way: dict[Direction, deque[tuple[int, bytes]]] = {"to-host": deque(), "to-unit": deque()}
        self._free_ns = 0

    def arm(self, fault: LineFault, now_ns: int) -> None:
        """From now on."""
        match fault:
            case Drop() | Corrupt() | Duplicate() | Partial():
                self._armed[fault.direction] += [fault] * fault.frames
            case Silence(s=s):
                self._silent_until_ns = now_ns + round(s * _NS)
            case Slow(s=s):
                self._slow, self._slow_until_ns = fault, now_ns + round(s * _NS)
            case WrongBaud(s=s, baud=baud):
                self._other_baud, self._other_baud_until_ns = baud, now_ns + round(s * _NS)

    def garbage(self, size: int) -> bytes:
        """Noise."""
        return self._rng.randbytes(size)

    def carry(self, frames: list[bytes], direction: Direction, now_ns: int, *, host_baud: int = 0) -> bytes:
        """Takes frames in; what comes out at the other end now. `host_baud`: the speed the host set, 0 if unknown."""
        under_way = self._under_way[direction]
        if now_ns < self._silent_until_ns:
            under_way.clear()
            return b""
        unit_baud = self._other_baud if now_ns < self._other_baud_until_ns else self._baud
        for frame in frames:
            for delay_ns, piece in self._spoil(frame, direction):
                heard = self._misheard(piece, direction, unit_baud, host_baud or self._baud)
                due_ns = self._due(len(heard), direction, now_ns) + delay_ns
                under_way.append((max(due_ns, under_way[-1][0]) if under_way else due_ns, heard))
        out = []
        while under_way and under_way[0][0] <= now_ns:
            out.append(under_way.popleft()[1])
        return b"".join(out)

    def next_due_ns(self) -> int | None:
        """When bytes under way arrive next, None when there are none."""
        return min((queue[0][0] for queue in self._under_way.values() if queue), default=None)

    def cut(self) -> None:
        """The cable is pulled: what was under way is lost."""
        for queue in self._under_way.values():
            queue.clear()

    def _spoil(self, frame: bytes, direction: Direction) -> list[tuple[int, bytes]]:
        """The pieces in which a frame arrives, each with its delay."""
        armed = self._armed[direction]
        match armed.popleft() if armed else None:
            case Drop():
                return []
            case Corrupt():
                spoilt = bytearray(frame)
                spoilt[self._rng.randrange(len(spoilt))] ^= 1 << self._rng.randrange(8)
                return [(0, bytes(spoilt))]
            case Duplicate():
                return [(0, frame), (0, frame)]
            case Partial(rest_s=rest_s):
                at = self._rng.randrange(len(frame))
                rest = [(round(rest_s * _NS), frame[at:])] if rest_s else []
                return [(0, frame[:at]), *rest]
        return [(0, frame)]

    def _due(self, size: int, direction: Direction, now_ns: int) -> int:
        if direction == "to-unit":
            return now_ns
        held_ns, bytes_per_s = 0, self._baud / 10
        if now_ns < self._slow_until_ns:
            held_ns, bytes_per_s = round(self._slow.hold_ms * 1e6), self._slow.bytes_per_s
        elif not self._paced:
            return now_ns
        begun_ns = max(now_ns, self._free_ns)
        self._free_ns = begun_ns + round(size / bytes_per_s * _NS)
        return self._free_ns + held_ns

    def _misheard(self, data: bytes, direction: Direction, unit_baud: int, host_baud: int) -> bytes:
        said, heard = (unit_baud, host_baud) if direction == "to-host" else (host_baud, unit_baud)
        return data if abs(said - heard) <= 0.03 * said else at_other_speed(data, said, heard)


def at_other_speed(data: bytes, said_baud: int, heard_baud: int) -> bytes:
    """What a receiver at `heard_baud` makes of bytes sent at `said_baud`, 8N1.

    It waits for a falling edge and looks at the middle of each bit by its own clock; a byte whose stop bit is not
    high is kept too, as most receivers do.
    """
    bits = [level for byte in data for level in (0, *(byte >> n & 1 for n in range(8)), 1)] + [1] * 10
    step = said_baud / heard_baud
    heard, at = bytearray(), 0.0
    while (start := _falling_edge(bits, at)) is not None:
        middles = [start + (n + 1.5) * step for n in range(8)]
        heard.append(sum(_level(bits, middle) << n for n, middle in enumerate(middles)))
        at = start + 9.5 * step
    return bytes(heard)


def _falling_edge(bits: list[int], at: float) -> int | None:
    return next((n for n in range(int(at) + (at % 1 > 0), len(bits)) if not bits[n] and (n == 0 or bits[n - 1])), None)


def _level(bits: list[int], at: float) -> int:
    return bits[int(at)] if at < len(bits) else 1


def split_frames(data: bytes, delimiter: bytes = b"\0") -> list[bytes]:
    """Bytes cut behind each delimiter, so that faults can count frames; a lone delimiter is no frame."""
    *whole, rest = data.split(delimiter)
    pieces = [piece + delimiter for piece in whole if piece]
    return [*pieces, rest] if rest else pieces
