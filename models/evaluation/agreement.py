"""How well a measure agrees with the truth: ICC(2,1), Bland and Altman's bias and limits, each with an interval.

ICC(2,1): two-way random effects, absolute agreement, single measure (Shrout and Fleiss 1979): it punishes a bias,
which a correlation would not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 500
_SEED: Final = 9


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of `count` pairs. `bias`: measured less true; `limits`: bias less and plus 1.96 standard deviations."""

    count: int
    icc: float
    icc_low: float
    icc_high: float
    bias: float
    limits: tuple[float, float]


def agreement(measured: Sequence[float], true: Sequence[float]) -> Agreement:
    """How well two series agree; intervals by a bootstrap over pairs (95 %)."""
    pairs = np.stack([np.asarray(measured, dtype=np.float64), np.asarray(true, dtype=np.float64)], axis=1)
    if len(pairs) < 3:
        return Agreement(len(pairs), float("nan"), float("nan"), float("nan"), float("nan"), (float("nan"),) * 2)
    rng = np.random.default_rng(_SEED)
    draws = [icc(pairs[rng.integers(0, len(pairs), len(pairs))]) for _ in range(RESAMPLES)]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    difference = pairs[:, 0] - pairs[:, 1]
    bias, spread = float(difference.mean()), 1.96 * float(difference.std(ddof=1))
    return Agreement(len(pairs), icc(pairs), float(low), float(high), bias, (bias - spread, bias + spread))


def icc(pairs: NDArray[np.float64]) -> float:
    """ICC(2,1) of [subjects, raters]; 1 where all values are equal."""
    n, k = pairs.shape
    mean = pairs.mean()
    rows = k * float(((pairs.mean(axis=1) - mean) ** 2).sum()) / (n - 1)
    columns = n * float(((pairs.mean(axis=0) - mean) ** 2).sum()) / (k - 1)
    rest = pairs - pairs.mean(axis=1, keepdims=True) - pairs.mean(axis=0, keepdims=True) + mean
    error = float((rest**2).sum()) / ((n - 1) * (k - 1))
    below = rows + (k - 1) * error + k * (columns - error) / n
    return (rows - error) / below if below > 0 else 1.0
