"""Matching exposures and images: simulated days, counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.bench.figure import Figure, at_most, plain
from tests.intake.days import run

_DAYS = 10_000


def days(folder: Path) -> Iterator[Figure]:
    """Ten thousand days; takes several minutes."""
    del folder
    tally = run(_DAYS, seed=7)
    how = f"{tally.days} simulated days, {tally.images} images, of which {tally.unambiguous} are unambiguous"
    share = 100 / max(1, tally.unambiguous)
    yield at_most("wrong matches of exposure and image", tally.wrong, "", 0, how)
    yield at_most("unambiguous images called ambiguous", tally.needless * share, "%", 1.0, how)
    yield plain("unambiguous images called unmatched", tally.missed * share, "%", how)
    tally = run(_DAYS, seed=7, set_by_hand=True)
    how = f"the same, {tally.images} images, with the clock set by hand in the middle of one day in sixty"
    yield plain("wrong matches where somebody sets the clock", tally.wrong, "", how)
