"""The outlines as a Grayscale Softcopy Presentation State (PS3.3 A.33.1): drawn by the viewer over the film itself.

Outlines are those of the structured report: a closed line for *definite*, dashes for *possible*, each kind in a layer
of its own. The dashes are lines of their own, because a viewer may ignore the attribute for dashed lines. A text in the
corner says that it is automated and unverified. The greyscale is the source's own (`grey`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import hypot
from typing import Final

import numpy as np
from highdicom.color import CIELabColor
from highdicom.pr import AnnotationUnitsValues, GraphicAnnotation, GraphicLayer, GraphicObject, TextObject
from highdicom.pr import GraphicTypeValues as Graphic
from pydicom.dataset import Dataset

from edge.report import wording
from edge.report.document import Setting, local_time, new_object, put_body_part
from edge.report.grey import Grey
from edge.report.panels import COLOURS, NOT_COUNTED
from edge.report.references import source_series
from edge.report.tracked import Tracked
from edge.types import Certainty, Point

LAYERS: Final[Mapping[Certainty, str]] = {"definite": "DEFINITE", "possible": "POSSIBLE"}
NOTE_LAYER: Final = "NOTE"

_DASHES: Final = (4, 12)
"""Fewest and most dashes of one outline."""
_DASH_PX: Final = 10.0
"""About how long a dash and a gap are, in pixels of the film."""
_LABEL_WIDTH: Final = 0.2
"""About how much of the film's width a label takes."""
_NOTE_BOX: Final = (0.02, 0.02, 0.6, 0.05)
"""Where the note stands, in parts of the displayed area: left, top, right, bottom."""


def presentation_state(setting: Setting, tracked: Sequence[Tracked], size: tuple[int, int], grey: Grey) -> Dataset:
    """The presentation state as a dataset. `size` is rows and columns of the source; `tracked` is not empty."""
    rows, columns = size
    ds = new_object(setting, "presentation-state")
    moment = local_time(setting.source, setting.made_at)
    del ds.ContentDate, ds.ContentTime  # a presentation state has dates of its own
    put_body_part(ds, setting.source)
    ds.ContentLabel = "CALCIFICATION"
    ds.ContentDescription = "Suggestive of calcification; automated, unverified"
    ds.ContentCreatorName = ""
    ds.PresentationCreationDate = moment.strftime("%Y%m%d")
    ds.PresentationCreationTime = moment.strftime("%H%M%S.%f")
    ds.ReferencedSeriesSequence = [source_series(setting.source, tag="ReferencedImageSequence")]
    ds.DisplayedAreaSelectionSequence = [_displayed(rows, columns, grey)]
    _put_greyscale(ds, grey)
    _put_drawing(ds, setting, tracked, size)
    return ds


def dashes(outline: Sequence[Point]) -> list[list[Point]]:
    """A closed outline (first corner repeated) as dashes, with gaps as long between them; corners are kept."""
    lengths = [hypot(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(outline)]
    count = int(np.clip(round(sum(lengths) / (2 * _DASH_PX)), *_DASHES))
    step = sum(lengths) / (2 * count)
    if step == 0:
        return [list(outline[:2])]
    drawn: list[list[Point]] = [[] for _ in range(count)]
    at = 0.0
    for (a, b), length in zip(pairwise(outline), lengths, strict=True):
        if length == 0:
            continue
        first, last = int(at / step), int((at + length) / step)
        for number in range(first, min(last, 2 * count - 1) + 1):
            if number % 2:
                continue
            start = max(number * step - at, 0.0) / length
            end = min((number + 1) * step - at, length) / length
            points = [(a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])) for t in (start, end)]
            dash = drawn[number // 2]
            dash += points if not dash else points[1:]
        at += length
    return [dash for dash in drawn if len(dash) > 1]


def _displayed(rows: int, columns: int, grey: Grey) -> Dataset:
    area = Dataset()
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [columns, rows]
    area.PresentationSizeMode = "SCALE TO FIT"
    area.PresentationPixelAspectRatio = list(grey.aspect)
    return area


def _put_greyscale(ds: Dataset, grey: Grey) -> None:
    for element in grey.modality:
        ds.add(element)
    if len(grey.voi):
        ds.SoftcopyVOILUTSequence = [grey.voi]
    ds.PresentationLUTShape = "INVERSE" if grey.inverse else "IDENTITY"


def _put_drawing(ds: Dataset, setting: Setting, tracked: Sequence[Tracked], size: tuple[int, int]) -> None:
    film = Dataset()
    film.SOPClassUID, film.SOPInstanceUID = setting.source["SOPClassUID"], setting.source["SOPInstanceUID"]
    film.SeriesInstanceUID = setting.source["SeriesInstanceUID"]
    film.Rows, film.Columns = size
    layers: list[GraphicLayer] = []
    annotations: list[GraphicAnnotation] = []
    for certainty, name in LAYERS.items():
        mine = [item for item in tracked if item.lesion.certainty == certainty]
        if not mine:
            continue
        colour = CIELabColor.from_rgb(*COLOURS[certainty])
        layers.append(GraphicLayer(name, len(layers) + 1, f"{certainty}, unverified", colour))
        lines = [line for item in mine for line in _lines(item, size)]
        annotations.append(
            GraphicAnnotation([film], layers[-1], None, None, lines, [_label(item, size) for item in mine])
        )
    layers.append(GraphicLayer(NOTE_LAYER, len(layers) + 1, None, CIELabColor.from_rgb(*NOT_COUNTED)))
    note = TextObject(
        f"calcedge: {wording.UNVERIFIED}", AnnotationUnitsValues.DISPLAY, _NOTE_BOX, text_justification="LEFT"
    )
    annotations.append(GraphicAnnotation([film], layers[-1], None, None, None, [note]))
    ds.GraphicLayerSequence = layers
    ds.GraphicAnnotationSequence = annotations


def _lines(item: Tracked, size: tuple[int, int]) -> list[GraphicObject]:
    outline = _outline(item, size)
    closed = item.lesion.certainty == "definite"
    return [
        GraphicObject(
            Graphic.POLYLINE,
            np.asarray(line),
            AnnotationUnitsValues.PIXEL,
            tracking_id=item.name,
            tracking_uid=item.uid,
        )
        for line in ([outline] if closed else dashes(outline))
    ]


def _label(item: Tracked, size: tuple[int, int]) -> TextObject:
    """Number as on the overlay picture, name as in the report, certainty; beside the outline, where there is room."""
    columns = size[1]
    outline = _outline(item, size)
    x, y = max(outline)
    if x > columns * (1 - _LABEL_WIDTH):
        left, y = min(outline)
        x = max(left - columns * _LABEL_WIDTH, 0.0)
    text = f"{item.number} {item.name} {item.lesion.certainty}"
    return TextObject(text, AnnotationUnitsValues.PIXEL, anchor_point=(x, y), anchor_point_visible=False)


def _outline(item: Tracked, size: tuple[int, int]) -> list[Point]:
    """Closed, counted from the outer corner of the first pixel (PS3.3 C.10.5.1.2), no point off the film."""
    rows, columns = size
    points = (*item.lesion.polygon, item.lesion.polygon[0])
    return [(min(max(x + 0.5, 0.0), columns), min(max(y + 0.5, 0.0), rows)) for x, y in points]
