"""From the lesion network's map of one hand to bodies, and from bodies to clusters.

What always holds:

- Outlines come from the calcification map, at the release's outline level; scores from the certainty map, which was
  trained to rank: a body's score is its highest certainty. What is certain without reaching the outline level is
  outlined at half its peak of certainty.
- What the network takes for a sesamoid or for metal is named and not counted.
- Bodies under the *possible* threshold never join, or change, those above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge.detector import prepare
from edge.detector.bundle import FIRST_LESION_CHANNELS, Thresholds
from edge.detector.engine import STRIDE, Maps
from edge.detector.outline import Points, outline
from edge.types import Point

Kind = Literal["calcification", "sesamoid", "metal"]
Window = tuple[slice, slice]

FLOOR: Final = 0.08
"""Peaks below this are not listed, even when all scores are asked for."""
MOST: Final = 200
"""Bodies of one kind and hand: a film of noise has thousands, and none of them helps anybody."""
CLUSTER_GAP_MM: Final = 2.0
"""Bodies whose outlines are nearer than this are one cluster."""
SESAMOID_REACH_MM: Final = {"MCP1": 15.0, "IP1": 9.0, "MCP2": 11.0, "MCP3": 9.0, "MCP4": 9.0, "MCP5": 11.0}
"""How far from a joint its sesamoids lie. Elsewhere nothing dense is a normal sesamoid, whatever the network says."""
SESAMOID_LEAST_MM2: Final = 2.0
_SKIRT: Final = 3
_TOUCHING: Final = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Canvas:
    """How one hand's lesion map lies on the film.

    Attributes:
        x0: the crop's first column on the film.
        y0: the crop's first row.
        mapping: from the crop to the network's input.
        mm_per_pixel: of the film.
    """

    x0: int
    y0: int
    mapping: prepare.Mapping
    mm_per_pixel: float

    @property
    def cell_mm(self) -> float:
        """The side of a map's cell."""
        return STRIDE / self.mapping.scale * self.mm_per_pixel

    def to_film(self, points: Points) -> Points:
        """Points in cells to points in pixels of the film."""
        inside = (points + 0.5) * STRIDE - 0.5
        offset = np.array([self.mapping.dx, self.mapping.dy], dtype=np.float64)
        start = np.array([self.x0, self.y0], dtype=np.float64)
        film: Points = (inside - offset + 0.5) / self.mapping.scale - 0.5 + start
        return film

    def axes(self, shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The film's x of each column of cells, and y of each row."""
        across = self.to_film(np.stack([np.arange(shape[1]), np.zeros(shape[1])], axis=1).astype(np.float64))
        down = self.to_film(np.stack([np.zeros(shape[0]), np.arange(shape[0])], axis=1).astype(np.float64))
        return across[:, 0], down[:, 1]


@dataclass(frozen=True, slots=True)
class Body:
    """One connected dense thing.

    Attributes:
        kind: what the network takes it for.
        score: its highest certainty.
        rows: of its cells.
        columns: of its cells.
        points: outline in pixels of the film.
        area_mm2: within the outline, less holes.
    """

    kind: Kind
    score: float
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    points: Points
    area_mm2: float


def bodies(
    maps: Maps, canvas: Canvas, thresholds: Thresholds, keypoints: Mapping[str, Point], *, least: float = FLOOR
) -> list[Body]:
    """The bodies of one hand's maps [3 or 4, rows, columns], the surest first; calcifications from a score of `least`.

    A calcification that the network holds more for metal, or near certain joints for a sesamoid, is left to that kind.
    """
    calcified, sesamoid, metal = maps[:3]
    certainty = maps[3] if len(maps) > len(FIRST_LESION_CHANNELS) else calcified
    sesamoid = np.where(sesamoid_zone(keypoints, canvas, calcified.shape), sesamoid, np.float32(0))
    level = thresholds.outline
    sesamoids = _Field("sesamoid", sesamoid, sesamoid, canvas).bodies(thresholds.sesamoid, level)
    found = [
        *(body for body in sesamoids if body.area_mm2 >= SESAMOID_LEAST_MM2),
        *_Field("metal", metal, metal, canvas).bodies(thresholds.metal, level),
    ]
    for body in _Field("calcification", calcified, certainty, canvas).bodies(least, level):
        cells = body.rows, body.columns
        mean = float(calcified[cells].mean())
        if max(float(sesamoid[cells].mean()), float(metal[cells].mean())) < mean:
            found.append(body)
    return sorted(found, key=lambda b: (-b.score, b.kind, int(b.rows[0]), int(b.columns[0])))


def sesamoid_zone(keypoints: Mapping[str, Point], canvas: Canvas, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Cells near enough to a joint that has sesamoids."""
    xs, ys = canvas.axes((shape[0], shape[1]))
    zone = np.zeros(shape, dtype=np.bool_)
    for name, reach_mm in SESAMOID_REACH_MM.items():
        if name in keypoints:
            x, y = keypoints[name]
            zone |= (xs[None, :] - x) ** 2 + (ys[:, None] - y) ** 2 <= (reach_mm / canvas.mm_per_pixel) ** 2
    return zone


def clusters(found: list[Body], canvas: Canvas, shape: tuple[int, int]) -> list[list[Body]]:
    """Bodies grouped by nearness, the surest first in each group and over all."""
    if not found:
        return []
    empty = np.ones(shape, dtype=np.bool_)
    for body in found:
        empty[body.rows, body.columns] = False
    away = ndimage.distance_transform_edt(empty)
    joined, _ = ndimage.label(away <= CLUSTER_GAP_MM / canvas.cell_mm / 2 + 0.5, structure=_TOUCHING)
    groups: dict[int, list[Body]] = {}
    for body in found:
        groups.setdefault(int(joined[body.rows[0], body.columns[0]]), []).append(body)
    return sorted(groups.values(), key=lambda group: -group[0].score)


@dataclass(frozen=True, slots=True)
class _Field:
    """What one kind of body is cut out of: where it is (`heat`) and how sure that is (`certainty`), cell by cell."""

    kind: Kind
    heat: NDArray[np.float32]
    certainty: NDArray[np.float32]
    canvas: Canvas

    def bodies(self, least: float, level: float) -> list[Body]:
        """Bodies whose certainty is at least `least`: those whose heat reaches `level`, then the fainter ones."""
        sure, windows = self._labelled(self.heat >= level, least)
        found = [self._body(self.heat, sure[window] == i, window, level) for i, window in windows]
        taken = sure > 0
        if windows:
            taken = ndimage.binary_dilation(taken, structure=_TOUCHING, iterations=2)
        faint, windows = self._labelled((self.certainty >= least / 2) & ~taken, least)
        found += [self._faint(faint[window] == i, window, least) for i, window in windows]
        return [body for body in found if body is not None and body.score >= least]

    def _labelled(
        self, mask: NDArray[np.bool_], least: float
    ) -> tuple[NDArray[np.integer[Any]], list[tuple[int, Window]]]:
        """Connected parts, and windows with a margin of one cell around those that reach `least`, the surest first."""
        labels, count = ndimage.label(mask, structure=_TOUCHING)
        if not count:
            return labels, []
        inside = labels > 0
        highest = np.zeros(count + 1, dtype=self.certainty.dtype)
        np.maximum.at(highest, labels[inside], self.certainty[inside])  # ndimage.maximum sorts the whole map
        peaks = highest[1:]
        order = [int(i) for i in np.argsort(-peaks, kind="stable")[:MOST] if peaks[i] >= least]
        boxes = ndimage.find_objects(labels)
        windows = [
            (i + 1, (slice(max(0, r.start - 1), r.stop + 1), slice(max(0, c.start - 1), c.stop + 1)))
            for i in order
            for r, c in [boxes[i]]
        ]
        return labels, windows

    def _faint(self, mine: NDArray[np.bool_], window: Window, least: float) -> Body | None:
        """The body in a patch that never reaches the level: what is above half its peak, around the peak.

        A patch whose peak isn't one of the map is the skirt of a surer body.
        """
        values = np.where(mine, self.certainty[window], 0)
        peak = float(values.max())
        row, column = (int(i) for i in np.unravel_index(int(np.argmax(values)), values.shape))
        row, column = row + window[0].start, column + window[1].start
        beside = slice(max(0, row - _SKIRT), row + _SKIRT + 1), slice(max(0, column - _SKIRT), column + _SKIRT + 1)
        around = self.certainty[beside]
        if peak < least or float(around.max()) > peak:
            return None
        labels, _ = ndimage.label(values >= peak / 2, structure=_TOUCHING)
        mine = labels == labels.ravel()[int(np.argmax(values))]
        return self._body(self.certainty, mine, window, peak / 2)

    def _body(self, field: NDArray[np.float32], mine: NDArray[np.bool_], window: Window, level: float) -> Body | None:
        """One body: its cells, and its outline in `field` with other bodies blanked."""
        values = field[window]
        rows, columns = np.nonzero(mine)
        line = outline(np.where(mine | (values < level), values, 0), level)
        if len(line.points) < 3:
            return None
        top, left = window[0].start, window[1].start
        points = self.canvas.to_film(line.points + np.array([left, top], dtype=np.float64))
        area = line.area * self.canvas.cell_mm**2
        score = float(self.certainty[window][mine].max())
        return Body(self.kind, score, rows + top, columns + left, points, area)
