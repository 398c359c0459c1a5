"""Bad luck by seed: faults of the kinds asked for, at random moments, the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Annotated, Final, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from firmware_bridge.simulator.faults import (
    STRICT,
    BrownOut,
    Corrupt,
    Direction,
    Drop,
    Duplicate,
    Fault,
    Garbage,
    Lie,
    Partial,
    Reenumerate,
    Reset,
    Seize,
    Silence,
    Slow,
    Stuck,
    Unplug,
    WrongBaud,
)

Kind = Literal[
    "drop",
    "corrupt",
    "duplicate",
    "partial",
    "garbage",
    "silence",
    "slow",
    "wrong-baud",
    "unplug",
    "reenumerate",
    "seize",
    "brownout",
    "reset",
    "stuck",
    "lie",
]
_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, config=STRICT)
class Chaos:
    """A fault each `every_s` seconds on average, of these kinds; all kinds when none is named."""

    every_s: Annotated[float, Field(gt=0, le=86_400)] = 5.0
    kinds: tuple[Kind, ...] = ()


class Storm:
    """Draws faults from a seeded source."""

    def __init__(self, chaos: Chaos, rng: random.Random, now_ns: int) -> None:
        self._chaos = chaos
        self._rng = rng
        self._kinds = chaos.kinds or tuple(DRAWN)
        self._next_ns = now_ns + self._pause_ns()

    def next_due_ns(self) -> int:
        """When the next fault happens."""
        return self._next_ns

    def due(self, now_ns: int) -> list[Fault]:
        """The faults that happen now."""
        faults = []
        while self._next_ns <= now_ns:
            faults.append(DRAWN[self._rng.choice(self._kinds)](self._rng))
            self._next_ns += self._pause_ns()
        return faults

    def _pause_ns(self) -> int:
        return 1 + round(self._rng.expovariate(1 / self._chaos.every_s) * _NS)


def _way(rng: random.Random) -> Direction:
    return rng.choice(("to-host", "to-unit"))


DRAWN: Final[dict[Kind, Callable[[random.Random], Fault]]] = {
    "drop": lambda rng: Drop(frames=rng.randint(1, 5), direction=_way(rng)),
    "corrupt": lambda rng: Corrupt(frames=rng.randint(1, 5), direction=_way(rng)),
    "duplicate": lambda rng: Duplicate(frames=rng.randint(1, 5), direction=_way(rng)),
    "partial": lambda rng: Partial(frames=rng.randint(1, 3), direction=_way(rng), rest_s=rng.choice((0.0, 0.05, 0.3))),
    "garbage": lambda rng: Garbage(size=rng.randint(1, 2000)),
    "silence": lambda rng: Silence(s=rng.uniform(0.05, 3.0)),
    "slow": lambda rng: Slow(
        s=rng.uniform(0.2, 2.0), hold_ms=rng.uniform(0.0, 200.0), bytes_per_s=rng.uniform(500.0, 11_520.0)
    ),
    "wrong-baud": lambda rng: WrongBaud(s=rng.uniform(0.1, 1.0), baud=rng.choice((9600, 57_600, 230_400))),
    "unplug": lambda rng: Unplug(s=rng.uniform(0.02, 1.0)),
    "reenumerate": lambda _: Reenumerate(),
    "seize": lambda rng: Seize(s=rng.uniform(0.1, 0.5)),
    "brownout": lambda rng: BrownOut(s=rng.uniform(0.05, 0.5), garbage=rng.randint(0, 200)),
    "reset": lambda rng: Reset(garbage=rng.randint(0, 200)),
    "stuck": lambda rng: Stuck(s=rng.uniform(0.1, 1.0)),
    "lie": lambda rng: Lie(s=rng.uniform(0.5, 3.0), state=rng.choice(("exposing", "error", "standby"))),
}
"""How each kind is drawn: mild enough that a link that recovers is up most of the time."""
