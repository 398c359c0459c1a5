"""Real hands: clean films, every mark on them is false. Measured on, never trained on; no threshold comes from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from edge.detector import prepare
from models.evaluation.truth import TrueFilm

SETS: Final = ("mature", "near_mature", "hard")
INSERTED_SETS: Final = ("mature", "near_mature")


def names(root: Path, which: str) -> list[str]:
    """The films of a set, in order."""
    return sorted(path.name for path in (root / which).glob("*.png"))


def film(root: Path, which: str, name: str) -> prepare.Image:
    """One film, float32 [rows, columns], 0 to 1."""
    with Image.open(root / which / name) as picture:
        return np.asarray(picture.convert("L"), dtype=np.float32) / np.float32(255)


def films(folder: Path) -> Iterator[tuple[str, prepare.Image]]:
    """Every PNG of a folder, in order."""
    for name in names(folder.parent, folder.name):
        yield name, film(folder.parent, folder.name, name)


def truth_of(group: str, name: str) -> TrueFilm:
    """What is known of a clean real hand: that it has no calcinosis."""
    return TrueFilm(name, group, 0.0, "", 0.0, 0.0, (), ())
