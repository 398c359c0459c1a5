"""Free-response ROC: sensitivity per lesion against false marks per film, with a bootstrap over films.

Each film brings the best score over each of its lesions (0: no mark) and the scores of its false marks. All is held
in flat arrays, so that a resample is a weight for each film.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from models.evaluation.marks import Scored

RATES: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
RESAMPLES: Final = 300
_SEED: Final = 5

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """An operating point: threshold, false marks per film, sensitivity with its 95 % interval, lesions asked for."""

    threshold: float
    false_per_image: float
    sensitivity: float
    low: float
    high: float
    lesions: int


@dataclass(frozen=True, slots=True)
class Pool:
    """Films together: `best` and `lesion_film` of each lesion, `false` (descending) and `false_film` of each mark."""

    films: int
    best: Array
    lesion_film: NDArray[np.intp]
    false: Array
    false_film: NDArray[np.intp]

    @classmethod
    def of(cls, scored: Sequence[Scored], keep: Callable[[int, int], bool] | None = None) -> Self:
        """The films' outcomes; `keep(film, number)` says which lesions are asked for."""
        lesions = [
            (score, index)
            for index, image in enumerate(scored)
            for number, score in image.lesions.items()
            if keep is None or keep(index, number)
        ]
        false = sorted(((score, index) for index, image in enumerate(scored) for score in image.false), reverse=True)
        return cls(
            len(scored),
            np.array([s for s, _ in lesions], dtype=np.float64),
            np.array([i for _, i in lesions], dtype=np.intp),
            np.array([s for s, _ in false], dtype=np.float64),
            np.array([i for _, i in false], dtype=np.intp),
        )

    def at_threshold(self, threshold: float) -> Point:
        """What happens when every mark at or above `threshold` is shown."""
        hit = self.best >= threshold
        weights = _weights(self.films)
        sensitivity, low, high = _ratio(hit, self.lesion_film, weights)
        false = float((self.false >= threshold).sum()) / max(self.films, 1)
        return Point(threshold, false, sensitivity, low, high, len(self.best))

    def at_rate(self, rate: float) -> Point:
        """The point with at most `rate` false marks per film; each resample finds its own threshold."""
        weights = _weights(self.films)
        limits = self._limits(np.vstack([np.ones(self.films), weights]), rate)
        hits = self.best[None, :] >= limits[:, None]
        seen = (hits[1:] * weights[:, self.lesion_film]).sum(axis=1)
        there = weights[:, self.lesion_film].sum(axis=1)
        ratios = seen[there > 0] / there[there > 0]
        low, high = np.percentile(ratios, [2.5, 97.5]) if len(ratios) else (0.0, 0.0)
        threshold = float(limits[0])
        false = float((self.false >= threshold).sum()) / max(self.films, 1)
        sensitivity = float(hits[0].mean()) if len(self.best) else 0.0
        return Point(threshold, false, sensitivity, float(low), float(high), len(self.best))

    def _limits(self, weights: Array, rate: float) -> Array:
        """For each weighting of films the lowest threshold that leaves at most `rate` false marks per film."""
        if not len(self.false):
            return np.zeros(len(weights))
        running = weights[:, self.false_film].cumsum(axis=1)
        over = running > rate * weights.sum(axis=1, keepdims=True) + 1e-9
        first = np.where(over.any(axis=1), over.argmax(axis=1), len(self.false))
        steps = np.append(np.nextafter(self.false, 2.0), 1e-6)
        limits: Array = steps[first]
        return limits


def at_threshold(scored: Sequence[Scored], threshold: float) -> Point:
    """What happens on these films when every mark at or above `threshold` is shown."""
    return Pool.of(scored).at_threshold(threshold)


def threshold_for(scored: Sequence[Scored], false_per_image: float) -> float:
    """The lowest threshold that leaves at most this many false marks per film; at least 0.1."""
    return max(0.1, Pool.of(scored).at_rate(false_per_image).threshold)


def froc(scored: Sequence[Scored], rates: Sequence[float] = RATES) -> dict[float, Point]:
    """The curve at the given false marks per film."""
    pool = Pool.of(scored)
    return {rate: pool.at_rate(rate) for rate in rates}


def share(hits: Iterable[bool], films: Iterable[int], count: int) -> tuple[float, float, float]:
    """A share with its 95 % interval, by a bootstrap over the films that the hits come from."""
    return _ratio(np.fromiter(hits, dtype=bool), np.fromiter(films, dtype=np.intp), _weights(count))


def by(scored: Sequence[Scored], labels: Sequence[Mapping[int, str]], rates: Sequence[float]) -> dict[str, list[Point]]:
    """The curve for lesions of each label; false marks are those of all films.

    Args:
        scored: the films.
        labels: for each film, the label of each lesion's number.
        rates: false marks per film.
    """
    names = sorted({name for film in labels for name in film.values()})
    out = {}
    for name in names:
        pool = Pool.of(scored, lambda film, number, name=name: labels[film].get(number) == name)  # type: ignore[misc]
        out[name] = [pool.at_rate(rate) for rate in rates]
    return out


def _weights(films: int) -> Array:
    """How often each film comes in each resample: [RESAMPLES, films]."""
    rng = np.random.default_rng(_SEED)
    drawn: Array = rng.multinomial(films, np.full(films, 1 / max(films, 1)), size=RESAMPLES).astype(np.float64)
    return drawn


def _ratio(hit: NDArray[np.bool_], film: NDArray[np.intp], weights: Array) -> tuple[float, float, float]:
    if not len(hit):
        return 0.0, 0.0, 0.0
    there = weights[:, film].sum(axis=1)
    seen = (weights[:, film] * hit[None, :]).sum(axis=1)
    low, high = np.percentile(seen[there > 0] / there[there > 0], [2.5, 97.5])
    return float(hit.mean()), float(low), float(high)
