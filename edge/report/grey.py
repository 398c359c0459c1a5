"""How the source says that its grey values are to be shown: what a presentation state must repeat to look the same.

A presentation state takes the place of the image's own greyscale pipeline (PS3.4 N.2): one that left a step out would
show a wrong picture. Each step is copied where it is well formed, and left out where no viewer could use it:
modality LUT or rescale (PS3.3 C.11.1), VOI LUT or window (C.11.8), polarity (C.11.6).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from edge.errors import ReportError
from edge.quiet import reading
from edge.report.header import UNREADABLE

T = TypeVar("T")

_READ: Final = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PixelRepresentation",
    "PresentationLUTShape",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "VOILUTFunction",
    "WindowCenter",
    "WindowWidth",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "PixelAspectRatio",
)
_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_FUNCTIONS: Final = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
_ASPECT_UNIT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Grey:
    """The source's greyscale pipeline as attributes of a presentation state.

    `modality` and `voi` hold the attributes of their modules, empty where the source has no such step. `aspect` is
    height to width of a pixel, two whole numbers.
    """

    modality: Dataset
    voi: Dataset
    inverse: bool
    aspect: tuple[int, int]


def read_grey(path: Path) -> Grey | None:
    """The pipeline of the image at `path`, None for colour and for what is no image.

    Raises:
        ReportError: `report-failed` when it can't be read.
    """
    with reading():
        try:
            ds = dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(_READ))
            photometric, samples = ds.get("PhotometricInterpretation"), ds.get("SamplesPerPixel", 1)
        except UNREADABLE as error:
            raise ReportError("report-failed", f"the header can't be read: {type(error).__name__}") from error
        if samples != 1 or photometric not in _GREY:
            return None
        inverse = photometric == "MONOCHROME1" or _step(_shape, ds, "") == "INVERSE"
        return Grey(_step(_modality, ds, Dataset()), _step(_voi, ds, Dataset()), inverse, _step(_aspect, ds, (1, 1)))


def _step(read: Callable[[Dataset], T], ds: Dataset, otherwise: T) -> T:
    """One step of the pipeline, `otherwise` where its attributes can't be understood."""
    try:
        return read(ds)
    except UNREADABLE:
        return otherwise


def _shape(ds: Dataset) -> str:
    return str(ds.get("PresentationLUTShape", ""))


def _modality(ds: Dataset) -> Dataset:
    found = Dataset()
    lut = _table(ds, "ModalityLUTSequence")
    slope, intercept = _number(ds, "RescaleSlope"), _number(ds, "RescaleIntercept")
    if lut is not None:
        lut.ModalityLUTType = lut.get("ModalityLUTType") or "US"
        found.ModalityLUTSequence = [lut]
    elif slope and intercept is not None:
        found.RescaleIntercept, found.RescaleSlope = ds.RescaleIntercept, ds.RescaleSlope
        found.RescaleType = ds.get("RescaleType") or "US"
    return found


def _voi(ds: Dataset) -> Dataset:
    found = Dataset()
    lut = _table(ds, "VOILUTSequence")
    centre, width = _number(ds, "WindowCenter"), _number(ds, "WindowWidth")
    if lut is not None:
        found.VOILUTSequence = [lut]
    elif centre is not None and width is not None and width >= 1:
        found.WindowCenter, found.WindowWidth = _first(ds.WindowCenter), _first(ds.WindowWidth)
        if ds.get("VOILUTFunction") in _FUNCTIONS:
            found.VOILUTFunction = ds.VOILUTFunction
    return found


def _table(ds: Dataset, keyword: str) -> Dataset | None:
    """The first item of a LUT sequence, its descriptor and data whole; None when it is not there or not whole."""
    items = ds.get(keyword)
    if not items:
        return None
    item, found = items[0], Dataset()
    descriptor, data = item["LUTDescriptor"], item["LUTData"].value
    entries = descriptor.value[0] or 65536
    if len(descriptor.value) != 3 or len(data) != (2 * entries if isinstance(data, bytes) else entries):
        return None
    found.add(descriptor)
    if isinstance(data, bytes):
        words = np.frombuffer(data, "<u2" if ds.original_encoding[1] else ">u2")
        found.add_new("LUTData", "OW", words.astype("<u2").tobytes())
    else:
        found.add_new("LUTData", "US", list(data))
    if item.get("ModalityLUTType"):
        found.ModalityLUTType = item.ModalityLUTType
    return found


def _aspect(ds: Dataset) -> tuple[int, int]:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"):
        pair = ds.get(keyword)
        if pair is not None and len(pair) == 2 and min(pair) > 0 and all(isfinite(value) for value in pair):
            height, width = float(pair[0]), float(pair[1])
            return (1, 1) if height == width else (round(_ASPECT_UNIT * height / width), _ASPECT_UNIT)
    return (1, 1)


def _number(ds: Dataset, keyword: str) -> float | None:
    value = _first(ds.get(keyword))
    if value is None or value == "" or not isfinite(value):
        return None
    return float(value)


def _first(value: Any) -> Any:
    """The first value: one window is shown, and it is the first (PS3.3 C.11.2.1.2.1)."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return value[0] if value else None
    return value
