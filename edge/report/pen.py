"""Drawing on a film so that it can be read: lines with a dark halo, dashes, labels that keep out of each other's way.

Sizes are pixels of the picture drawn on. Nothing here knows what is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from edge.types import Point

Box = tuple[float, float, float, float]
"""left, top, right, bottom."""
Colour = tuple[int, int, int]

BLACK: Final[Colour] = (0, 0, 0)
WHITE: Final[Colour] = (255, 255, 255)

_COMPASS: Final = tuple(
    (math.cos(turn * math.pi / 4), math.sin(turn * math.pi / 4)) for turn in (7, 1, 5, 3, 0, 4, 6, 2)
)
"""Where a label may stand around its mark, the preferred places first: right and above, right and below, ..."""


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own typeface: no font file is needed on the machine."""
    face = ImageFont.load_default(size)
    assert isinstance(face, ImageFont.FreeTypeFont), "Pillow is built with FreeType"
    return face


def grown(points: Sequence[Point], margin: float) -> list[Point]:
    """The outline moved away from its middle by `margin`, so that the line does not cover what it encloses."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    moved = []
    for x, y in points:
        reach = math.hypot(x - middle_x, y - middle_y)
        factor = 1.0 + margin / max(reach, 1.0)
        moved.append((middle_x + (x - middle_x) * factor, middle_y + (y - middle_y) * factor))
    return moved


def bounds(points: Iterable[Point]) -> Box:
    """The box around some points."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


class Pen:
    """Draws on one picture. `unit` is the height of its plain text."""

    def __init__(self, picture: Image.Image, unit: int) -> None:
        self._draw = ImageDraw.Draw(picture)
        self._size = picture.size
        self.unit = unit
        self._taken: list[Box] = []

    def outline(self, points: Sequence[Point], colour: Colour, width: int, *, dashed: bool) -> None:
        """A closed line with a dark halo; the area around it is kept free of labels."""
        path = [*points, points[0]]
        strokes = list(_dashes(path, 4.0 * width, 3.0 * width)) if dashed else [path]
        for stroke in strokes:
            self._draw.line(stroke, BLACK, width + 2, joint="curve")
        for stroke in strokes:
            self._draw.line(stroke, colour, width, joint="curve")
        self._taken.append(bounds(points))

    def label(self, text: str, mark: Box, colour: Colour, within: Box) -> None:
        """Text beside `mark` with a line to it, where it covers no other label or mark, inside `within`."""
        wide, high = self.width_of(text, self.unit) + self.unit // 2, self.unit * 1.3 + self.unit // 3
        middle = ((mark[0] + mark[2]) / 2, (mark[1] + mark[3]) / 2)
        reach = ((mark[2] - mark[0]) / 2, (mark[3] - mark[1]) / 2)
        best, least = None, math.inf
        for distance in (0.7, 1.6, 2.6, 4.0):
            for dx, dy in _COMPASS:
                x = middle[0] + dx * (reach[0] + distance * self.unit) + (dx - 1) * wide / 2
                y = middle[1] + dy * (reach[1] + distance * self.unit) + (dy - 1) * high / 2
                box = _pushed((x, y, x + wide, y + high), within)
                covered = sum(_overlap(box, taken) for taken in self._taken)
                if covered < least:
                    best, least = box, covered
            if least == 0:
                break
        assert best is not None
        self._taken.append(best)
        near = (min(max(middle[0], best[0]), best[2]), min(max(middle[1], best[1]), best[3]))
        start = _towards(middle, near, math.hypot(*reach) * 0.72)
        self._draw.line([start, near], BLACK, 4)
        self._draw.line([start, near], colour, 2)
        self._draw.rectangle(best, BLACK, colour, 2)
        self._draw.text(((best[0] + best[2]) / 2, (best[1] + best[3]) / 2), text, WHITE, font(self.unit), "mm")

    def caption(self, text: str, box: Box, within: Box) -> None:
        """Text at an edge of `box`, where it covers the least of what is drawn already, inside `within`."""
        wide, high = self.width_of(text, self.unit), self.unit * 1.3
        middle = (box[0] + box[2] - wide) / 2
        spots = [(box[0], box[1]), (box[2] - wide, box[1]), (middle, box[3] - high), (middle, box[1])]
        places = [_pushed((x, y, x + wide, y + high), within) for x, y in spots]
        best = min(places, key=lambda place: sum(_overlap(place, taken) for taken in self._taken))
        self.text((best[0], best[1]), text, halo=True)
        self._taken.append(best)

    def keep_free(self, box: Box) -> None:
        """No label goes here."""
        self._taken.append(box)

    def rectangle(self, box: Box, fill: Colour | None = None, edge: Colour | None = None, width: int = 1) -> None:
        """A plain box."""
        self._draw.rectangle(box, fill, edge, width)

    def dotted(self, box: Box, colour: Colour) -> None:
        """A thin dotted box."""
        left, top, right, bottom = box
        for stroke in _dashes([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], 2.0, 4.0):
            self._draw.line(stroke, colour, 1)

    def line(self, points: Sequence[Point], colour: Colour, width: int, *, dashed: bool = False) -> None:
        """An open line without a halo."""
        for stroke in _dashes(points, 4.0 * width, 3.0 * width) if dashed else [points]:
            self._draw.line(list(stroke), colour, width)

    def text(
        self, at: Point, text: str, colour: Colour = WHITE, size: int | None = None, *, halo: bool = False
    ) -> None:
        """One line of text, its top left corner at `at`."""
        face = font(size or self.unit)
        self._draw.text(at, text, colour, face, "la", stroke_width=2 if halo else 0, stroke_fill=BLACK)

    @staticmethod
    def width_of(text: str, size: int) -> int:
        """How wide a line of text is."""
        return math.ceil(font(size).getlength(text))


def wrapped(text: str, size: int, width: float) -> list[str]:
    """The text in lines no wider than `width`; a word that is wider stands alone."""
    lines: list[str] = []
    for word in text.split():
        if lines and font(size).getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _dashes(path: Sequence[Point], on: float, off: float) -> Iterable[list[Point]]:
    """The pieces of `path` that are drawn when it is dashed."""
    stroke: list[Point] = [path[0]]
    drawing, left = True, on
    for (x0, y0), (x1, y1) in pairwise(path):
        length, done = math.hypot(x1 - x0, y1 - y0), 0.0
        while length - done > left:
            done += left
            here = (x0 + (x1 - x0) * done / length, y0 + (y1 - y0) * done / length)
            if drawing:
                yield [*stroke, here]
            stroke = [here]
            drawing, left = not drawing, off if drawing else on
        left -= length - done
        stroke.append((x1, y1))
    if drawing and len(stroke) > 1:
        yield stroke


def _pushed(box: Box, within: Box) -> Box:
    """`box` moved by the least that brings it inside `within`."""
    dx = max(within[0] - box[0], 0.0) + min(within[2] - box[2], 0.0)
    dy = max(within[1] - box[1], 0.0) + min(within[3] - box[3], 0.0)
    return box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy


def _overlap(a: Box, b: Box) -> float:
    """Area that two boxes share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _towards(start: Point, end: Point, step: float) -> Point:
    """The point `step` away from `start` on the way to `end`, never past it."""
    length = math.hypot(end[0] - start[0], end[1] - start[1])
    share = 0.0 if length == 0 else min(1.0, step / length)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
