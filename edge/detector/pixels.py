"""From a DICOM data set to the film: one pure function, the same for training, the appliance and the tests.

What always holds:

- `Film.image` is float32 [rows, columns] in [0, 1], **bright = dense**, as hand films are shown.
- For presentation, its unit is the P-value (PS3.14) as a fraction of its range: the header's whole grey scale is
  applied, in the standard's order, and nothing else.
- For processing (raw), its unit is attenuation: minus the logarithm of the exposure, 0 at the open field, 1 at the
  densest that the picture holds, the outer half percent left out: about what a unit's own processing starts from.
- Padding is 0. A colour scan of a grey film is taken by its luminance; a colour picture is refused.

The order for presentation (PS3.4 N.2): stored bits, modality LUT or rescale, VOI LUT or window, then inversion. It is
done once for each code that can occur and then looked up, so a film of 10 MB takes some tens of milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, uid

from edge.detector import greyscale
from edge.detector.decode import Codes, Stored, stored
from edge.detector.greyscale import HEADER_ERRORS, Values, first_number
from edge.detector.spacing import spacing
from edge.errors import Refused
from edge.quiet import reading
from edge.types import SpacingSource

ROBUST_PERCENT: Final = (0.5, 99.5)
MAX_ATTENUATION: Final = 4.0
"""In raw images, exp(-4) of the open field and less is collimator, metal or nothing: it doesn't stretch the scale."""
MAX_TINT: Final = 0.03
"""A grey film scanned in colour: its channels differ by less than this on average."""
_LINES: Final = 32
"""Of the film, looked up together."""
_LUMINANCE: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Film:
    """A radiograph ready to be looked at; see the module's docstring for the unit.

    Attributes:
        image: float32 [rows, columns] in [0, 1], bright = dense.
        mm_per_pixel: None if the header doesn't say or can't be right.
        spacing_source: where `mm_per_pixel` comes from.
        presentation: False for raw images (FOR PROCESSING).
    """

    image: NDArray[np.float32]
    mm_per_pixel: float | None
    spacing_source: SpacingSource
    presentation: bool


def film(dataset: Dataset) -> Film:
    """The film of a data set with its pixels.

    Raises:
        Refused: `unsupported-encoding`, `damaged-pixels`, or `not-a-radiograph` for a picture in colour.
    """
    with reading():
        try:
            return _film(dataset)
        except HEADER_ERRORS as error:
            raise Refused("damaged-pixels") from error


def _film(dataset: Dataset) -> Film:
    pixels = stored(dataset)
    mm_per_pixel, source = spacing(dataset)
    presentation = not _for_processing(dataset)
    if pixels.codes.ndim == 3:
        return Film(_grey(dataset, pixels), mm_per_pixel, source, presentation)
    padding = _padding(dataset, pixels)
    table = _presentation_table(dataset, pixels) if presentation else _attenuation_table(dataset, pixels, padding)
    if padding is not None:
        table = np.where(padding, 0.0, table)
    return Film(_looked_up(table.astype(np.float32), pixels.codes), mm_per_pixel, source, presentation)


def _looked_up(table: NDArray[np.float32], codes: Codes) -> NDArray[np.float32]:
    """The table's entry for each code, some lines at a time: NumPy widens the codes, and a few lines fit the cache."""
    image = np.empty(codes.shape, dtype=np.float32)
    for row in range(0, codes.shape[0], _LINES):
        part = slice(row, row + _LINES)
        np.take(table, codes[part], out=image[part], mode="clip")  # clip: every code has an entry, no check needed
    return image


def _for_processing(dataset: Dataset) -> bool:
    intent = str(dataset.get("PresentationIntentType") or "").upper()
    if intent:
        return intent == "FOR PROCESSING"
    return str(dataset.get("SOPClassUID")) == uid.DigitalXRayImageStorageForProcessing


def _presentation_table(dataset: Dataset, pixels: Stored) -> Values:
    """The P-value, 0 to 1, of each code."""
    values = greyscale.modality(dataset, pixels.values.astype(np.float64), signed=pixels.signed)
    shown = greyscale.values_of_interest(dataset, values)
    if shown is None:
        used = values[_used(pixels)]
        low, high = float(used.min()), float(used.max())
        shown = np.clip((values - low) / ((high - low) or 1.0), 0.0, 1.0)
    return 1.0 - shown if greyscale.inverted(dataset) else shown


