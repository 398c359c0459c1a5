"""A small plotter on Pillow: axes with ticks, lines, dots. Enough for the report's figures, and nothing to install."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from PIL import Image, ImageDraw, ImageFont

Scale = Literal["linear", "log"]

COLOURS: Final = ("#1b6ca8", "#c8553d", "#3b8b5a", "#7a5195", "#b8860b", "#555555", "#d45087", "#2f4b7c")
_WIDTH, _HEIGHT = 760, 520
_LEFT, _TOP, _RIGHT, _BOTTOM = 72, 44, 24, 62


class Plot:
    """One figure: `x` and `y` are the axes' ends in values."""

    def __init__(
        self, title: str, x_label: str, y_label: str, *, x: tuple[float, float], y: tuple[float, float], scale: Scale
    ) -> None:
        """Draws an empty frame; `scale` is that of x."""
        self._x, self._y, self._scale = x, y, scale
        self._image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
        self._draw = ImageDraw.Draw(self._image)
        self._font, self._small = ImageFont.load_default(size=15), ImageFont.load_default(size=12)
        self._entries = 0
        self._draw.text((_WIDTH / 2, 18), title, fill="black", font=self._font, anchor="mm")
        self._draw.text((_WIDTH / 2, _HEIGHT - 16), x_label, fill="black", font=self._small, anchor="mm")
        label = Image.new("RGB", (_HEIGHT, 22), "white")
        ImageDraw.Draw(label).text((_HEIGHT / 2, 11), y_label, fill="black", font=self._small, anchor="mm")
        self._image.paste(label.rotate(90, expand=True), (4, 0))
        self._frame()

    def line(self, points: Sequence[tuple[float, float]], name: str, *, dots: bool = True) -> None:
        """A line through points, named in the legend."""
        colour = COLOURS[self._entries % len(COLOURS)]
        places = [self._at(x, y) for x, y in points]
        if len(places) > 1:
            self._draw.line(places, fill=colour, width=2)
        if dots:
            for place in places:
                self._dot(place, colour, 3)
        self._legend(name, colour)

    def dots(self, points: Sequence[tuple[float, float]], name: str) -> None:
        """Points alone."""
        colour = COLOURS[self._entries % len(COLOURS)]
        for x, y in points:
            self._dot(self._at(x, y), colour, 3)
        self._legend(name, colour)

    def rule(self, start: tuple[float, float], stop: tuple[float, float], grey: str = "#999999") -> None:
        """A thin straight line without a name."""
        self._draw.line([self._at(*start), self._at(*stop)], fill=grey, width=1)

    def save(self, path: Path) -> None:
        """Writes a PNG of few colours."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._image.quantize(32).save(path, "PNG", optimize=True)

    def _at(self, x: float, y: float) -> tuple[float, float]:
        low, high = self._x
        if self._scale == "log":
            part = (math.log(max(x, low)) - math.log(low)) / (math.log(high) - math.log(low))
        else:
            part = (x - low) / (high - low)
        part, up = min(max(part, -0.02), 1.02), min(max((y - self._y[0]) / (self._y[1] - self._y[0]), -0.02), 1.02)
        return _LEFT + part * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)

    def _frame(self) -> None:
        for value in _ticks(*self._y):
            start, stop = self._at(self._x[0], value), self._at(self._x[1], value)
            self._draw.line([start, stop], fill="#e6e6e6")
            self._draw.text((start[0] - 6, start[1]), f"{value:g}", fill="black", font=self._small, anchor="rm")
        values = _log_ticks(*self._x) if self._scale == "log" else _ticks(*self._x)
        for value in values:
            start, stop = self._at(value, self._y[0]), self._at(value, self._y[1])
            self._draw.line([start, stop], fill="#e6e6e6")
            self._draw.text((start[0], start[1] + 6), f"{value:g}", fill="black", font=self._small, anchor="mt")
        corner, other = self._at(self._x[0], self._y[0]), self._at(self._x[1], self._y[1])
        self._draw.rectangle([corner[0], other[1], other[0], corner[1]], outline="black")

    def _dot(self, at: tuple[float, float], colour: str, radius: int) -> None:
        x, y = at
        self._draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)

    def _legend(self, name: str, colour: str) -> None:
        y = _HEIGHT - _BOTTOM - 18 - 17 * self._entries
        x = _WIDTH - _RIGHT - 12
        self._draw.text((x - 14, y), name, fill="black", font=self._small, anchor="rm")
        self._dot((x - 4, y), colour, 5)
        self._entries += 1


def _ticks(low: float, high: float) -> list[float]:
    """About five round values."""
    rough = (high - low) / 5
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round((first + i) * step, 10) for i in range(int((high - first * step) / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    return [k * 10.0**d for d in decades for k in (1, 2, 5) if low * 0.999 <= k * 10.0**d <= high * 1.001]
