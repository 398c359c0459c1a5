"""Real hands: clean films of the mature and near mature. Every mark on them is false. Measured on, never trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from edge.detector import prepare
from edge.types import Findings
from models.evaluation.appliance import Appliance


@dataclass(frozen=True, slots=True)
class RealHand:
    """One clean film: scores of its marks, and how sure the anatomy is; no marks where it was not analysed."""

    name: str
    analysed: bool
    confidence: float
    marks: tuple[float, ...]


def films(folder: Path) -> Iterator[tuple[str, prepare.Image]]:
    """Every PNG of a folder, in order, 0 to 1."""
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as picture:
            yield path.name, np.asarray(picture.convert("L"), dtype=np.float32) / np.float32(255)


def measure_folder(folder: Path, appliance: Appliance) -> list[RealHand]:
    """Every film of a folder."""
    hands = []
    for name, film in films(folder):
        analysis = appliance.analyse(film, None)
        marks = tuple(mark.score for mark in analysis.lesions) if isinstance(analysis, Findings) else ()
        hands.append(RealHand(name, isinstance(analysis, Findings), appliance.confidence(film), marks))
    return hands


def marks_per_hand(hands: list[RealHand], threshold: float) -> float:
    """Mean number of marks at or above a threshold."""
    return sum(score >= threshold for hand in hands for score in hand.marks) / max(1, len(hands))