def _used(pixels: Stored) -> slice:
    """The codes that make up the grey scale when no window is stated: those of the fewest bits that hold all pixels.

    Units write 12-bit pictures with 16 bits stored; by the letter of the header these would be all but black.
    """
    if pixels.signed:
        return slice(None)
    return slice(0, 1 << max(1, int(pixels.codes.max()).bit_length()))


def _attenuation_table(dataset: Dataset, pixels: Stored, padding: NDArray[np.bool_] | None) -> Values:
    """The attenuation, 0 to 1, of each code of a raw image (Pixel Intensity Relationship, PS3.3 C.8.11.3.1.2)."""
    values = greyscale.modality(dataset, pixels.values.astype(np.float64), signed=pixels.signed)
    counts = _histogram(pixels.codes, 1 << pixels.bits)
    if padding is not None:
        counts[padding] = 0
    if not counts.any():
        return np.zeros_like(values)
    sign = first_number(dataset, "PixelIntensityRelationshipSign")
    rises_with_exposure = sign > 0 if sign else greyscale.inverted(dataset)
    if str(dataset.get("PixelIntensityRelationship") or _usual(dataset)).upper() == "LIN":
        exposure = values if rises_with_exposure else values[counts > 0].max() - values
        open_field = max(_percentile(exposure, counts, ROBUST_PERCENT[1]), 1e-9)
        dense = -np.log(np.clip(exposure / open_field, np.exp(-MAX_ATTENUATION), None))
    else:
        dense = -values if rises_with_exposure else values
    low, high = (_percentile(dense, counts, percent) for percent in ROBUST_PERCENT)
    return np.clip((dense - low) / ((high - low) or 1.0), 0.0, 1.0)


def _usual(dataset: Dataset) -> str:
    """What a raw image that doesn't say is: plates are read out logarithmically, flat panels linearly."""
    return "LOG" if dataset.get("Modality") == "CR" else "LIN"


def _histogram(codes: Codes, size: int) -> NDArray[np.int64]:
    """How often each code occurs, on a grid of about a million pixels."""
    step = max(1, int((codes.size / 1e6) ** 0.5))
    return np.bincount(codes[::step, ::step].ravel(), minlength=size).astype(np.int64)


def _percentile(values: Values, counts: NDArray[np.int64], percent: float) -> float:
    """The value below which `percent` of the pixels lie."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(counts[order])
    return float(values[order][np.searchsorted(total, total[-1] * percent / 100.0)])


def _padding(dataset: Dataset, pixels: Stored) -> NDArray[np.bool_] | None:
    """Which codes are padding and show nothing (Pixel Padding Value and Range Limit, PS3.3 C.7.5.1.1.2)."""
    value = first_number(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = first_number(dataset, "PixelPaddingRangeLimit")
    low, high = sorted((value, value if limit is None else limit))
    values = pixels.values
    if pixels.signed and low > values.max():  # written with the unsigned representation
        low, high = low - (1 << pixels.bits), high - (1 << pixels.bits)
    inside = (values >= low) & (values <= high)
    return inside if inside.any() and not inside.all() else None


def _grey(dataset: Dataset, pixels: Stored) -> NDArray[np.float32]:
    """A colour scan of a grey film, by its luminance.

    Raises:
        Refused: `not-a-radiograph` if the picture is in colour.
    """
    scale = np.float32(1.0 / ((1 << pixels.bits) - 1))
    channels = pixels.codes.astype(np.float32) * scale
    if str(dataset.PhotometricInterpretation).startswith("YBR_FULL"):
        tint = np.abs(channels[..., 1:] - np.float32(0.5)).max(axis=2)
        grey = channels[..., 0]
    else:
        tint = channels.max(axis=2) - channels.min(axis=2)
        grey = channels @ _LUMINANCE
    if float(tint.mean()) > MAX_TINT:
        raise Refused("not-a-radiograph", "a picture in colour")
    clipped: NDArray[np.float32] = np.ascontiguousarray(np.clip(grey, 0.0, 1.0))
    return 1.0 - clipped if greyscale.inverted(dataset) else clipped
