"""Where the hands are: joints, tips, side, regions, and a scale where the header has none.

The anatomy network looks twice: at the whole film, to find one or two hands, and at each hand's crop, to place its
keypoints and regions.

What always holds: coordinates are pixels of the film; a keypoint that isn't visible is absent; a hand's side comes
from its geometry, never from the header.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge.detector import prepare
from edge.detector.bundle import KEYPOINTS, AnatomyInput, Thresholds
from edge.detector.engine import STRIDE, Look, Maps
from edge.detector.regions import RegionMap, region_map
from edge.detector.skeleton import SEGMENT_MM, assemble
from edge.types import BBox, Point, Side

MAX_HANDS: Final = 2
_HAND: Final = 0.5
"""The probability from which a cell belongs to a hand."""
_LEAST_SHARE: Final = 0.15
"""A second hand has at least this part of the first one's area."""
_MARGIN: Final = 0.07
"""Of a hand's longer side, added around it for the second look."""

_FINGER_BONES: Final = tuple(
    ((a, b), length) for name, length in SEGMENT_MM.items() for a, b in [name.split("-")] if not a.endswith("1")
)
"""The thumb is seen from the side and foreshortened: it gives no scale."""
LEAST_BONES: Final = 4
TRUSTED_DISPROPORTION: Final = 0.15
"""Bones that agree less well than this on the scale don't give one."""
CREDIBLE: Final = (0.55, 1.45)
"""Stated pixel size over the one estimated from anatomy: outside, the stated one can't be a hand's."""


@dataclass(frozen=True, slots=True)
class SeenHand:
    """One hand as the network saw it.

    Attributes:
        side: by geometry.
        bbox: of the hand's tissue, without the forearm.
        keypoints: the visible ones, x and y in pixels of the film.
        confidence: mean peak of all keypoints, 0 to 1.
        region: the region map.
    """

    side: Side
    bbox: BBox
    keypoints: Mapping[str, Point]
    confidence: float
    region: RegionMap


def candidates(
    image: NDArray[np.float32], network: Look, given: AnatomyInput, thresholds: Thresholds
) -> tuple[SeenHand, ...]:
    """What might be hands, from left to right; at most two. `edge.detector.gate` decides which are.

    Args:
        image: float32 [rows, columns], bright = dense.
        network: the anatomy network.
        given: how it wants its picture.
        thresholds: of the release.
    """
    boxed = prepare.anatomy_input(image, given.long_side_px, given.multiple)
    answer = network(boxed.image)
    boxes = _boxes(answer["regions"], answer["keypoints"], boxed.mapping, (image.shape[0], image.shape[1]))
    looks = [_look(image, box, network, given, thresholds) for box in boxes]
    hands = [hand for hand in looks if hand is not None]
    if len(hands) == MAX_HANDS:
        a, b = hands
        hands = [_less(a, b, image.shape), _less(b, a, image.shape)]
    return tuple(sorted(hands, key=lambda hand: hand.bbox[0]))


def side_of(keypoints: Mapping[str, Point]) -> Side:
    """Left or right, of a hand seen from behind (PA), whatever way it is turned on the film.

    Going along the fingers to their tips, a left hand has its index finger to the right of its little finger. All
    fingers' joints vote; the thumb, which lies anywhere, doesn't.
    """
    steps = [
        (keypoints[a], keypoints[b])
        for a, b in (("WRIST", "MCP3"), *((f"MCP{d}", f"PIP{d}") for d in (2, 3, 4, 5)))
        if a in keypoints and b in keypoints
    ]
    fx, fy = sum(b[0] - a[0] for a, b in steps), sum(b[1] - a[1] for a, b in steps)
    turns = []
    for kind in ("MCP", "PIP", "DIP"):
        row = [keypoints[f"{kind}{d}"] for d in (2, 3, 4, 5) if f"{kind}{d}" in keypoints]
        turns += [fx * (ry - uy) - fy * (rx - ux) for (rx, ry), (ux, uy) in pairwise(row)]
    if not steps or len(turns) < 2:
        return "U"
    return "L" if sum(turns) > 0 else "R"


