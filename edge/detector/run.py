"""One analysis on its way: what is known of it so far, and how long each step took."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.clock import Clock
from edge.types import ImageFacts


@dataclass(slots=True)
class Run:
    """A film being analysed; `facts` and `picture` stay what they are when it is refused half-way."""

    clock: Clock
    facts: ImageFacts | None = None
    picture: NDArray[np.float32] | None = None
    spent_s: dict[str, float] = field(default_factory=dict)
    started_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.started_s = self.clock.monotonic_s()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Times a step; a step may come more than once."""
        start = self.clock.monotonic_s()
        try:
            yield
        finally:
            self.spent_s[name] = self.spent_s.get(name, 0.0) + self.clock.monotonic_s() - start

    def timing_ms(self) -> dict[str, float]:
        """Milliseconds of each step and in all."""
        total = self.clock.monotonic_s() - self.started_s
        return {name: round(1000 * seconds, 1) for name, seconds in (self.spent_s | {"total": total}).items()}
