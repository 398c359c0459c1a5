"""What can go wrong between the unit and the host, as typed values, and the line that makes it happen.

Numbers of frames count from the moment the fault is armed. All randomness comes from the scenario's seed.
"""

from __future__ import annotations

import random
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT: Final = ConfigDict(extra="forbid")
"""A scenario that says something unknown is refused, not half understood."""

Direction = Literal["to-host", "to-unit"]
_Frames = Annotated[int, Field(ge=1, le=10_000)]
_Seconds = Annotated[float, Field(ge=0, le=3600)]
_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, config=STRICT)
class Drop:
    """The next frames vanish."""

    do: Literal["drop"] = "drop"
    frames: _Frames = 1
    direction: Direction = "to-host"


@dataclass(frozen=True, slots=True, config=STRICT)
class Corrupt:
    """One bit of each of the next frames is flipped."""

    do: Literal["corrupt"] = "corrupt"
    frames: _Frames = 1
    direction: Direction = "to-host"


@dataclass(frozen=True, slots=True, config=STRICT)
class Garbage:
    """Random bytes arrive at the host."""

    do: Literal["garbage"] = "garbage"
    size: Annotated[int, Field(ge=1, le=65_536)] = 64


@dataclass(frozen=True, slots=True, config=STRICT)
class Silence:
    """Nothing passes, either way, and what was said meanwhile is lost."""

    do: Literal["silence"] = "silence"
    s: _Seconds = 3.0


@dataclass(frozen=True, slots=True, config=STRICT)
class Unplug:
    """The port is gone, and comes back as another device behind the same link."""

    do: Literal["unplug"] = "unplug"
    s: _Seconds = 1.0


@dataclass(frozen=True, slots=True, config=STRICT)
class BrownOut:
    """The unit's controller resets: noise on the line, a pause, a new boot."""

    do: Literal["brownout"] = "brownout"
    s: _Seconds = 0.3
    garbage: Annotated[int, Field(ge=0, le=4096)] = 32


LineFault = Drop | Corrupt | Silence
Fault = LineFault | Garbage | Unplug | BrownOut


class Line:
    """The cable: carries bytes both ways and spoils what it is told to spoil."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._drops: dict[Direction, int] = {"to-host": 0, "to-unit": 0}
        self._flips: dict[Direction, int] = {"to-host": 0, "to-unit": 0}
        self._silent_until_ns = 0

    def arm(self, fault: LineFault, now_ns: int) -> None:
        """From now on."""
        match fault:
            case Drop(frames=frames, direction=direction):
                self._drops[direction] += frames
            case Corrupt(frames=frames, direction=direction):
                self._flips[direction] += frames
            case Silence(s=s):
                self._silent_until_ns = now_ns + round(s * _NS)

    def garbage(self, size: int) -> bytes:
        """Noise."""
        return self._rng.randbytes(size)

    def carry(self, frames: list[bytes], direction: Direction, now_ns: int) -> bytes:
        """What comes out at the other end."""
        if now_ns < self._silent_until_ns:
            return b""
        return b"".join(self._spoil(frame, direction) for frame in frames)

    def _spoil(self, frame: bytes, direction: Direction) -> bytes:
        if self._drops[direction]:
            self._drops[direction] -= 1
            return b""
        if self._flips[direction]:
            self._flips[direction] -= 1
            spoilt = bytearray(frame)
            spoilt[self._rng.randrange(len(spoilt))] ^= 1 << self._rng.randrange(8)
            return bytes(spoilt)
        return frame


def split_frames(data: bytes) -> list[bytes]:
    """Bytes cut behind each delimiter, so that faults can count frames."""
    pieces = data.split(b"\0")
    whole = [piece + b"\0" for piece in pieces[:-1] if piece]
    return [*whole, pieces[-1]] if pieces[-1] else whole