def refined(hand: SeenHand, places: Mapping[str, Point]) -> SeenHand:
    """The hand with joints and tips found better than by the anatomy network, its regions drawn along them."""
    if not places:
        return hand
    keypoints = {**hand.keypoints, **places}
    return replace(hand, keypoints=keypoints, region=hand.region.along(keypoints))


def knuckle_breadth(hand: SeenHand) -> float | None:
    """How broad the second to fifth knuckle lie, over the palm's length; None without them.

    0.58 to 0.75 in PA views; it shrinks with the cosine as the hand is turned about its long axis.
    """
    needed = ("WRIST", "MCP2", "MCP3", "MCP5")
    if any(name not in hand.keypoints for name in needed):
        return None
    wrist, second, third, fifth = (hand.keypoints[name] for name in needed)
    return math.dist(second, fifth) / max(math.dist(wrist, third), 1e-6)


def bone_scales(hand: SeenHand) -> NDArray[np.float64]:
    """Millimetres per pixel by each phalanx whose ends are visible: [n], sorted."""
    scales = [
        length / apart
        for (a, b), length in _FINGER_BONES
        if a in hand.keypoints
        and b in hand.keypoints
        and (apart := math.dist(hand.keypoints[a], hand.keypoints[b])) > 0
    ]
    return np.sort(np.array(scales, dtype=np.float64))


def disproportion(hand: SeenHand) -> float:
    """How far the phalanges are from a hand's proportions: the median deviation, 0 for none; infinite when too few."""
    scales = bone_scales(hand)
    if len(scales) < LEAST_BONES:
        return math.inf
    return float(np.median(np.abs(scales / np.median(scales) - 1)))


def estimated_mm_per_pixel(hands: tuple[SeenHand, ...], *, within: float = TRUSTED_DISPROPORTION) -> float | None:
    """Millimetres per pixel, if these are adult fingers of mean length; None when too few are seen, or don't agree.

    Args:
        hands: whose bones count.
        within: the most disproportion of a hand that counts.
    """
    trusted = [bone_scales(hand) for hand in hands if disproportion(hand) <= within]
    return float(np.median(np.concatenate(trusted))) if trusted else None


def _boxes(regions: Maps, keypoints: Maps, mapping: prepare.Mapping, shape: tuple[int, int]) -> list[BBox]:
    """Where the first look sees hands: boxes on the film, largest first."""
    hand = regions[0] < 1 - _HAND
    labels, count = ndimage.label(hand)
    if not count:
        return []
    sizes = np.bincount(labels.ravel())[1:]
    order = np.argsort(-sizes, kind="stable")[:MAX_HANDS]
    parts = [labels == 1 + i for i in order if sizes[i] >= _LEAST_SHARE * sizes[order[0]]]
    if len(parts) == 1:
        parts = _split(parts[0], keypoints)
    return [_box(part, mapping, shape) for part in parts]


def _split(part: NDArray[np.bool_], keypoints: Maps) -> list[NDArray[np.bool_]]:
    """Two hands that touch are one part: with two peaks in most knuckle maps, each cell goes to the nearer hand."""
    knuckles = [KEYPOINTS.index(f"MCP{d}") for d in (2, 3, 4)]
    apart = 0.28 * max(part.shape)
    centres: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for channel in knuckles:
        peaks = _peaks(keypoints[channel], part, apart)
        if len(peaks) == 2:
            first, second = sorted(peaks, key=lambda p: (p[1], p[0]))
            centres.append((np.array(first, dtype=float), np.array(second, dtype=float)))
    if len(centres) < 2:
        return [part]
    a, b = (np.mean([pair[k] for pair in centres], axis=0) for k in (0, 1))
    rows, columns = np.indices(part.shape)
    nearer = (rows - a[0]) ** 2 + (columns - a[1]) ** 2 <= (rows - b[0]) ** 2 + (columns - b[1]) ** 2
    return [part & nearer, part & ~nearer]


