"""How well a lesion stands out in one picture: its contrast against the clutter around it.

The same exposure is made twice, with the lesions and without them; what differs is the lesion's signal, after noise,
scatter and processing. The clutter is the picture without lesions, filtered to structures of the lesion's size: quantum
noise, trabeculae, edges. A lesion that stands out less than `SEEN` can't be found by anybody who sees only this
picture; nobody is asked for it, and a mark on it isn't false.

Contrast over noise at the object's own size is Rose's model; taking anatomical structure for noise follows Burgess,
Jacobson and Judy, Med Phys 28 (2001) 419.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.phantom.raster import Map

SEEN: Final = 2.5
"""What a careful eye just finds in crops of real hands with lesions put in: at 2 most are missed, at 3 none."""
STANDS_OUT: Final = 4.0
"""What is found at a glance."""
_AROUND_MM: Final = 4.0
_LARGEST_MM: Final = 0.5
"""Clutter is looked at in structures of at most this radius: a larger lesion is seen by its bodies and its edge."""
_GREY_STEP: Final = 1 / 255
"""A screen's grey level: less clutter than that isn't seen."""


def conspicuity(picture: Map, without: Map, lesion_ids: NDArray[np.int16], pitch_mm: float) -> dict[int, float]:
    """Contrast over clutter of each lesion, by number.

    Args:
        picture: [rows, columns], 0 to 1.
        without: the same picture without lesions.
        lesion_ids: the lesion in each pixel, 0 for none.
        pitch_mm: of all three.
    """
    boxes = ndimage.find_objects(lesion_ids)
    margin = round(_AROUND_MM / pitch_mm)
    found = {}
    for number in (int(n) for n in np.unique(lesion_ids) if n > 0):
        box = boxes[number - 1]
        rows, columns = (slice(max(0, part.start - margin), part.stop + margin) for part in box)
        at = rows, columns
        found[number] = _stands_out(
            picture[at], without[at], lesion_ids[at] == number, lesion_ids[at] > 0, pitch_mm=pitch_mm
        )
    return found


def _stands_out(
    picture: Map, without: Map, mine: NDArray[np.bool_], any_lesion: NDArray[np.bool_], *, pitch_mm: float
) -> float:
    change = picture - without
    ring = ndimage.distance_transform_edt(~any_lesion) * pitch_mm
    around = (ring > 0.5) & (ring < 2.0)
    base = float(np.median(change[around])) if around.any() else 0.0
    return contrast_over_clutter(change - base, without, mine, ring < _AROUND_MM, pitch_mm=pitch_mm)


def contrast_over_clutter(
    change: Map, without: Map, mine: NDArray[np.bool_], near: NDArray[np.bool_], *, pitch_mm: float
) -> float:
    """How well a known change stands out.

    Args:
        change: what the lesion adds, [rows, columns].
        without: the picture it is added to.
        mine: the lesion's outline.
        near: where clutter is looked at.
        pitch_mm: of all four.
    """
    radius = min(max(0.7, (float(mine.sum()) / np.pi) ** 0.5), _LARGEST_MM / pitch_mm)
    contrast = float(np.percentile(ndimage.gaussian_filter(change, 0.5 * radius)[mine], 80))
    fine = ndimage.gaussian_filter(without, 0.5 * radius)
    band = (fine - ndimage.gaussian_filter(without, 1.5 * radius))[near]
    spread = 1.4826 * float(np.median(np.abs(band - np.median(band))))
    return contrast / (spread + _GREY_STEP)
