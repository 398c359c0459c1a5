"""Small summaries of many values: shares and means with intervals, bins, confusion matrices. JSON-ready."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from models.evaluation import froc

_RESAMPLES: Final = 500
_SEED: Final = 11


def rounded(value: Any) -> Any:
    """Floats to four decimals, also within lists and tables; not a number becomes None."""
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    if isinstance(value, tuple | list):
        return [rounded(item) for item in value]
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    return value


def share(hits: Sequence[bool], films: Sequence[int], count: int) -> dict[str, Any]:
    """A share with its 95 % interval over films. `films`: which of `count` films each hit comes from."""
    if not hits:
        return {"count": 0}
    part, low, high = froc.share(hits, films, count)
    return {"count": len(hits), "share": rounded(part), "low": rounded(low), "high": rounded(high)}


def mean(values: Sequence[float]) -> dict[str, Any]:
    """A mean with its 95 % interval, by a bootstrap."""
    if not values:
        return {"mean": None, "low": None, "high": None}
    each = np.asarray(values, dtype=np.float64)
    draws = each[np.random.default_rng(_SEED).integers(0, len(each), (_RESAMPLES, len(each)))].mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return rounded({"mean": float(each.mean()), "low": float(low), "high": float(high)})  # type: ignore[no-any-return]


def distances(values: Sequence[float], films: Sequence[int], count: int, within_mm: Sequence[float]) -> dict[str, Any]:
    """Distances in millimetres: mean, 95th percentile, and the share within each of some bounds."""
    if not values:
        return {"count": 0}
    bounds = {f"within_{mm:g}_mm": share([value <= mm for value in values], films, count) for mm in within_mm}
    p95 = rounded(float(np.percentile(values, 95)))
    return {"count": len(values), "mean_mm": mean(values)["mean"], "p95_mm": p95} | bounds


def bin_of(value: float, edges: Sequence[tuple[float, float]]) -> str:
    """The name of the bin that holds a value."""
    for low, high in edges:
        if low <= value < high:
            return f"{low:g} and more" if math.isinf(high) else f"{low:g} to {high:g}"
    return f"under {edges[0][0]:g}"


def matrix(counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """Counts of (true, said) as rows of the truth."""
    rows, columns = sorted({row for row, _ in counts}), sorted({column for _, column in counts})
    return {row: {column: counts.get((row, column), 0) for column in columns} for row in rows}


def tally(names: Sequence[str]) -> dict[str, int]:
    """How often each name comes, the commonest first."""
    return dict(Counter(names).most_common())
