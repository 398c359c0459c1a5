"""The film with the findings drawn on it: a picture that any viewer shows, for archives that can't show the report.

From the top: the outcome and "Automated, unverified, not for diagnosis"; the film, outlines solid for definite and
dashed for possible, numbered, with side and scale; then the list, the legend, what qualifies it, and who made it.
No name, date of birth or identifier of a patient is drawn. Nothing is told by colour alone.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

from PIL import Image

from edge.clock import Stamp
from edge.report import wording
from edge.report.device import DeviceId
from edge.report.panels import ALARM, COLOURS, NOT_COUNTED, above, below
from edge.report.pen import BLACK, WHITE, Box, Pen, bounds, grown
from edge.types import Analysis, Findings, NotAnalysed, Point

LONG_SIDE: Final = 2000
"""No side of the picture is longer."""

_TALLEST_FILM: Final = 1500
_WIDEST: Final = 1800
_NARROWEST: Final = 1000


def overlay(analysis: Analysis, picture_png: bytes | None, *, made_at: Stamp, device: DeviceId) -> Image.Image:
    """The picture, 8-bit RGB, no side longer than `LONG_SIDE`.

    Raises:
        OSError: if `picture_png` can't be read.
    """
    film = None if picture_png is None else Image.open(io.BytesIO(picture_png))
    width = _NARROWEST
    if film is not None:
        width = max(width, round(film.width * min(_TALLEST_FILM / film.height, _WIDEST / film.width)))
    unit = min(26, max(20, round(width / 52)))
    head, foot = above(analysis, unit, width), below(analysis, device, made_at, unit, width)
    drawn = None
    if film is not None:
        room = min(_TALLEST_FILM, LONG_SIDE - head.height - foot.height)
        drawn = _drawn(film, min(width / film.width, room / film.height), analysis, unit)
    height = head.height + (drawn.height if drawn else 0) + foot.height
    canvas = Image.new("RGB", (width, height), BLACK)
    canvas.paste(head, (0, 0))
    if drawn is not None:
        canvas.paste(drawn, ((width - drawn.width) // 2, head.height))
    canvas.paste(foot, (0, height - foot.height))
    if isinstance(analysis, NotAnalysed):
        Pen(canvas, unit).rectangle((0, 0, width - 1, height - 1), edge=ALARM, width=unit // 3)
    return canvas


def _drawn(film: Image.Image, scale: float, analysis: Analysis, unit: int) -> Image.Image:
    """The film at `scale` drawn pixels per film pixel, in colour, with its findings marked."""
    size = (max(1, round(film.width * scale)), max(1, round(film.height * scale)))
    picture = film.convert("L").resize(size, Image.Resampling.HAMMING, reducing_gap=2.0).convert("RGB")
    if isinstance(analysis, Findings):
        mark(picture, analysis, scale, unit)
    return picture


def mark(picture: Image.Image, findings: Findings, scale: float, unit: int) -> None:
    """Draws scale, outlines, numbers and sides on a film with `scale` drawn pixels per film pixel."""
    pen = Pen(picture, unit)
    inside: Box = (4, 4, picture.width - 5, picture.height - 5)
    _scale_bar(pen, findings, scale, inside)
    for item in findings.ignored:
        corner, opposite = _scaled([(item.bbox[0], item.bbox[1]), (item.bbox[2], item.bbox[3])], scale)
        pen.dotted((corner[0] - 4, corner[1] - 4, opposite[0] + 4, opposite[1] + 4), NOT_COUNTED)
    outlined = []
    for lesion in wording.reported(findings):
        points = grown(_scaled(lesion.polygon, scale), unit * 0.35)
        pen.outline(points, COLOURS[lesion.certainty], 3, dashed=lesion.certainty == "possible")
        outlined.append((lesion, bounds(points)))
    for number, (lesion, box) in enumerate(outlined, 1):
        pen.label(f"{number} {lesion.region}", box, COLOURS[lesion.certainty], inside)
    for hand in findings.hands:
        (left, top), (right, bottom) = _scaled([(hand.bbox[0], hand.bbox[1]), (hand.bbox[2], hand.bbox[3])], scale)
        pen.caption(wording.side_words(hand.side), (left, top, right, bottom), inside)


def _scale_bar(pen: Pen, findings: Findings, scale: float, inside: Box) -> None:
    if findings.image.mm_per_pixel is None:
        pen.text((pen.unit, inside[3] - 1.6 * pen.unit), "scale unknown", halo=True)
        return
    drawn_per_mm = scale / findings.image.mm_per_pixel
    longest = (inside[2] - inside[0]) / 3
    length_mm = next((mm for mm in (50, 20, 10, 5, 2, 1) if mm * drawn_per_mm <= longest), 1)
    left, right, y = pen.unit, pen.unit + length_mm * drawn_per_mm, inside[3] - 0.8 * pen.unit
    bar: Sequence[Point] = [(left, y - 8), (left, y), (right, y), (right, y - 8)]
    pen.line(bar, BLACK, 7)
    pen.line(bar, WHITE, 3)
    pen.text((left + 4, y - 1.6 * pen.unit), f"{length_mm} mm (approximate)", halo=True)
    pen.keep_free((left, y - 1.8 * pen.unit, max(right, left + 9 * pen.unit), y + 4))


def _scaled(points: Sequence[Point], scale: float) -> list[Point]:
    """Film pixels, centres at whole numbers, to drawn pixels of the same convention."""
    return [((x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5) for x, y in points]
