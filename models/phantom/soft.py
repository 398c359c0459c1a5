"""Soft tissue: thickness along the beam, and which region of the hand each pixel belongs to.

Each segment of the hand is a capsule with an elliptic section; capsules melt together by a power mean. The palm is four
capsules along the metacarpals with the thenar and hypothenar eminences. Between the fingers a web reaches to about the
middle of the proximal phalanges, thinner towards its hollow rim.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge.types import REGIONS
from models.phantom.anatomy import Bone, Hand, Vec
from models.phantom.raster import Grid, Map, smooth_noise

_STEP: Final = 2
"""Soft tissue is drawn on every second pixel and enlarged."""
_POWER: Final = 4.0
REGION_STEP: Final = 4
"""The region map has one cell for 4 x 4 pixels."""
WRIST_BAND_MM: Final = 24.0
"""How far the region CARPUS reaches below the radiocarpal joint; the forearm beyond is background."""


@dataclass(frozen=True, slots=True)
class Capsule:
    """A rod with round ends: half-width and half-depth at both ends, mm."""

    start: Vec
    stop: Vec
    half_width_mm: tuple[float, float]
    half_depth_mm: tuple[float, float]


def capsules(hand: Hand, rng: np.random.Generator) -> Iterator[Capsule]:
    """The soft tissue of one hand."""
    f = hand.person.soft * hand.person.size
    for digit in range(1, 6):
        g = f * {1: 1.12, 2: 1.0, 3: 1.02, 4: 0.95, 5: 0.85}[digit] * (1 + 0.03 * float(rng.normal()))
        tip_bone = hand.bone(f"DP{digit}")
        start = hand.bone(f"PP{digit}").base
        joints = ["MCP", "IP"] if digit == 1 else ["MCP", "PIP", "DIP"]
        points = [hand.keypoints[f"{name}{digit}"] for name in joints]
        points[0] = start
        widths = [11.2, 9.2, 8.3] if digit == 1 else [10.6, 9.4, 8.4, 7.6]
        end = tip_bone.at(1.0)
        reach = max(0.1, hand.pulp_mm[digit] - widths[-1] * g) if hand.pulp_mm[digit] > widths[-1] * g else 0.0
        back = max(0.0, widths[-1] * g - hand.pulp_mm[digit])
        points.append(tip_bone.at(1.0 + (reach - back) / tip_bone.length_mm) if tip_bone.length_mm > back else end)
        for index in range(len(points) - 1):
            w0, w1 = widths[index] * g, widths[index + 1] * g
            yield Capsule(points[index], points[index + 1], (w0, w1), (0.86 * w0, 0.84 * w1))
    for digit in range(2, 6):
        ray = hand.bone(f"MC{digit}")
        yield Capsule(ray.at(0.0), ray.at(0.97), (13.5 * f, 11.8 * f), (12.5 * f, 10.0 * f))
        yield Capsule((0.45 * ray.base[0], -14 * f), ray.at(0.3), (14.0 * f, 12.0 * f), (14.5 * f, 13.0 * f))
    thumb = hand.bone("MC1")
    yield Capsule(thumb.at(0.0), thumb.at(1.0), (14.0 * f, 11.5 * f), (14.5 * f, 10.5 * f))
    web = hand.bone("MC2").at(0.45, 3.0)
    yield Capsule(thumb.at(0.25), web, (15.0 * f, 13.0 * f), (15.5 * f, 11.0 * f))
    little = hand.bone("MC5")
    yield Capsule(little.at(0.0, -5.0 * f), little.at(0.65, -3.0 * f), (12.0 * f, 11.0 * f), (13.5 * f, 11.0 * f))
    radius, ulna = hand.bone("RADIUS"), hand.bone("ULNA")
    middle = _between(radius.head, ulna.head)
    far = _between(radius.base, ulna.base)
    wrist = (0.5 * (middle[0] + 0.0), middle[1] + 12)
    elbow = (middle[0] + (far[0] - middle[0]), middle[1] + (far[1] - middle[1]))
    yield Capsule(middle, elbow, (27.5 * f, 38 * f), (19.0 * f, 33 * f))
    yield Capsule(wrist, middle, (27.0 * f, 26.5 * f), (18.5 * f, 18.5 * f))


def add_soft(grid: Grid, hand: Hand, soft_mm: Map, rng: np.random.Generator) -> None:
    """Adds one hand's soft tissue to `soft_mm`; where two hands touch, the thicknesses add."""
    small = Grid(math.ceil(grid.rows / _STEP) + 1, math.ceil(grid.columns / _STEP) + 1, grid.pitch_mm * _STEP)
    power = small.zeros()
    for capsule in capsules(hand, rng):
        margin = max(capsule.half_width_mm) + 1
        patch = small.patch(hand.pose, (capsule.start, capsule.stop), margin)
        if patch is None:
            continue
        where, x, y = patch
        along, distance = _along_and_distance(x, y, capsule.start, capsule.stop)
        w = np.float32(capsule.half_width_mm[0]) + along * np.float32(
            capsule.half_width_mm[1] - capsule.half_width_mm[0]
        )
        d = np.float32(capsule.half_depth_mm[0]) + along * np.float32(
            capsule.half_depth_mm[1] - capsule.half_depth_mm[0]
        )
        inside = np.clip(1 - (distance / w) ** 2, 0, None)
        power[where] += (4 * d * d * inside) ** 2  # thickness to the fourth
    for digit in (2, 3, 4):
        _add_web(small, hand, (hand.bone(f"PP{digit}"), hand.bone(f"PP{digit + 1}")), power, rng)
    thick = power ** np.float32(1 / _POWER)
    thick = ndimage.gaussian_filter(thick, 0.35 / small.pitch_mm)
    lumps = 1 + np.float32(0.025) * smooth_noise(small.shape, 7.0 / small.pitch_mm, rng)
    streaks = 1 + np.float32(rng.uniform(0.006, 0.02)) * smooth_noise(small.shape, 1.2 / small.pitch_mm, rng)
    thick *= lumps * streaks
    soft_mm += ndimage.zoom(thick, _STEP, order=1, grid_mode=False)[: grid.rows, : grid.columns]