def _peaks(heat: NDArray[np.float32], part: NDArray[np.bool_], apart: float) -> list[tuple[int, int]]:
    """Up to two peaks of at least 0.25, no nearer to each other than `apart` cells."""
    found: list[tuple[int, int]] = []
    left = np.where(part, heat, 0)
    rows, columns = np.indices(heat.shape)
    for _ in range(2):
        row, column = np.unravel_index(int(np.argmax(left)), heat.shape)
        if left[row, column] < 0.25:
            break
        found.append((int(row), int(column)))
        left = np.where((rows - row) ** 2 + (columns - column) ** 2 < apart**2, 0, left)
    return found


def _box(part: NDArray[np.bool_], mapping: prepare.Mapping, shape: tuple[int, int]) -> BBox:
    """The film's pixels around a part of the grid, with a margin."""
    rows, columns = np.nonzero(part.any(axis=1))[0], np.nonzero(part.any(axis=0))[0]
    x0, y0 = mapping.backward(*prepare.grid_to_image(columns[0] - 0.5, rows[0] - 0.5, STRIDE))
    x1, y1 = mapping.backward(*prepare.grid_to_image(columns[-1] + 0.5, rows[-1] + 0.5, STRIDE))
    margin = _MARGIN * max(x1 - x0, y1 - y0)
    return _clip((x0 - margin, y0 - margin, x1 + margin, y1 + margin), shape)


def _clip(box: tuple[float, float, float, float], shape: tuple[int, int]) -> BBox:
    x0, y0, x1, y1 = box
    rows, columns = shape
    return (
        min(max(0, math.floor(x0)), columns - 1),
        min(max(0, math.floor(y0)), rows - 1),
        min(max(0, math.ceil(x1)), columns - 1),
        min(max(0, math.ceil(y1)), rows - 1),
    )


def _look(
    image: NDArray[np.float32], box: BBox, network: Look, given: AnatomyInput, thresholds: Thresholds
) -> SeenHand | None:
    """The second look, at one hand."""
    x0, y0, x1, y1 = box
    crop = image[y0 : y1 + 1, x0 : x1 + 1]
    if min(crop.shape) < 16:
        return None
    boxed = prepare.anatomy_input(crop, given.long_side_px, given.multiple)
    answer = network(boxed.image)
    tissue = _largest(answer["regions"][0] < 1 - _HAND)
    if not tissue.any():
        return None
    near = ndimage.binary_dilation(tissue, iterations=3)
    heats = np.where(near, answer["keypoints"], 0).astype(np.float32)
    points: dict[str, Point] = {}
    for name, peak in assemble(heats).items():
        if peak.heat >= thresholds.keypoint:
            cx, cy = boxed.mapping.backward(*prepare.grid_to_image(peak.x, peak.y, STRIDE))
            points[name] = (x0 + cx, y0 + cy)
    region = region_map(answer["regions"], tissue, points, box, boxed.mapping)
    rows, columns = np.nonzero(tissue.any(axis=1))[0], np.nonzero(tissue.any(axis=0))[0]
    bx0, by0 = boxed.mapping.backward(*prepare.grid_to_image(columns[0] - 0.5, rows[0] - 0.5, STRIDE))
    bx1, by1 = boxed.mapping.backward(*prepare.grid_to_image(columns[-1] + 0.5, rows[-1] + 0.5, STRIDE))
    bbox = _clip((x0 + bx0, y0 + by0, x0 + bx1, y0 + by1), (image.shape[0], image.shape[1]))
    return SeenHand(side_of(points), bbox, points, float(heats.max(axis=(1, 2)).mean()), region)


def _less(hand: SeenHand, other: SeenHand, shape: tuple[int, ...]) -> SeenHand:
    """A hand without what belongs to the other."""
    region = hand.region.without(hand.keypoints, other.keypoints)
    rows, columns = np.nonzero(region.labels)
    if not len(rows):
        return hand
    xs, ys = region.film_of(columns, rows)
    half = region.cell_px / 2
    around = (float(xs.min()) - half, float(ys.min()) - half, float(xs.max()) + half, float(ys.max()) + half)
    return replace(hand, region=region, bbox=_clip(around, (shape[0], shape[1])))


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    largest: NDArray[np.bool_] = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return largest
