"""The shipped graphs on onnxruntime, and the way from a film to the lesion map that evaluation takes.

The appliance's own analysis is `edge.detector`; this one is only as much of it as is needed to count marks, so that a
model can be judged before a release exists.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from scipy import ndimage

from edge.detector import prepare
from models.phantom.anatomy import KEYPOINTS

WRIST_TO_TIP_MM: Final = 186.0
"""From the wrist along the middle finger's joints to its tip: adult mean (Buryanov and Kotiuk 2010)."""
_REGION_PX: Final = 4
_CHAIN: Final = ("WRIST", "MCP3", "PIP3", "DIP3", "TIP3")


class Graph:
    """One network."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_mem_pattern = False
        self._session: Any = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, image: prepare.Image) -> list[NDArray[np.float32]]:
        """The outputs for one image [rows, columns], batch axis taken off."""
        return [out[0] for out in self._session.run(None, {"image": image[None, None]})]


@dataclass(frozen=True, slots=True)
class HandView:
    """One hand as found: its crop, its scale, where the hand is, keypoints in crop pixels with confidence."""

    image: prepare.Image
    left: int
    top: int
    mm_per_pixel: float
    mask: NDArray[np.bool_]
    keypoints: dict[str, tuple[float, float, float]]
    regions: NDArray[np.intp]
    """The most probable region in each `region_px` x `region_px` pixels of the crop."""
    region_px: int


def peaks(heat: NDArray[np.float32]) -> dict[str, tuple[float, float, float]]:
    """Each keypoint's place (cells) and height: the centre of mass around its highest cell."""
    found = {}
    for name, plane in zip(KEYPOINTS, heat, strict=True):
        row, column = np.unravel_index(int(plane.argmax()), plane.shape)
        top, left = max(0, int(row) - 2), max(0, int(column) - 2)
        around = plane[top : int(row) + 3, left : int(column) + 3] ** 2
        ys, xs = np.mgrid[: around.shape[0], : around.shape[1]]
        total = float(around.sum()) + 1e-12
        x, y = float((xs * around).sum()) / total + left, float((ys * around).sum()) / total + top
        found[name] = (x, y, float(plane.max()))
    return found


def look(anatomy: Graph, film: prepare.Image, *, long_side: int = 288) -> HandView | None:
    """Finds the one hand of a film, looks again at its crop, and estimates the spacing from its bones."""
    first = prepare.anatomy_input(film, long_side, 32)
    regions, _ = anatomy(first.image)
    parts, count = ndimage.label(regions[0] < 0.5)
    if not count:
        return None
    largest = parts == 1 + int(np.bincount(parts.ravel())[1:].argmax())
    ys, xs = np.nonzero(largest)
    (x0, y0), (x1, y1) = (
        first.mapping.backward(*prepare.grid_to_image(float(x), float(y)))
        for x, y in ((xs.min(), ys.min()), (xs.max(), ys.max()))
    )
    margin = 0.06 * max(x1 - x0, y1 - y0)
    top, bottom = max(0, int(y0 - margin)), min(film.shape[0], math.ceil(y1 + margin))
    left, right = max(0, int(x0 - margin)), min(film.shape[1], math.ceil(x1 + margin))
    crop = np.ascontiguousarray(film[top:bottom, left:right])
    second = prepare.anatomy_input(crop, long_side, 32)
    regions, heat = anatomy(second.image)
    points = {}
    for name, (x, y, height) in peaks(heat).items():
        points[name] = (*second.mapping.backward(*prepare.grid_to_image(x, y)), height)
    length = sum(math.dist(points[a][:2], points[b][:2]) for a, b in pairwise(_CHAIN))
    mask = prepare.resize((regions[0] < 0.5).astype(np.float32), 2.0)
    dx, dy = second.offset
    inner = mask[dy : dy + round(crop.shape[0] * second.scale), dx : dx + round(crop.shape[1] * second.scale)]
    grown = prepare.resize(inner, 1 / second.scale)
    full = np.zeros(crop.shape, dtype=bool)
    rows, columns = min(grown.shape[0], crop.shape[0]), min(grown.shape[1], crop.shape[1])
    full[:rows, :columns] = grown[:rows, :columns] > 0.5
    return HandView(
        image=crop,
        left=left,
        top=top,
        mm_per_pixel=WRIST_TO_TIP_MM / max(length, 1.0),
        mask=full,
        keypoints=points,
        regions=_regions(regions, second, crop.shape),
        region_px=_REGION_PX,
    )


def calcification(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The plane of calcification, without what is more probably a sesamoid or metal."""
    return np.where(planes[0] >= np.maximum(planes[1], planes[2]), planes[0], 0).astype(np.float32)


def _regions(probability: NDArray[np.float32], boxed: prepare.Letterboxed, shape: tuple[int, ...]) -> NDArray[np.intp]:
    """The most probable region, picked for every `_REGION_PX`th pixel of the crop."""
    best = probability.argmax(axis=0)
    axes = []
    for side, offset, cells in zip(shape, (boxed.offset[1], boxed.offset[0]), best.shape, strict=True):
        middle = np.arange(math.ceil(side / _REGION_PX)) * _REGION_PX + (_REGION_PX - 1) / 2
        place = ((middle + 0.5) * boxed.scale + offset) / 2 - 0.5
        axes.append(np.clip(np.round(place).astype(int), 0, cells - 1))
    picked: NDArray[np.intp] = best[axes[0]][:, axes[1]]
    return picked


def lesion_map(
    lesions: Graph, view: HandView, target_mm: float = 0.2
) -> tuple[prepare.Letterboxed, NDArray[np.float32]]:
    """The lesion network's input and its three planes, marks outside the hand taken away."""
    boxed = prepare.lesion_input(view.image, view.mm_per_pixel, view.mask, target_mm, 32)
    (planes,) = lesions(boxed.image)
    cells = prepare.resize(view.mask.astype(np.float32), boxed.scale / 2) > 0.5
    dx, dy = boxed.offset
    hand = np.zeros(planes.shape[1:], dtype=bool)
    part = hand[dy // 2 : dy // 2 + cells.shape[0], dx // 2 : dx // 2 + cells.shape[1]]
    part[:] = cells[: part.shape[0], : part.shape[1]]
    return boxed, planes * hand
