"""Four straight fingers on a palm: soft tissue 0.3, bone with a bright wall. For tests of arithmetic alone."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import ndimage

from edge.detector import prepare
from edge.types import Point

MM: Final = 0.25
POINTS: Final[dict[str, Point]] = {
    f"{kind}{digit}": (float(80 + 90 * (5 - digit)), float(row))
    for digit in (2, 3, 4, 5)
    for kind, row in (("MCP", 420), ("PIP", 260), ("DIP", 160), ("TIP", 90))
}


def hand() -> prepare.Image:
    """float32 [700, 440], 0 to 1."""
    y, x = np.mgrid[:700, :440].astype(np.float32)
    film = np.zeros((700, 440), dtype=np.float32)
    film[(y > 400) & (x > 40) & (x < 400)] = 0.3
    for digit in (2, 3, 4, 5):
        across = np.abs(x - POINTS[f"MCP{digit}"][0])
        film[(across < 36) & (y > 70)] = 0.3
        film[(across < 18) & (y > 90)] = 0.75
        film[(across < 12) & (y > 90)] = 0.55
    grain = np.random.default_rng(0).normal(0, 0.004, film.shape).astype(np.float32)
    shown: prepare.Image = np.clip(ndimage.gaussian_filter(film, 0.8) + grain, 0, 1)
    return shown
