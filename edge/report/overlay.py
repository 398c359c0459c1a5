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
from edge.report.pen import BLACK, WHITE, Box, Colour, Pen, bounds, grown, wrapped
from edge.types import Analysis, Findings, Lesion, NotAnalysed, Point

LONG_SIDE: Final = 2000
"""No side of the picture is longer."""

_FILM_SIDE: Final = 1500
_NARROWEST: Final = 1000
_LISTED: Final = 10
_QUALIFIED: Final = 12
"""Most lesions listed and most lines of small print: the film keeps its place."""

_DEFINITE: Final[Colour] = (255, 221, 51)
_POSSIBLE: Final[Colour] = (102, 221, 255)
_NOT_COUNTED: Final[Colour] = (190, 190, 190)
_PANEL: Final[Colour] = (24, 24, 28)
_ALARM: Final[Colour] = (150, 20, 20)
_QUIET: Final[Colour] = (200, 200, 200)


def overlay(analysis: Analysis, picture_png: bytes | None, *, made_at: Stamp, device: DeviceId) -> Image.Image:
    """The picture, 8-bit RGB, no side longer than `LONG_SIDE`."""
    film, scale = _film(picture_png)
    width = max(_NARROWEST, film.width if film else 0)
    unit = max(20, round(width / 52))
    above, below = _above(analysis, unit, width), _below(analysis, device, made_at, unit, width)
    if film is not None and (room := LONG_SIDE - above.height - below.height) < film.height:
        scale *= room / film.height
        film = film.resize((max(1, round(film.width * room / film.height)), room), Image.Resampling.BILINEAR)
    height = film.height if film else 0
    canvas = Image.new("RGB", (width, above.height + height + below.height), BLACK)
    canvas.paste(above, (0, 0))
    if film is not None:
        picture = film.convert("RGB")
        if isinstance(analysis, Findings):
            _mark(picture, analysis, scale, unit)
        canvas.paste(picture, ((width - film.width) // 2, above.height))
    canvas.paste(below, (0, above.height + height))
    if isinstance(analysis, NotAnalysed):
        Pen(canvas, unit).rectangle((0, 0, canvas.width - 1, canvas.height - 1), edge=_ALARM, width=unit // 3)
    return canvas


def _film(picture_png: bytes | None) -> tuple[Image.Image | None, float]:
    """The film in grey at drawing size, and drawn pixels per film pixel."""
    if picture_png is None:
        return None, 1.0
    whole = Image.open(io.BytesIO(picture_png)).convert("L")
    scale = _FILM_SIDE / max(whole.size)
    size = (max(1, round(whole.width * scale)), max(1, round(whole.height * scale)))
    return whole.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0), scale


def _above(analysis: Analysis, unit: int, width: int) -> Image.Image:
    failed = isinstance(analysis, NotAnalysed)
    head = round(unit * (2.4 if failed else 1.6))
    said = wrapped(wording.headline(analysis), head, width - 2 * unit)
    told = [wording.UNVERIFIED]
    if failed:
        told = [*wrapped(wording.summary(analysis)[0].removeprefix("NOT ANALYSED: "), unit, width - 2 * unit), *told]
    height = round(unit * 1.2 + len(said) * head * 1.3 + len(told) * unit * 1.4)
    panel = Image.new("RGB", (width, height), _ALARM if failed else _PANEL)
    pen, y = Pen(panel, unit), unit * 0.5
    for line in said:
        pen.text((unit, y), line, size=head)
        y += head * 1.3
    for line in told:
        pen.text((unit, y), line)
        y += unit * 1.4
    return panel


def _mark(picture: Image.Image, findings: Findings, scale: float, unit: int) -> None:
    pen = Pen(picture, unit)
    inside: Box = (4, 4, picture.width - 5, picture.height - 5)
    _scale_bar(pen, findings, scale, inside)
    for item in findings.ignored:
        corner, opposite = _scaled([(item.bbox[0], item.bbox[1]), (item.bbox[2], item.bbox[3])], scale)
        pen.dotted((corner[0] - 4, corner[1] - 4, opposite[0] + 4, opposite[1] + 4), _NOT_COUNTED)
    for hand in findings.hands:
        at = _scaled([(hand.bbox[0], hand.bbox[1])], scale)[0]
        said = wording.side_words(hand.side)
        wide, high = pen.measure(said, unit)
        at = (min(at[0], picture.width - wide - 6), at[1] + 2)
        pen.text(at, said, halo=True)
        pen.keep_free((at[0], at[1], at[0] + wide, at[1] + high))
    drawn = []
    for lesion in wording.reported(findings):
        points = grown(_scaled(lesion.polygon, scale), unit * 0.35)
        pen.outline(points, _colour(lesion), 3, dashed=lesion.certainty == "possible")
        drawn.append((lesion, bounds(points)))
    for number, (lesion, mark) in enumerate(drawn, 1):
        pen.label(f"{number} {lesion.region}", mark, _colour(lesion), inside)


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


def _below(analysis: Analysis, device: DeviceId, made_at: Stamp, unit: int, width: int) -> Image.Image:
    """The list, the legend and the small print."""
    small = round(unit * 0.85)
    listed = _listed(analysis) if isinstance(analysis, Findings) else []
    qualified = [line for text in wording.comments(analysis) for line in wrapped(text, small, width - 2 * unit)]
    if len(qualified) > _QUALIFIED:
        qualified = [*qualified[: _QUALIFIED - 1], "and more, all in the structured report"]
    prints = [*qualified, *wrapped(_made_by(analysis, device, made_at), small, width - 2 * unit)]
    legend = isinstance(analysis, Findings)
    height = round(unit * (1.0 + 1.45 * len(listed) + 1.9 * legend) + small * 1.4 * len(prints))
    panel = Image.new("RGB", (width, height), _PANEL)
    pen, y = Pen(panel, unit), unit * 0.5
    _table(pen, listed, y)
    y += unit * 1.45 * len(listed)
    if legend:
        _legend(pen, y + unit * 0.2)
        y += unit * 1.9
    for line in prints:
        pen.text((unit, y), line, _QUIET, small)
        y += small * 1.4
    return panel


def _listed(findings: Findings) -> list[tuple[str, ...]]:
    lesions, labels = wording.reported(findings), wording.hand_labels(findings.hands)
    sized = findings.image.mm_per_pixel is not None
    rows: list[tuple[str, ...]] = [
        (
            str(number),
            f"{labels[lesion.hand]}-{lesion.region}",
            lesion.certainty,
            f"{lesion.type}, {lesion.distribution}",
            f"{lesion.area_mm2:.1f} mm2, long axis {lesion.long_axis_mm:.1f} mm" if sized else "size unknown",
            f"density {lesion.density_grade}",
            f"score {lesion.score:.2f}",
        )
        for number, lesion in enumerate(lesions, 1)
    ]
    if len(rows) > _LISTED:
        rows = [*rows[:_LISTED], ("", f"and {len(rows) - _LISTED} more, all in the structured report")]
    return rows


def _table(pen: Pen, rows: Sequence[tuple[str, ...]], top: float) -> None:
    full = [row for row in rows if len(row) > 2]
    x = float(pen.unit)
    for column in range(max((len(row) for row in full), default=0)):
        for n, row in enumerate(rows):
            if column < len(row):
                pen.text((x, top + n * pen.unit * 1.45), row[column])
        x += max(pen.measure(row[column], pen.unit)[0] for row in full) + pen.unit


def _legend(pen: Pen, y: float) -> None:
    x, middle = float(pen.unit), y + pen.unit * 0.6
    for words, colour, width, dashed in (
        ("definite", _DEFINITE, 3, False),
        ("possible", _POSSIBLE, 3, True),
        ("not counted", _NOT_COUNTED, 1, True),
    ):
        pen.line([(x, middle), (x + 3 * pen.unit, middle)], colour, width, dashed=dashed)
        pen.text((x + 3.5 * pen.unit, y), words, colour)
        x += 4.5 * pen.unit + pen.measure(words, pen.unit)[0]


def _made_by(analysis: Analysis, device: DeviceId, made_at: Stamp) -> str:
    model = analysis.model
    by = "model not stated" if model is None else f"model {model.name} {model.version} ({model.sha256[:12]})"
    when = made_at.utc.strftime("%Y-%m-%d %H:%M UTC") + ("" if made_at.trusted else ", clock not confirmed")
    return f"{device.model} {device.software_version}, {by}. Made {when}. Research use only, not a medical device."


def _colour(lesion: Lesion) -> Colour:
    return _POSSIBLE if lesion.certainty == "possible" else _DEFINITE


def _scaled(points: Sequence[Point], scale: float) -> list[Point]:
    """Film pixels, centres at whole numbers, to drawn pixels of the same convention."""
    return [((x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5) for x, y in points]
