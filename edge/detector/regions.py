"""The map of a hand's 20 regions: its outline and its carpus by the network, its bones by the skeleton.

Seen alone, a patch of a finger hardly says which finger it is of, and joints blur. The skeleton, put together from the
whole hand, knows both: a cell belongs to the nearest bone. The network says where the hand ends, where the carpus
begins, and what lies between joints that were not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge.detector import prepare
from edge.detector.engine import STRIDE, Maps
from edge.detector.skeleton import wrist_behind
from edge.types import DIGITS, REGIONS, BBox, Point

Labels = NDArray[np.uint8]
"""0 background, 1 + index in `REGIONS`."""

CARPUS: Final = 1 + REGIONS.index("CARPUS")
_MC1: Final = 1 + REGIONS.index("MC1")
_KINDS: Final = ("DP", "MP", "PP", "MC", "CARPUS")
_BASE: Final = 0.35
"""A metacarpal starts about here on the way from the wrist to its head."""
_TIP: Final = 0.6
"""How far a fingertip's tissue goes on beyond its bone, in distal phalanges."""
_FAR_MM: Final = 22.0
"""Farther from every finger that was seen than this, the network's own digit is taken."""
_HAND_MM: Final = 190.0
"""A hand's length, for want of a scale here."""
_AXIS: Final = {d: ("WRIST", f"MCP{d}", f"PIP{d}", f"DIP{d}", f"TIP{d}") for d in DIGITS[1:]} | {
    1: ("WRIST", "MCP1", "IP1", "TIP1")
}


@dataclass(frozen=True, slots=True)
class _Segment:
    """A bone's line on the film. `label` is 0 where a joint between is not seen: it may stand for two bones."""

    digit: int
    label: int
    start: Point
    stop: Point