def _add_web(grid: Grid, hand: Hand, pair: tuple[Bone, Bone], power: Map, rng: np.random.Generator) -> None:
    """Skin and fat between two proximal phalanges, from their bases to a rim; into `power`, thickness to the fourth."""
    one, other = pair
    part = float(rng.uniform(0.26, 0.52))
    rim, base = _between(one.at(part), other.at(part)), _between(one.at(-0.1), other.at(-0.1))
    length = math.dist(rim, base)
    half = 0.5 * math.dist(one.at(part), other.at(part))
    patch = grid.patch(hand.pose, (rim, base), half + 4)
    if patch is None or length < 1:
        return
    where, x, y = patch
    ux, uy = (rim[0] - base[0]) / length, (rim[1] - base[1]) / length
    u = (x - np.float32(rim[0])) * np.float32(ux) + (y - np.float32(rim[1])) * np.float32(uy)
    v = (y - np.float32(rim[1])) * np.float32(ux) - (x - np.float32(rim[0])) * np.float32(uy)
    hollow = np.float32(rng.uniform(0.2, 1.2) / max(half, 3.0)) * v * v
    inward = hollow - u  # mm from the rim into the hand
    thin, thick = float(rng.uniform(1.5, 5.0)), float(rng.uniform(9.0, 17.0)) * hand.person.soft * hand.person.size
    depth = np.float32(thin) + np.float32(thick - thin) * np.clip(inward / np.float32(length), 0, 1)
    sharp = float(rng.uniform(0.4, 2.5))
    within = np.clip(inward / np.float32(sharp), 0, 1) * (np.abs(v) < half) * (u > -length - 2)
    power[where] += (depth * within) ** 4


