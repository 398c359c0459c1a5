"""What stands above and below the film in the overlay picture: outcome, list, legend, small print.

Each panel is as wide as the picture and as high as its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PIL import Image

from edge.clock import Stamp
from edge.report import wording
from edge.report.device import DeviceId
from edge.report.pen import Colour, Pen, wrapped
from edge.types import Analysis, Certainty, Findings, NotAnalysed

COLOURS: Final[dict[Certainty, Colour]] = {"definite": (255, 221, 51), "possible": (102, 221, 255)}
NOT_COUNTED: Final[Colour] = (190, 190, 190)
ALARM: Final[Colour] = (150, 20, 20)

_PANEL: Final[Colour] = (24, 24, 28)
_QUIET: Final[Colour] = (200, 200, 200)
_LISTED: Final = 10
_QUALIFIED: Final = 14
"""Most lesions listed and most lines of small print: the film keeps its place."""
_PRINT_WIDTH: Final = 620
"""Small print stands beside the list where at least so much is left."""

Row = tuple[str, ...]


def above(analysis: Analysis, unit: int, width: int) -> Image.Image:
    """The outcome, large, and that it is automated and unverified; red and larger when nothing was analysed."""
    failed = isinstance(analysis, NotAnalysed)
    head = round(unit * (2.4 if failed else 1.6))
    said = wrapped(wording.headline(analysis), head, width - 2 * unit)
    told = [wording.UNVERIFIED]
    if failed:
        told = [*wrapped(wording.summary(analysis)[0].removeprefix("NOT ANALYSED: "), unit, width - 2 * unit), *told]
    height = round(unit * 1.2 + len(said) * head * 1.3 + len(told) * unit * 1.4)
    panel = Image.new("RGB", (width, height), ALARM if failed else _PANEL)
    pen, y = Pen(panel, unit), unit * 0.5
    for line in said:
        pen.text((unit, y), line, size=head)
        y += head * 1.3
    for line in told:
        pen.text((unit, y), line)
        y += unit * 1.4
    return panel


def below(analysis: Analysis, device: DeviceId, made_at: Stamp, unit: int, width: int) -> Image.Image:
    """The list of findings, the legend, what qualifies the result, and who made it; side by side where it is wide."""
    small = round(unit * 0.85)
    room = width - 2 * unit
    found = isinstance(analysis, Findings)
    table = _Table(_rows(analysis) if isinstance(analysis, Findings) else [], small)
    listed = table.height + 1.9 * unit * found
    beside = 0 < table.width <= room - _PRINT_WIDTH
    column = room - table.width if beside else room
    prints = _small_print(analysis, _made_by(analysis, device, made_at), small, column)
    printed = small * 1.4 * len(prints)
    panel = Image.new("RGB", (width, round(unit + (max(listed, printed) if beside else listed + printed))), _PANEL)
    pen, y = Pen(panel, unit), unit * 0.5
    table.draw(pen, unit, y)
    if found:
        _legend(pen, y + table.height + unit * 0.2)
    at = (unit + table.width, y) if beside else (unit, y + listed)
    for n, line in enumerate(prints):
        pen.text((at[0], at[1] + n * small * 1.4), line, _QUIET, small)
    return panel


def _small_print(analysis: Analysis, made_by: str, size: int, width: float) -> list[str]:
    lines = [line for text in wording.comments(analysis) for line in wrapped(text, size, width)]
    if len(lines) > _QUALIFIED:
        lines = [*lines[: _QUALIFIED - 1], "and more, all in the structured report"]
    return [*lines, *wrapped(made_by, size, width)]


class _Table:
    """Rows in aligned columns. A row of one cell runs across them."""

    def __init__(self, rows: Sequence[Row], size: int) -> None:
        full = [row for row in rows if len(row) > 1]
        widths = [max(Pen.width_of(row[n], size) for row in full) + size for n in range(len(full[0]))] if full else []
        self._rows = rows
        self._size = size
        self._offsets = [sum(widths[:n]) for n in range(len(widths) + 1)]
        self.width = self._offsets[-1] + 2 * size * bool(full)
        self.height = 1.5 * size * len(rows)

    def draw(self, pen: Pen, left: float, top: float) -> None:
        """Draws it with its top left corner there."""
        for n, row in enumerate(self._rows):
            for offset, cell in zip(self._offsets, row, strict=False):
                pen.text((left + offset, top + n * 1.5 * self._size), cell, size=self._size)


def _rows(findings: Findings) -> list[Row]:
    lesions, labels = wording.reported(findings), wording.hand_labels(findings.hands)
    sized = findings.image.mm_per_pixel is not None
    rows: list[Row] = [
        (
            str(number),
            f"{labels[lesion.hand]}-{lesion.region}",
            lesion.certainty,
            f"{lesion.type}, {lesion.distribution}",
            f"{lesion.area_mm2:.1f} mm2, {lesion.long_axis_mm:.1f} mm long" if sized else "size unknown",
            f"density {lesion.density_grade}",
            f"score {lesion.score:.2f}",
        )
        for number, lesion in enumerate(lesions, 1)
    ]
    if len(rows) > _LISTED:
        rows = [*rows[:_LISTED], (f"and {len(rows) - _LISTED} more, all in the structured report",)]
    return rows


def _legend(pen: Pen, y: float) -> None:
    x, middle = float(pen.unit), y + pen.unit * 0.6
    for words, colour, width, dashed in (
        ("definite", COLOURS["definite"], 3, False),
        ("possible", COLOURS["possible"], 3, True),
        ("not counted", NOT_COUNTED, 1, True),
    ):
        pen.line([(x, middle), (x + 3 * pen.unit, middle)], colour, width, dashed=dashed)
        pen.text((x + 3.5 * pen.unit, y), words, colour)
        x += 4.5 * pen.unit + pen.width_of(words, pen.unit)


def _made_by(analysis: Analysis, device: DeviceId, made_at: Stamp) -> str:
    model = analysis.model
    by = "model not stated" if model is None else f"model {model.name} {model.version} ({model.sha256[:12]})"
    if model is not None and model.moved_from:
        by += ", thresholds set by the site"
    when = made_at.utc.strftime("%Y-%m-%d %H:%M UTC") + ("" if made_at.trusted else ", clock not confirmed")
    return f"{device.model} {device.software_version}, {by}. Made {when}. Research use only, not a medical device."
