"""Bodies put into crops as they are learnt from, so that hardly a lesion is seen twice.

A film costs a second, and shows few lesions. A body laid onto a finished picture costs a millisecond: its thickness of
mineral becomes contrast (physics of the phantom), contrast becomes grey by the film's own step from soft tissue to
dense bone, blur and edge enhancement are drawn anew, and whether it is asked for is decided as on films: by how well
it stands out from what it was laid on.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge.detector import prepare
from models.phantom import physics
from models.phantom.conspicuity import SEEN, contrast_over_clutter
from models.phantom.lesions import draw_flat
from models.phantom.solids import Body, make_body, outlined
from models.training.samples import CALCIFICATION, IGNORE, LESION_PITCH_MM, OVER_BONE, SOFT

Array = NDArray[np.float32]

_KVP: Final = 55.0
_CORTEX: Final = 0.6
"""What a proximal phalanx' cortex, seen end-on, adds to -ln I."""
_MARGIN: Final = 12
"""Pixels around a body in which its clutter is looked at and its edge enhancement ends."""
_LEAST_PX: Final = 8
_MANY: Final = (0.35, 0.3, 0.2, 0.15)
"""Of crops that get 0, 1, 2, 3 bodies."""
_OVER_BONE_RATE: Final = 0.1
_BESIDE_BONE_RATE: Final = 0.4
"""Of bodies in soft tissue: calcinosis lies beside joints, and there it looks like a part of the bone."""
_BESIDE_CELLS: Final = 6
_BLUR_PX: Final = (0.35, 1.3)
_FAINT_RATE: Final = 0.5
"""Of bodies seen at a glance, how many are made fainter: near the bound is where there is most to learn."""
_GLANCE: Final = 10.0


class Bodies:
    """A library of bodies and the way to lay them on crops."""

    def __init__(self, count: int, seed: int) -> None:
        rng = np.random.default_rng([seed, 41])
        drawn = (
            make_body(rng, LESION_PITCH_MM) if rng.random() < 0.55 else outlined(draw_flat(rng, LESION_PITCH_MM))
            for _ in range(count)
        )
        self.library = [_trimmed(body) for body in drawn if body.mask.sum() >= _LEAST_PX]

    def put(
        self,
        image: Array,
        label: NDArray[np.uint8],
        ground: NDArray[np.uint8],
        step: float,
        rng: np.random.Generator,
    ) -> None:
        """Lays bodies on a crop, in place.

        Args:
            image: [side, side], normalised.
            label: [side / 2, side / 2], bits; gets the bodies' cells.
            ground: [side / 2, side / 2], SOFT or OVER_BONE.
            step: grey from soft tissue to dense bone.
            rng: of everything.
        """
        if step <= 0:
            return
        for _ in range(int(rng.choice(len(_MANY), p=_MANY))):
            body = self.library[int(rng.integers(len(self.library)))]
            thickness, mask = _turned(body, rng)
            wanted = OVER_BONE if rng.random() < _OVER_BONE_RATE else SOFT
            room = (ground == wanted) & (label == 0)
            if wanted == SOFT and rng.random() < _BESIDE_BONE_RATE:
                room &= ndimage.binary_dilation(ground == OVER_BONE, iterations=_BESIDE_CELLS)
            rows, columns = np.nonzero(room)
            if not rows.size:
                continue
            at = int(rng.integers(rows.size))
            _lay(image, label, (thickness, mask), (2 * int(rows[at]), 2 * int(columns[at])), step=step, rng=rng)


def _lay(
    image: Array,
    label: NDArray[np.uint8],
    body: tuple[Array, NDArray[np.bool_]],
    centre: tuple[int, int],
    *,
    step: float,
    rng: np.random.Generator,
) -> None:
    thickness, mask = body
    top, left = (c - side // 2 - _MARGIN for c, side in zip(centre, mask.shape, strict=True))
    top, left = top // 2 * 2, left // 2 * 2
    rows, columns = mask.shape[0] + 2 * _MARGIN, mask.shape[1] + 2 * _MARGIN
    rows, columns = rows + rows % 2, columns + columns % 2
    if top < 0 or left < 0 or top + rows > image.shape[0] or left + columns > image.shape[1]:
        return
    window = slice(top, top + rows), slice(left, left + columns)
    cells = slice(top // 2, (top + rows) // 2), slice(left // 2, (left + columns) // 2)
    outline = np.zeros((rows, columns), dtype=bool)
    outline[_MARGIN : _MARGIN + mask.shape[0], _MARGIN : _MARGIN + mask.shape[1]] = mask
    mine = outline.reshape(rows // 2, 2, columns // 2, 2).sum(axis=(1, 3)) >= 2
    if label[cells][mine].any():
        return
    laid = np.zeros((rows, columns), dtype=np.float32)
    laid[_MARGIN : _MARGIN + mask.shape[0], _MARGIN : _MARGIN + mask.shape[1]] = thickness
    change = _grey(laid, step, rng)
    under = image[window]
    near = np.ones(outline.shape, dtype=bool)
    stands_out = contrast_over_clutter(change, under, outline, near, pitch_mm=LESION_PITCH_MM)
    if stands_out > _GLANCE and rng.random() < _FAINT_RATE:
        fainter = float(rng.uniform(SEEN, _GLANCE)) / stands_out
        change, stands_out = change * np.float32(fainter), stands_out * fainter
    room = np.maximum(np.float32(prepare.CLIP[1]) - under, np.float32(1e-3))
    image[window] = under + np.where(change > 0, room * (1 - np.exp(-change / room)), change)
    label[cells][mine] |= CALCIFICATION if stands_out >= SEEN else IGNORE


def _grey(thickness_mm: Array, step: float, rng: np.random.Generator) -> Array:
    """What a thickness of mineral adds to the picture's grey values."""
    packing = float(np.clip(np.exp(rng.normal(math.log(0.32), 0.6)), 0.06, 0.85))
    zero = np.zeros_like(thickness_mm)
    contrast = physics.mineral_contrast(zero, np.float32(packing) * thickness_mm, zero, _KVP)
    grey = contrast * np.float32(step / _CORTEX * float(rng.uniform(0.75, 1.3)))
    grey = ndimage.gaussian_filter(grey, float(rng.uniform(*_BLUR_PX)))
    if rng.random() < 0.4:
        wide = ndimage.gaussian_filter(grey, float(rng.uniform(1.0, 4.0)))
        grey = grey + np.float32(rng.uniform(0.2, 1.2)) * (grey - wide)
    return grey


def _turned(body: Body, rng: np.random.Generator) -> tuple[Array, NDArray[np.bool_]]:
    thickness, mask = body.thickness_mm, body.mask
    if rng.random() < 0.5:
        thickness, mask = thickness[:, ::-1], mask[:, ::-1]
    if rng.random() < 0.5:
        thickness, mask = thickness.T, mask.T
    return thickness, mask


def _trimmed(body: Body) -> Body:
    """Without the empty margin: mineral ends where less than a hundredth of the peak is left."""
    there = body.thickness_mm > 0.01 * float(body.thickness_mm.max())
    rows, columns = np.nonzero(there.any(axis=1))[0], np.nonzero(there.any(axis=0))[0]
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return Body(body.thickness_mm[box].copy(), body.mask[box].copy())