def regions(grid: Grid, hands: tuple[Hand, ...], soft_mm: Map) -> NDArray[np.uint8]:
    """0 background, 1 + index in `edge.types.REGIONS`; one cell for REGION_STEP x REGION_STEP pixels."""
    cells = Grid(math.ceil(grid.rows / REGION_STEP), math.ceil(grid.columns / REGION_STEP), grid.pitch_mm * REGION_STEP)
    centre = (REGION_STEP - 1) / 2 * grid.pitch_mm
    xs = np.arange(cells.columns, dtype=np.float32)[None, :] * np.float32(cells.pitch_mm) + np.float32(centre)
    ys = np.arange(cells.rows, dtype=np.float32)[:, None] * np.float32(cells.pitch_mm) + np.float32(centre)
    nearest = np.full(cells.shape, 22.0, dtype=np.float32)  # mm beyond which tissue belongs to no region
    out = np.zeros(cells.shape, dtype=np.uint8)
    for hand in hands:
        x, y = hand.pose.to_hand(xs, ys)
        for label, start, stop, reach in _axes(hand):
            _, distance = _along_and_distance(x, y, start, stop)
            distance = distance / np.float32(reach)
            closer = distance < nearest
            nearest[closer] = distance[closer]
            out[closer] = label
        wx, wy = hand.keypoints["WRIST"]
        radius = hand.bone("RADIUS")
        ex, ey = (
            (radius.head[0] - radius.base[0]) / radius.length_mm,
            (radius.head[1] - radius.base[1]) / radius.length_mm,
        )
        below = (x - np.float32(wx)) * np.float32(ex) + (y - np.float32(wy)) * np.float32(ey)
        out[(below < -WRIST_BAND_MM) & (out == 1 + REGIONS.index("CARPUS"))] = 0
    tissue = soft_mm[::REGION_STEP, ::REGION_STEP][: cells.rows, : cells.columns] > 1.0
    out[~tissue] = 0
    return out


def _axes(hand: Hand) -> Iterator[tuple[int, Vec, Vec, float]]:
    """Each region's axis: a pixel belongs to the region whose axis is nearest."""
    k = hand.keypoints
    for digit in range(1, 6):
        chain = [("MC", hand.bone(f"MC{digit}").at(0.06), k[f"MCP{digit}"])]
        if digit == 1:
            chain += [("PP", k["MCP1"], k["IP1"]), ("DP", k["IP1"], hand.bone("DP1").at(1.3))]
        else:
            chain += [
                ("PP", k[f"MCP{digit}"], k[f"PIP{digit}"]),
                ("MP", k[f"PIP{digit}"], k[f"DIP{digit}"]),
                ("DP", k[f"DIP{digit}"], hand.bone(f"DP{digit}").at(1.3)),
            ]
        for kind, start, stop in chain:
            yield 1 + REGIONS.index(f"{kind}{digit}"), start, stop, 1.0
    radius = hand.bone("RADIUS")
    size = hand.person.size
    carpus = 1 + REGIONS.index("CARPUS")
    yield carpus, (-12.0 * size, 1.0), (12.0 * size, 1.0), 1.25
    yield carpus, (-13.0 * size, -10.0), (10.0 * size, -10.0), 1.4
    for aside in (-20.0, -10.0, 0.0, 8.0):
        yield carpus, radius.at(1.0, aside * size), radius.at(0.8, aside * size), 1.4


def _along_and_distance(x: Map, y: Map, start: Vec, stop: Vec) -> tuple[Map, Map]:
    """How far along the segment the nearest point lies (0 to 1), and the distance to it."""
    dx, dy = stop[0] - start[0], stop[1] - start[1]
    square = max(dx * dx + dy * dy, 1e-6)
    px, py = x - np.float32(start[0]), y - np.float32(start[1])
    along = np.clip((px * np.float32(dx) + py * np.float32(dy)) * np.float32(1 / square), 0, 1)
    distance = np.hypot(px - along * np.float32(dx), py - along * np.float32(dy))
    return along, distance


def _between(a: Vec, b: Vec) -> Vec:
    return 0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1])
