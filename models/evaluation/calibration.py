"""Does a score mean what it says? Reliability and ECE of lesion scores, and the ROC of whole hands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

_BINS: Final = 10
_RESAMPLES: Final = 500


@dataclass(frozen=True, slots=True)
class Bin:
    """Marks with scores between `low` and `high`: how many, their mean score, how many of them are right."""

    low: float
    high: float
    count: int
    mean_score: float
    right: float


@dataclass(frozen=True, slots=True)
class Roc:
    """The area under the curve with its 95 % interval, and the curve's points (1 - specificity, sensitivity)."""

    positives: int
    negatives: int
    area: float
    low: float
    high: float
    points: tuple[tuple[float, float], ...]


def reliability(scores: Sequence[float], right: Sequence[bool]) -> tuple[list[Bin], float]:
    """Bins of equal width, and the expected calibration error: the mean gap of score and truth, weighted by marks."""
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(right, dtype=np.float64)
    bins, error = [], 0.0
    for index in range(_BINS):
        low, high = index / _BINS, (index + 1) / _BINS
        inside = (values >= low) & ((values < high) | (index == _BINS - 1))
        if inside.any():
            mean, part = float(values[inside].mean()), float(truth[inside].mean())
            bins.append(Bin(low, high, int(inside.sum()), mean, part))
            error += abs(mean - part) * float(inside.mean())
    return bins, error


def roc(positive: Sequence[float], negative: Sequence[float]) -> Roc:
    """Hands with and without lesions, each by its highest score."""
    good, bad = np.asarray(positive, dtype=np.float64), np.asarray(negative, dtype=np.float64)
    if not len(good) or not len(bad):
        return Roc(len(good), len(bad), float("nan"), float("nan"), float("nan"), ())
    rng = np.random.default_rng(7)
    draws = [
        _area(good[rng.integers(0, len(good), len(good))], bad[rng.integers(0, len(bad), len(bad))])
        for _ in range(_RESAMPLES)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    steps = np.unique(np.concatenate([good, bad, [np.inf]]))[::-1]
    points = tuple((float((bad >= step).mean()), float((good >= step).mean())) for step in steps)
    return Roc(len(good), len(bad), _area(good, bad), float(low), float(high), points)


def _area(good: np.typing.NDArray[np.float64], bad: np.typing.NDArray[np.float64]) -> float:
    wins = (good[:, None] > bad[None, :]).mean() + 0.5 * (good[:, None] == bad[None, :]).mean()
    return float(wins)