@dataclass(frozen=True, slots=True)
class RegionMap:
    """The regions of one hand on a coarse grid, and how the grid lies on the film.

    Attributes:
        labels: of each cell.
        inside: float32, the probability that a cell belongs to this hand.
        crop: the part of the film that the network saw.
        mapping: from the crop to the network's input.
        share: the network's, float32 [20, rows, columns]; what lies between joints that weren't seen comes from it.
    """

    labels: Labels
    inside: NDArray[np.float32]
    crop: BBox
    mapping: prepare.Mapping
    share: Maps = field(repr=False)

    @property
    def cell_px(self) -> float:
        """The side of a cell in pixels of the film."""
        return STRIDE / self.mapping.scale

    def cells_of(self, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and columns of the cells in which points of the film lie, clipped to the grid."""
        m = self.mapping
        ix = (xs - self.crop[0] + 0.5) * m.scale - 0.5 + m.dx
        iy = (ys - self.crop[1] + 0.5) * m.scale - 0.5 + m.dy
        gx, gy = (ix + 0.5) / STRIDE - 0.5, (iy + 0.5) / STRIDE - 0.5
        rows, columns = self.labels.shape
        return (
            np.clip(np.rint(gy), 0, rows - 1).astype(np.intp),
            np.clip(np.rint(gx), 0, columns - 1).astype(np.intp),
        )

    def film_of(
        self, columns: NDArray[np.intp], rows: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The centres of cells as x and y on the film."""
        m = self.mapping
        ix, iy = (np.asarray(cells, dtype=np.float64) * STRIDE + (STRIDE - 1) / 2 for cells in (columns, rows))
        return (ix - m.dx + 0.5) / m.scale - 0.5 + self.crop[0], (iy - m.dy + 0.5) / m.scale - 0.5 + self.crop[1]

    def without(self, own: Mapping[str, Point], other: Mapping[str, Point]) -> RegionMap:
        """The map less what lies nearer to another hand's bones: where hands touch, a crop holds parts of both."""
        rows, columns = np.nonzero(self.inside > 0)
        xs, ys = self.film_of(columns, rows)
        foreign = away_px(other, xs, ys) < away_px(own, xs, ys)
        labels, inside = self.labels.copy(), self.inside.copy()
        labels[rows[foreign], columns[foreign]] = 0
        inside[rows[foreign], columns[foreign]] = 0
        return replace(self, labels=labels, inside=inside)

    def along(self, keypoints: Mapping[str, Point]) -> RegionMap:
        """The same cells, shared out among bones whose ends are known better now."""
        labels = np.zeros_like(self.labels)
        rows, columns = np.nonzero(self.labels)
        if len(rows):
            xs, ys = self.film_of(columns, rows)
            labels[rows, columns] = _label(self.share[:, rows, columns], xs, ys, keypoints, self._reach_px)
        return replace(self, labels=labels)

    def at(self, xs: NDArray[np.float64], ys: NDArray[np.float64], keypoints: Mapping[str, Point]) -> Labels:
        """The labels of points of the film, finer than the grid's cells; never background."""
        return _label(self.share[:, *self.cells_of(xs, ys)], xs, ys, keypoints, self._reach_px)

    @property
    def _reach_px(self) -> float:
        """Farther from every bone than this, the skeleton says nothing."""
        rows, columns = np.nonzero(self.labels)
        if not len(rows):
            return 0.0
        side = max(int(np.ptp(rows)), int(np.ptp(columns))) * self.cell_px
        return _FAR_MM / _HAND_MM * max(side, 1.0)

    def over(self, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> Labels:
        """The labels at all crossings of columns at `xs` and rows at `ys` of the film: [len(ys), len(xs)]."""
        rows, _ = self.cells_of(np.zeros_like(ys), ys)
        _, columns = self.cells_of(xs, np.zeros_like(xs))
        grid: Labels = self.labels[np.ix_(rows, columns)]
        return grid


def region_map(
    probability: Maps,
    tissue: NDArray[np.bool_],
    keypoints: Mapping[str, Point],
    crop: BBox,
    mapping: prepare.Mapping,
) -> RegionMap:
    """The regions of one hand.

    Args:
        probability: the network's [1 + 20, rows, columns]; the first channel is background.
        tissue: which cells are this hand's.
        keypoints: of this hand, on the film.
        crop: the part of the film that the network saw.
        mapping: from the crop to the network's input.
    """
    labels = np.zeros(tissue.shape, dtype=np.uint8)
    near = ndimage.binary_dilation(tissue, iterations=2)  # not the other hand that a crop may hold
    inside = np.where(near, 1 - probability[0], 0).astype(np.float32)
    labels[tissue] = 1  # which one comes next
    return RegionMap(labels, inside, crop, mapping, probability[1:]).along(keypoints)


def away_px(keypoints: Mapping[str, Point], xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far points of the film are from the nearest bone of a hand; infinitely far without a skeleton."""
    best = np.full(xs.shape, np.inf)
    for segment in _segments(keypoints):
        best = np.minimum(best, _distance(xs, ys, segment))
    return best


def _label(
    share: NDArray[np.float32],
    xs: NDArray[np.float64],
    ys: NDArray[np.float64],
    keypoints: Mapping[str, Point],
    reach_px: float,
) -> Labels:
    """The label of each of n points; `share` [20, n] is the network's."""
    own: Labels = (1 + share.argmax(axis=0)).astype(np.uint8)
    segments = _segments(keypoints)
    if not segments:
        return own
    away = np.stack([_distance(xs, ys, segment) for segment in segments])
    nearest = away.argmin(axis=0)
    by_digit = _of_digit(share, np.array([segment.digit for segment in segments])[nearest])
    label = np.array([segment.label for segment in segments], dtype=np.uint8)[nearest]
    metacarpal = (label >= _MC1) & (label < CARPUS)
    label = np.where((label == 0) | (metacarpal & (own == CARPUS)), by_digit, label)
    far = away.min(axis=0) > reach_px
    out: Labels = np.where(far, own, label).astype(np.uint8)
    return out


def _of_digit(share: NDArray[np.float32], digit: NDArray[np.int_]) -> Labels:
    """Each cell's label if its kind is the network's and its digit is given."""
    kinds = np.stack(
        [share[[i for i, name in enumerate(REGIONS) if name.startswith(kind)]].sum(axis=0) for kind in _KINDS]
    )
    kinds[_KINDS.index("MP"), digit == 1] = -1  # a thumb has none
    table = np.array([[_index(kind, d) for d in (0, *DIGITS)] for kind in _KINDS], dtype=np.uint8)
    labels: Labels = np.take(table.ravel(), kinds.argmax(axis=0) * table.shape[1] + digit)
    return labels


def _index(kind: str, digit: int) -> int:
    name = kind if kind == "CARPUS" else f"{kind}{digit}"
    return 1 + REGIONS.index(name) if name in REGIONS else 0


def _segments(keypoints: Mapping[str, Point]) -> list[_Segment]:
    """All bones, of the palm too when the wrist isn't seen: what lies beside a metacarpal is not the finger's."""
    behind = None if "WRIST" in keypoints else wrist_behind(keypoints)
    known = keypoints if behind is None else {**keypoints, "WRIST": behind}
    return [segment for digit in DIGITS for segment in _of_one(digit, known)]


def _of_one(digit: int, keypoints: Mapping[str, Point]) -> list[_Segment]:
    """A digit's bones from the base of its metacarpal to beyond its tip, through the joints that are seen."""
    chain = _AXIS[digit]
    seen = [index for index, name in enumerate(chain) if name in keypoints]
    out = []
    for a, b in pairwise(seen):
        (ax, ay), (bx, by) = keypoints[chain[a]], keypoints[chain[b]]
        if chain[a] == "WRIST":
            ax, ay = ax + _BASE * (bx - ax), ay + _BASE * (by - ay)
        if chain[b].startswith("TIP"):
            bx, by = bx + _TIP * (bx - ax), by + _TIP * (by - ay)
        kinds = ("MC", "PP", "DP") if digit == 1 else ("MC", "PP", "MP", "DP")
        out.append(_Segment(digit, _index(kinds[a], digit) if b == a + 1 else 0, (ax, ay), (bx, by)))
    return out


def _distance(xs: NDArray[np.float64], ys: NDArray[np.float64], segment: _Segment) -> NDArray[np.float64]:
    """From each point to a segment."""
    (ax, ay), (bx, by) = segment.start, segment.stop
    dx, dy = bx - ax, by - ay
    along = np.clip(((xs - ax) * dx + (ys - ay) * dy) / max(dx * dx + dy * dy, 1e-9), 0.0, 1.0)
    away: NDArray[np.float64] = np.hypot(xs - ax - along * dx, ys - ay - along * dy)
    return away
