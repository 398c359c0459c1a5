"""One fault after the other, several at a time, each told as it is done: most of a life is waiting for the network."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

P = TypeVar("P")
AT_ONCE: Final = 4
PARTS: Final = 4
"""Into so many the longest soaks are cut, to be run one by one: every n-th point is a part."""


def at_each(suffer: Callable[[P], list[str]], points: Sequence[P]) -> list[str]:
    """What is wrong after each of the points, in whatever order they end. `suffer` runs in a process of its own."""
    wrong: list[str] = []
    with multiprocessing.get_context("fork").Pool(min(AT_ONCE, max(1, len(points)))) as pool:
        for done, found in enumerate(pool.imap_unordered(suffer, points), 1):
            wrong += found
            print(f"{done} of {len(points)}, {len(wrong)} wrong", *found, sep="\n", flush=True)
    return wrong
