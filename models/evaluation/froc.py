"""Free-response ROC: sensitivity per lesion against false marks per image, with a bootstrap over images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.evaluation.marks import Scored

RATES: Final = (0.1, 0.25, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Point:
    """One operating point: its threshold, false marks per image, sensitivity with its 95 % interval."""

    threshold: float
    false_per_image: float
    sensitivity: float
    low: float
    high: float


def at_threshold(scored: Sequence[Scored], threshold: float, *, resamples: int = 300, seed: int = 5) -> Point:
    """What happens when every mark at or above `threshold` is shown."""
    false = np.array([sum(s >= threshold for s in image.false) for image in scored], dtype=float)
    hit = np.array([sum(s >= threshold for s in image.lesions.values()) for image in scored], dtype=float)
    there = np.array([len(image.lesions) for image in scored], dtype=float)
    draws = np.random.default_rng(seed).integers(0, len(scored), (resamples, len(scored)))
    ratios = hit[draws].sum(axis=1) / np.maximum(there[draws].sum(axis=1), 1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Point(threshold, float(false.mean()), float(hit.sum() / max(there.sum(), 1)), float(low), float(high))


def threshold_for(scored: Sequence[Scored], false_per_image: float) -> float:
    """The lowest threshold that leaves at most this many false marks per image; at most 0.995."""
    false = sorted((s for image in scored for s in image.false), reverse=True)
    allowed = int(false_per_image * len(scored))
    if allowed >= len(false):
        return 0.1
    return min(0.995, float(np.nextafter(false[allowed], 2.0)))


def froc(scored: Sequence[Scored], rates: Sequence[float] = RATES) -> dict[float, Point]:
    """The curve at the given false marks per image."""
    return {rate: at_threshold(scored, threshold_for(scored, rate)) for rate in rates}
