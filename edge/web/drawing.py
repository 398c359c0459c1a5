"""The marks on a film, as numbers for an SVG in the image's own pixel coordinates. Pure geometry.

Each lesion has its outline (solid = definite, dashed = possible), a ring around it that is large enough to be seen
from a metre even when the lesion is a few pixels wide, and a numbered label that covers neither ring nor label of
another lesion where there is room.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge.types import DIGITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edge.types import BBox, Findings, Hand, Lesion, Point

_RING_SHARE: Final = 0.016
"""The least radius of a ring, as a share of the film's longer side."""
_LABEL_SHARE: Final = 0.030
_DIRECTIONS: Final = tuple((math.cos(a), math.sin(a)) for a in (math.radians(22.5 * step) for step in range(16)))
_DISTANCES: Final = (1.05, 2.0, 3.2)
_BETWEEN: Final = {
    "DP1": ("TIP1", "IP1"),
    "PP1": ("IP1", "MCP1"),
    **{f"DP{d}": (f"TIP{d}", f"DIP{d}") for d in DIGITS[1:]},
    **{f"MP{d}": (f"DIP{d}", f"PIP{d}") for d in DIGITS[1:]},
    **{f"PP{d}": (f"PIP{d}", f"MCP{d}") for d in DIGITS[1:]},
}
"""The points that a region lies between."""
_CLOSE_UP_MM: Final = 12.0
_CLOSE_UP_SHARE: Final = 0.06


@dataclass(frozen=True, slots=True)
class Circle:
    """Centre and radius, pixels."""

    x: float
    y: float
    r: float

    def overlaps(self, other: Circle) -> bool:
        """Whether the two discs share a point."""
        return math.hypot(self.x - other.x, self.y - other.y) < self.r + other.r


@dataclass(frozen=True, slots=True)
class Mark:
    """One lesion as drawn. `points` and `view_box` are SVG attribute values; the view box is of its close-up."""

    number: int
    certainty: str
    points: str
    ring: Circle
    label: Circle
    view_box: str


@dataclass(frozen=True, slots=True)
class Box:
    """Something left out, as drawn."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Name:
    """A region's name, where the region lies."""

    region: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything drawn over one film. Pixel centres are whole numbers, so the film begins at -0.5."""

    columns: int
    rows: int
    marks: tuple[Mark, ...]
    boxes: tuple[Box, ...]
    names: tuple[Name, ...]

    @property
    def view_box(self) -> str:
        """The whole film."""
        return f"-0.5 -0.5 {self.columns} {self.rows}"

    @property
    def label_size(self) -> float:
        """Size of a label's digits."""
        return _LABEL_SHARE * max(self.columns, self.rows) * 1.1


def draw(findings: Findings) -> Drawing:
    """The marks of an analysis. Lesions below the *possible* threshold are not drawn."""
    image = findings.image
    longer = max(image.rows, image.columns)
    shown = [lesion for lesion in findings.lesions if lesion.certainty != "below"]
    rings = [_ring(lesion.bbox, _RING_SHARE * longer) for lesion in shown]
    labels = _labels(rings, _LABEL_SHARE * longer, image.columns, image.rows)
    half = _CLOSE_UP_MM / 2 / image.mm_per_pixel if image.mm_per_pixel else _CLOSE_UP_SHARE * longer
    marks = tuple(
        Mark(lesion.id, lesion.certainty, _points(lesion), ring, label, _close_up(ring, half))
        for lesion, ring, label in zip(shown, rings, labels, strict=True)
    )
    boxes = tuple(
        Box(one.kind, x0 - 0.5, y0 - 0.5, x1 - x0 + 1, y1 - y0 + 1)
        for one in findings.ignored
        for x0, y0, x1, y1 in (one.bbox,)
    )
    names = tuple(name for hand in findings.hands for name in _names(hand))
    return Drawing(image.columns, image.rows, marks, boxes, names)


def _names(hand: Hand) -> Iterator[Name]:
    """The regions that lie between points that were found: a phalanx between its joints, a metacarpal below its own."""
    points = {f"TIP{region[-1]}": (tuft.x, tuft.y) for region, tuft in hand.tufts.items()}
    points |= {joint: (found.x, found.y) for joint, found in hand.joints.items()}
    for region, (far, near) in _BETWEEN.items():
        if far in points and near in points:
            (x0, y0), (x1, y1) = points[far], points[near]
            yield Name(region, (x0 + x1) / 2, (y0 + y1) / 2)
    knuckles = [points[f"MCP{d}"] for d in DIGITS if f"MCP{d}" in points]
    middle = points.get("PIP3"), points.get("MCP3")
    if len(knuckles) >= 3 and middle[0] and middle[1]:
        dx, dy = middle[1][0] - middle[0][0], middle[1][1] - middle[0][1]
        for digit in DIGITS:
            if f"MCP{digit}" in points:
                x, y = points[f"MCP{digit}"]
                yield Name(f"MC{digit}", x + 0.6 * dx, y + 0.6 * dy)
        x, y = points["MCP3"]
        yield Name("CARPUS", x + 1.9 * dx, y + 1.9 * dy)


def _ring(bbox: BBox, least: float) -> Circle:
    x0, y0, x1, y1 = bbox
    around = 1.25 * math.hypot(x1 - x0 + 1, y1 - y0 + 1) / 2
    return Circle((x0 + x1) / 2, (y0 + y1) / 2, max(least, around))


def _labels(rings: Sequence[Circle], r: float, columns: int, rows: int) -> list[Circle]:
    """For each ring the nearest place beside it, on the film, that covers nothing; the nearest when all do."""
    placed: list[Circle] = []
    for ring in rings:
        places = [
            Circle(
                _within(ring.x + dx * (ring.r + far * r), r, columns),
                _within(ring.y - dy * (ring.r + far * r), r, rows),
                r,
            )
            for far in _DISTANCES
            for dx, dy in _DIRECTIONS
        ]
        placed.append(next((place for place in places if not _hit(place, (*placed, *rings))), places[0]))
    return placed


def _within(value: float, margin: float, size: int) -> float:
    return min(max(value, margin), size - margin)


def _hit(circle: Circle, others: Iterable[Circle]) -> bool:
    return any(circle.overlaps(other) for other in others)


def _points(lesion: Lesion) -> str:
    outline: Sequence[Point] = lesion.polygon
    if len(outline) < 3:
        x0, y0, x1, y1 = lesion.bbox
        outline = ((x0 - 0.5, y0 - 0.5), (x1 + 0.5, y0 - 0.5), (x1 + 0.5, y1 + 0.5), (x0 - 0.5, y1 + 0.5))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in outline)


def _close_up(ring: Circle, half: float) -> str:
    half = max(half, 1.3 * ring.r)
    return f"{ring.x - half:.1f} {ring.y - half:.1f} {2 * half:.1f} {2 * half:.1f}"
