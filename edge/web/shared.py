"""What twenty screens ask for at the same moment is read once.

A change makes every open screen fetch itself. What such fetches show differs by who looks (a token, a right, a
language) but not by what was read for them. What always holds: it is shared for one version of what can be seen and
for a second at most, and only with pages that fetch themselves; who follows a link or presses a button reads anew.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.clock import Clock

_HOLDS_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Reading:
    version: str
    until_s: float
    value: dict[str, Any]


class Shared:
    """The last reading in each language. Threads may share it; who comes while one reads waits for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, _Reading] = {}

    def reading(self, language: str, version: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What was read at this version, or is read now."""
        with self._lock:
            last = self._last.get(language)
            if last is None or last.version != version or self._clock.monotonic_s() >= last.until_s:
                last = _Reading(version, self._clock.monotonic_s() + _HOLDS_S, read())
                self._last[language] = last
            return last.value
