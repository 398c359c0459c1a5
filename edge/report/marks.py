"""Reads segmentation, presentation state and key object back and holds them against the analysis.

Nothing here is shared with what made them: outlines are filled by another painter, dashes measured along the outline.
Each function says what differs first, in words without patient data, or None.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset

from edge.report import codes, masks, wording
from edge.report.grey import Grey
from edge.report.readback import Group, groups_expected
from edge.types import Findings, Lesion

_TOLERANCE_PX: Final = 1e-3
"""Graphic Data is 32-bit floating point."""


def segmentation_differs(ds: Dataset, findings: Findings, rows: int, columns: int) -> str | None:
    """What differs between a segmentation and the reported lesions of a film of that size."""
    if (ds.Rows, ds.Columns, ds.SegmentationType, ds.BitsAllocated) != (rows, columns, "BINARY", 1):
        return "the frame"
    lesions = dict(zip(_names(findings), wording.reported(findings), strict=True))
    labels = wording.hand_labels(findings.hands)
    segments = [str(segment.TrackingID) for segment in ds.SegmentSequence]
    frames = masks.unpacked(ds.PixelData, int(ds.NumberOfFrames), rows * columns)
    if [item.SegmentIdentificationSequence[0].ReferencedSegmentNumber for item in _frames(ds)] != [
        *range(1, len(segments) + 1)
    ]:
        return "the order of the segments"
    shared: dict[str, list[Lesion]] = {}
    for lesion in lesions.values():
        shared.setdefault(f"{labels[lesion.hand]}-{lesion.certainty.upper()}", []).append(lesion)
    expected = {name: [lesion] for name, lesion in lesions.items()}
    if segments != list(expected):
        expected = shared
    if segments != list(expected) or len(frames) != len(segments):
        return "the segments"
    for (name, group), frame in zip(expected.items(), frames, strict=True):
        if not _covers(frame, group, rows, columns):
            return f"the pixels of {name}"
    return None


def drawing_differs(ds: Dataset, findings: Findings, rows: int, columns: int, grey: Grey | None) -> str | None:
    """What differs between a presentation state and the reported lesions of a film of that size and greyscale."""
    if grey is None or not _shown_as(ds, grey, rows, columns):
        return "how the film is shown"
    lines: dict[str, list[np.ndarray[Any, np.dtype[np.float64]]]] = {}
    texts: list[str] = []
    for annotation in ds.GraphicAnnotationSequence:
        for item in annotation.get("GraphicObjectSequence", ()):
            points = np.asarray(item.GraphicData, dtype=np.float64).reshape(-1, 2)
            lines.setdefault(str(item.TrackingID), []).append(points)
        texts += [str(item.UnformattedTextValue) for item in annotation.get("TextObjectSequence", ())]
    groups, reported = _lesion_groups(findings), wording.reported(findings)
    if lines.keys() != {group.name for group in groups}:
        return "the outlines"
    for group, lesion in zip(groups, reported, strict=True):
        outline = np.asarray(group.outline).reshape(-1, 2).clip(0, (columns, rows))
        if not _drawn(lines[group.name], outline, closed=lesion.certainty == "definite"):
            return f"the outline of {group.name}"
    labels = [f"{n} {g.name} {x.certainty}" for n, (g, x) in enumerate(zip(groups, reported, strict=True), 1)]
    if sorted(texts) != sorted([*labels, f"calcedge: {wording.UNVERIFIED}"]):
        return "the labels"
    return None


def selection_differs(ds: Dataset, findings: Findings) -> str | None:
    """What differs between a key object selection and what it must say."""
    if ds.ConceptNameCodeSequence[0].CodeValue != codes.OF_INTEREST.value:
        return "the title"
    texts = [str(item.TextValue) for item in ds.ContentSequence if item.ValueType == "TEXT"]
    if f"{wording.headline(findings)}. {wording.UNVERIFIED}" not in texts:
        return "the words"
    return None if sum(item.ValueType == "IMAGE" for item in ds.ContentSequence) == 1 else "the image"


def _shown_as(ds: Dataset, grey: Grey, rows: int, columns: int) -> bool:
    """Whether a presentation state shows the whole film in this greyscale, with every layer that is drawn on."""
    area = ds.DisplayedAreaSelectionSequence[0]
    whole = (*area.DisplayedAreaTopLeftHandCorner, *area.DisplayedAreaBottomRightHandCorner) == (1, 1, columns, rows)
    layers = {str(layer.GraphicLayer) for layer in ds.GraphicLayerSequence}
    drawn = {str(annotation.GraphicLayer) for annotation in ds.GraphicAnnotationSequence}
    modality = all(element == ds.get(element.tag) for element in grey.modality)
    voi = list(ds.get("SoftcopyVOILUTSequence", ())) == ([grey.voi] if len(grey.voi) else [])
    polarity = ds.PresentationLUTShape == ("INVERSE" if grey.inverse else "IDENTITY")
    return whole and layers == drawn and modality and voi and polarity


def _covers(frame: masks.Indices, lesions: Sequence[Lesion], rows: int, columns: int) -> bool:
    """Whether a frame's pixels are those inside the outlines, give or take the pixels that the outlines run through."""
    y, x = np.divmod(frame, columns)
    near = np.zeros(len(frame), dtype=bool)
    painted, rim = 0.0, 0.0
    for lesion in lesions:
        corners = np.asarray(lesion.polygon)
        (left, top), (right, bottom) = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
        near |= (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
        canvas = Image.new("1", (int(right - left) + 1, int(bottom - top) + 1))
        ImageDraw.Draw(canvas).polygon([(px - left, py - top) for px, py in lesion.polygon], fill=1)
        painted += int(np.count_nonzero(np.asarray(canvas)))
        rim += float(np.hypot(*(np.roll(corners, -1, axis=0) - corners).T).sum()) + 4
    on_film = all(0 <= value < limit for lesion in lesions for value, limit in _corners(lesion, rows, columns))
    enough = len(frame) >= painted - rim if len(lesions) == 1 and on_film else len(frame) > 0
    return bool((near.all() or not on_film) and enough and len(frame) <= painted + rim)


def _corners(lesion: Lesion, rows: int, columns: int) -> Iterable[tuple[float, int]]:
    for x, y in lesion.polygon:
        yield x, columns
        yield y, rows


def _drawn(lines: Sequence[np.ndarray[Any, Any]], outline: np.ndarray[Any, Any], *, closed: bool) -> bool:
    if closed:
        return (
            len(lines) == 1
            and lines[0].shape == outline.shape
            and bool(np.allclose(lines[0], outline, 0, _TOLERANCE_PX))
        )
    low, high = outline.min(axis=0) - _TOLERANCE_PX, outline.max(axis=0) + _TOLERANCE_PX
    within = all(bool(((line >= low) & (line <= high)).all()) for line in lines)
    whole, drawn = _length(outline), sum(_length(line) for line in lines)
    return within and abs(drawn - whole / 2) <= 0.01 * whole + 0.1


def _length(points: np.ndarray[Any, Any]) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def _lesion_groups(findings: Findings) -> tuple[Group, ...]:
    return tuple(group for group in groups_expected(findings) if group.outline)


def _names(findings: Findings) -> list[str]:
    return [group.name for group in _lesion_groups(findings)]


def _frames(ds: Dataset) -> Sequence[Any]:
    found: Sequence[Any] = ds.PerFrameFunctionalGroupsSequence
    return found
