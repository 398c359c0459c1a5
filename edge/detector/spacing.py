r"""How many millimetres a pixel is, as far as the header can be believed.

| header | answer | plane |
|---|---|---|
| Pixel Spacing that differs from Imager Pixel Spacing, or stands alone | `PixelSpacing` | calibrated: the patient's |
| Imager Pixel Spacing (alone, or equal to Pixel Spacing) | `ImagerPixelSpacing` | the detector's front |
| Nominal Scanned Pixel Spacing | `NominalScannedPixelSpacing` | the film's |
| none of them, or nonsense (`0\0`, not square, no pixel size of a radiograph) | `unknown` | - |

PS3.3 section 10.7.1.3. No magnification is taken out: a hand lies on the detector (1.02 to 1.05).
"""

from __future__ import annotations

import math
from typing import Final

from pydicom import Dataset

from edge.detector.greyscale import HEADER_ERRORS
from edge.types import SpacingSource

PLAUSIBLE_MM: Final = (0.02, 1.0)
SQUARE_WITHIN: Final = 0.01
"""Sides of a pixel that differ by more than this are not measured with one number."""


def spacing(dataset: Dataset) -> tuple[float | None, SpacingSource]:
    """Millimetres per pixel and where they come from; (None, "unknown") if the header doesn't say or can't be right."""
    pixel = _square(dataset, "PixelSpacing")
    imager = _square(dataset, "ImagerPixelSpacing")
    if pixel is not None and (imager is None or not math.isclose(pixel, imager, rel_tol=1e-3)):
        return pixel, "PixelSpacing"
    if imager is not None:
        return imager, "ImagerPixelSpacing"
    nominal = _square(dataset, "NominalScannedPixelSpacing")
    if nominal is not None:
        return nominal, "NominalScannedPixelSpacing"
    return None, "unknown"


def _square(dataset: Dataset, keyword: str) -> float | None:
    """The side of a plausible square pixel."""
    try:
        sides = [float(side) for side in dataset.get(keyword) or ()]
    except HEADER_ERRORS:
        return None
    low, high = PLAUSIBLE_MM
    if len(sides) != 2 or not all(math.isfinite(side) and low <= side <= high for side in sides):
        return None
    if abs(sides[0] - sides[1]) > SQUARE_WITHIN * max(sides):
        return None
    return math.sqrt(sides[0] * sides[1])
