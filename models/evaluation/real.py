"""Real hands: clean films of the mature and near mature. Every mark on them is false. Measured on, never trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from models.evaluation.marks import find_marks
from models.evaluation.runtime import Graph, calcification, lesion_map, look


@dataclass(frozen=True, slots=True)
class RealHand:
    """One clean film: scores of its marks, mean confidence of its keypoints; no marks where no hand was found."""

    name: str
    found: bool
    confidence: float
    marks: tuple[float, ...]


def measure_folder(folder: Path, anatomy: Graph, lesions: Graph) -> list[RealHand]:
    """Every PNG of a folder, in order."""
    hands = []
    for path in sorted(folder.glob("*.png")):
        film = np.asarray(Image.open(path).convert("L"), dtype=np.float32) / np.float32(255)
        view = look(anatomy, film)
        if view is None:
            hands.append(RealHand(path.name, found=False, confidence=0.0, marks=()))
            continue
        _, planes = lesion_map(lesions, view)
        marks, _ = find_marks(calcification(planes))
        confidence = float(np.mean([height for _, _, height in view.keypoints.values()]))
        hands.append(RealHand(path.name, found=True, confidence=confidence, marks=tuple(m.score for m in marks)))
    return hands


def marks_per_hand(hands: list[RealHand], threshold: float) -> float:
    """Mean number of marks at or above a threshold."""
    return sum(score >= threshold for hand in hands for score in hand.marks) / max(1, len(hands))
