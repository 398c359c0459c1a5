"""The grey scale of a DICOM image as tables over values: modality, values of interest, presentation (PS3.3 C.11).

Every step maps the values that *can* occur, not the pixels: the film is then one look-up.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.errors import BytesLengthException

Values = NDArray[np.float64]

HEADER_ERRORS: Final = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
)
"""What an element that isn't what it claims to be raises when it is looked at."""


class Lut(NamedTuple):
    """A look-up table: the first input value it maps, its entries, and its highest possible output."""

    first: int
    entries: Values
    highest: float

    def __call__(self, values: Values) -> Values:
        """The entry of each value; values outside take the first or the last entry."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        out: Values = self.entries[index.astype(np.intp)]
        return out


def modality(dataset: Dataset, values: Values, *, signed: bool) -> Values:
    """Stored values to modality values: the Modality LUT, or rescale slope and intercept (C.11.1).

    A slope of 0 or one that is no number would erase the picture and is taken as not stated.
    """
    table = lut(dataset, "ModalityLUTSequence", signed=signed)
    if table is not None:
        return table(values)
    slope, intercept = first_number(dataset, "RescaleSlope"), first_number(dataset, "RescaleIntercept")
    if not slope:
        slope = 1.0
    return values * slope + (intercept or 0.0)


def values_of_interest(dataset: Dataset, values: Values) -> Values | None:
    """Modality values to [0, 1] by the first VOI LUT or the first window (C.11.2); None if the header has neither.

    A window that can't be one (no width, not a number) counts as not stated.
    """
    table = lut(dataset, "VOILUTSequence", signed=bool(values.min() < 0))
    if table is not None:
        return np.clip(table(values) / table.highest, 0.0, 1.0)
    centre, width = first_number(dataset, "WindowCenter"), first_number(dataset, "WindowWidth")
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    if centre is None or width is None or width <= 0 or (function == "LINEAR" and width < 1):
        return None
    return window(values, centre, width, function)


def window(values: Values, centre: float, width: float, function: str = "LINEAR") -> Values:
    """A window's output in [0, 1]: LINEAR (C.11.2.1.2.1), SIGMOID (C.11.2.1.3.1) or LINEAR_EXACT (C.11.2.1.3.2)."""
    if function == "SIGMOID":
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - centre) / width, -700.0, 700.0)))
    if function == "LINEAR_EXACT":
        return np.clip((values - centre) / width + 0.5, 0.0, 1.0)
    if width == 1:
        return np.asarray(values > centre - 0.5, dtype=np.float64)
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0.0, 1.0)


def inverted(dataset: Dataset) -> bool:
    """Whether the output has to be turned over to be P-values, so that dense is bright.

    MONOCHROME1 says so by itself; so does a Presentation LUT Shape of INVERSE, which the standard allows only with
    MONOCHROME1: both together turn the picture once.
    """
    shape = str(dataset.get("PresentationLUTShape") or "").upper()
    return str(dataset.get("PhotometricInterpretation") or "") == "MONOCHROME1" or shape == "INVERSE"


def lut(dataset: Dataset, keyword: str, *, signed: bool) -> Lut | None:
    """The first table of a LUT sequence, or None if there is none that can be read (C.11.1.1)."""
    try:
        item = dataset[keyword].value[0]
        count, first, bits = (int(v) for v in item.LUTDescriptor)
        count = count or 65536
        if signed and first > 32767:
            first -= 65536
        entries = _entries(item.LUTData, count)
    except HEADER_ERRORS:
        return None
    if not 0 < len(entries) <= count or not 1 <= bits <= 16:
        return None
    return Lut(first, entries, max(float((1 << bits) - 1), float(entries.max())))


def _entries(data: Any, count: int) -> Values:
    """LUT Data comes as words (US, SS) or as bytes (OW); 8-bit entries may lie two in a word."""
    if isinstance(data, bytes | bytearray):
        narrow = len(data) in {count, count + 1} and len(data) < 2 * count
        return np.frombuffer(data, np.uint8 if narrow else "<u2")[:count].astype(np.float64)
    return (np.atleast_1d(np.asarray(data, dtype=np.int64))[:count] & 0xFFFF).astype(np.float64)


def first_number(dataset: Dataset, keyword: str) -> float | None:
    """The first value as a finite number, or None."""
    try:
        value = dataset.get(keyword)
        if value is None or isinstance(value, str):
            number = float(value or "nan")
        else:
            number = float(value[0]) if hasattr(value, "__len__") else float(value)
    except HEADER_ERRORS:
        return None
    return number if math.isfinite(number) else None
