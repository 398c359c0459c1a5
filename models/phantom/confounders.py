"""What looks like calcinosis and isn't, each at its rate and labelled as what it is.

Sesamoids: pooled radiographic rates of adults (thumb MCP 99.9 and 99.6 %, thumb IP 48 %, MCP II 40 %, MCP V 63 %,
MCP III 1.3 %, MCP IV 0.8 %). Other rates are our choice: high enough to be learnt.

Labels: `sesamoid` and `metal` have their own channels. Calcification that is not calcinosis (vessels, cartilage) and
dense islands within bone are marked `undecided`: the network is neither asked for them nor punished.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.phantom.anatomy import Bone, Hand, Vec
from models.phantom.raster import Grid, Map, smoothstep

Mask = NDArray[np.bool_]

SESAMOID_RATES: Final = {
    "MCP1r": 0.999,
    "MCP1u": 0.996,
    "IP1": 0.478,
    "MCP2": 0.40,
    "MCP3": 0.013,
    "MCP4": 0.008,
    "MCP5": 0.628,
}


@dataclass(slots=True)
class Maps:
    """Everything a film is made of, and the labels that go with it."""

    soft_mm: Map
    bone_mm: Map
    ha_mm: Map
    metal_mm: Map
    veil: Map
    """-ln I of plates, tape and blankets over the hand."""
    sesamoid: Mask
    metal: Mask
    undecided: Mask


def empty_maps(grid: Grid) -> Maps:
    """A film without anything."""
    masks = [np.zeros(grid.shape, dtype=bool) for _ in range(3)]
    return Maps(grid.zeros(), grid.zeros(), grid.zeros(), grid.zeros(), grid.zeros(), *masks)


@dataclass(frozen=True, slots=True)
class Sesamoid:
    """A normal sesamoid: where it is named after, and its centre on the film."""

    place: str
    hand: int
    x_px: float
    y_px: float


def add_sesamoids(grid: Grid, hand: Hand, hand_index: int, maps: Maps, rng: np.random.Generator) -> list[Sesamoid]:
    """Ovals of 3 to 6 mm with a cortical rim and trabecular core, palmar of their joint."""
    made = []
    mc1, pp1 = hand.bone("MC1"), hand.bone("PP1")
    size = hand.person.size
    shift = -4.0 * mc1.rotation * float(rng.uniform(0.2, 2.4))
    sites: dict[str, Vec] = {
        "MCP1r": mc1.at(float(rng.uniform(0.84, 1.0)), (4.2 + shift + float(rng.normal(0, 0.8))) * size),
        "MCP1u": mc1.at(float(rng.uniform(0.84, 1.08)), (-4.8 + shift + float(rng.normal(0, 0.8))) * size),
        "IP1": pp1.at(float(rng.uniform(0.9, 1.04)), float(rng.normal(-0.8, 1.6))),
        "MCP2": hand.bone("MC2").at(float(rng.uniform(0.88, 0.99)), float(rng.uniform(1.5, 5.5)) * size),
        "MCP3": hand.bone("MC3").at(float(rng.uniform(0.88, 0.98)), float(rng.normal(0, 3))),
        "MCP4": hand.bone("MC4").at(float(rng.uniform(0.88, 0.98)), float(rng.normal(0, 3))),
        "MCP5": hand.bone("MC5").at(float(rng.uniform(0.86, 0.98)), float(rng.uniform(-5.5, -1.0)) * size),
    }
    for place, site in sites.items():
        if rng.random() >= SESAMOID_RATES[place]:
            continue
        large = place.startswith("MCP1")
        a = size * float(rng.uniform(1.2, 2.9) if large else rng.uniform(0.8, 2.1))
        mask = _shelled(grid, hand, site, (a, a * float(rng.uniform(0.65, 0.95))), into=maps.bone_mm, rng=rng)
        if mask is not None:
            maps.sesamoid[mask[0]] |= mask[1]
            made.append(Sesamoid(place, hand_index, *grid.to_pixel(hand.pose.to_film(site))))
    return made


def add_bony(grid: Grid, hand: Hand, maps: Maps, rng: np.random.Generator) -> None:
    """Osteophytes, ossicles, an ununited styloid, bone islands, calcified vessels and cartilage."""
    age = hand.person.age_years
    worn = float(np.clip((age - 35) / 50, 0, 1))
    for bone in hand.bones:
        _tubercles(grid, hand, bone, maps, rng)
        if bone.kind in {"PP", "MP", "DP"} and rng.random() < 0.5 * worn:
            for side in (-1.0, 1.0):
                if rng.random() < 0.7:
                    _osteophyte(grid, hand, bone, side, maps, rng=rng)
        if rng.random() < 0.025:
            centre = bone.at(float(rng.uniform(0.1, 0.9)), float(rng.normal(0, 0.3)) * bone.half_width_mm * 0.5)
            _spot(
                grid, hand, centre, float(rng.uniform(0.5, 1.8)), into=maps.bone_mm, density=1.0, label=maps.undecided
            )
    _styloid(grid, hand, maps, rng)
    if age > 55 and rng.random() < 0.1:
        _vessels(grid, hand, maps, rng)
    if age > 60 and rng.random() < 0.08:
        x, y = hand.keypoints["WRIST"]
        for _ in range(int(rng.integers(2, 6))):
            centre = (x - float(rng.uniform(8, 19)), y + float(rng.uniform(-2.0, 3.0)))
            _spot(grid, hand, centre, float(rng.uniform(0.4, 1.0)), into=maps.ha_mm, density=0.15, label=maps.undecided)


def add_soft_signs(grid: Grid, hand: Hand, maps: Maps, rng: np.random.Generator) -> None:
    """Nails, creases and small soft lumps: faint, and never bone."""
    for digit in range(1, 6):
        bone = hand.bone(f"DP{digit}")
        patch = grid.patch(hand.pose, (bone.at(0.4), bone.at(1.35)), 8)
        if patch is None:
            continue
        where, x, y = patch
        s, u = _local(x, y, bone)
        long = np.float32(bone.length_mm)
        nail = smoothstep(s / long, 0.45, 0.55) * (1 - smoothstep(s / long, 1.12, 1.2))
        nail *= 1 - smoothstep(np.abs(u), 4.6 * hand.person.size, 5.2 * hand.person.size)
        maps.soft_mm[where] += np.float32(rng.uniform(0.2, 0.8)) * nail * (maps.soft_mm[where] > 0.5)
    for _ in range(int(rng.integers(0, 5))):
        bone = hand.bones[int(rng.integers(0, 19))]
        _crease(grid, hand, bone, maps, rng)
    if rng.random() < 0.2:
        bone = hand.bones[int(rng.integers(0, 19))]
        centre = bone.at(float(rng.random()), float(rng.normal(0, 8)))
        _spot(grid, hand, centre, float(rng.uniform(1, 5)), into=maps.soft_mm, density=float(rng.uniform(0.3, 0.8)))


def add_metal(grid: Grid, hand: Hand, maps: Maps, rng: np.random.Generator) -> None:
    """Rings, wires and splinters: dense, sharp, in the metal channel."""
    if rng.random() < 0.06:
        bone = hand.bone(f"PP{int(rng.integers(2, 6))}")
        part, half = float(rng.uniform(0.2, 0.5)), float(rng.uniform(0.8, 2.5))
        patch = grid.patch(hand.pose, (bone.at(part),), 14)
        if patch is not None:
            where, x, y = patch
            s, u = _local(x, y, bone)
            tilt = np.float32(rng.normal(0, 0.15))
            reach = float(rng.uniform(8.5, 10.5))
            band = np.abs(s - np.float32(part * bone.length_mm) - tilt * u) < half
            band &= np.abs(u) < reach
            depth = 1.5 / np.sqrt(np.clip(1 - (u / np.float32(reach + 0.5)) ** 2, 0.03, 1))
            maps.metal_mm[where] += band * depth.astype(np.float32)
            maps.metal[where] |= band
    if rng.random() < 0.05:
        for _ in range(int(rng.integers(1, 4))):
            bone = hand.bones[int(rng.integers(0, 19))]
            centre = bone.at(float(rng.random()), float(rng.normal(0, 7)))
            _stick(grid, hand, centre, (float(rng.uniform(0.5, 3.0)), float(rng.uniform(0.15, 0.6))), maps, rng=rng)
    if rng.random() < 0.03:
        bone = hand.bones[int(rng.integers(0, 19))]
        _stick(grid, hand, bone.at(0.6), (float(rng.uniform(12, 28)), float(rng.uniform(0.5, 0.9))), maps, rng=rng)


def _local(x: Map, y: Map, bone: Bone) -> tuple[Map, Map]:
    length = bone.length_mm
    ex, ey = (bone.head[0] - bone.base[0]) / length, (bone.head[1] - bone.base[1]) / length
    dx, dy = x - np.float32(bone.base[0]), y - np.float32(bone.base[1])
    return dx * np.float32(ex) + dy * np.float32(ey), dx * np.float32(ey) - dy * np.float32(ex)


def _shelled(
    grid: Grid, hand: Hand, centre: Vec, half_axes_mm: Vec, *, into: Map, rng: np.random.Generator
) -> tuple[tuple[slice, slice], Mask] | None:
    """A small bone with a rim of cortex; returns where it lies and its outline."""
    patch = grid.patch(hand.pose, (centre,), max(half_axes_mm) * 1.3 + 1)
    if patch is None:
        return None
    where, x, y = patch
    angle = float(rng.uniform(0, math.pi))
    c, s = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    px, py = x - np.float32(centre[0]), y - np.float32(centre[1])
    u, v = (c * px + s * py) / np.float32(half_axes_mm[0]), (c * py - s * px) / np.float32(half_axes_mm[1])
    theta = np.arctan2(v, u)
    outline = 1 + np.float32(rng.uniform(0, 0.1)) * np.cos(3 * theta + np.float32(rng.uniform(0, 6.3)))
    rho = np.hypot(u, v) / outline
    depth = 0.85 * min(half_axes_mm)
    shell = float(rng.uniform(0.12, 0.5)) * hand.person.cortex
    inner = rho * np.float32(half_axes_mm[1] / max(half_axes_mm[1] - shell, 0.2))
    out = 2 * depth * np.sqrt(np.clip(1 - rho**2, 0, None))
    within = 2 * max(depth - shell, 0.1) * np.sqrt(np.clip(1 - inner**2, 0, None))
    into[where] += out - within + np.float32(rng.uniform(0.15, 0.75)) * within
    return where, rho < 1


def _edge_mm(grid: Grid, hand: Hand, bone: Bone, bone_mm: Map, *, part: float, side: float) -> float:
    """How far from its axis a bone reaches at `part` of its length, as it was drawn."""
    reached = 0.0
    for away in np.arange(0.4, 1.5 * bone.half_width_mm, 0.2):
        x, y = grid.to_pixel(hand.pose.to_film(bone.at(part, side * float(away))))
        row, column = round(y), round(x)
        if not (0 <= row < grid.rows and 0 <= column < grid.columns) or bone_mm[row, column] < 0.35:
            break
        reached = float(away)
    return reached


def _osteophyte(grid: Grid, hand: Hand, bone: Bone, side: float, maps: Maps, *, rng: np.random.Generator) -> None:
    """A beak that grows out of the edge of a joint: it is part of the bone, never a body of its own."""
    at_base = rng.random() < 0.6 or bone.kind == "DP"
    part = float(rng.uniform(0.0, 0.09)) if at_base else float(rng.uniform(0.88, 0.99))
    reach = float(rng.uniform(0.5, 1.6))
    edge = _edge_mm(grid, hand, bone, maps.bone_mm, part=part, side=side)
    density = float(rng.uniform(0.35, 0.8))
    if edge:
        for step in range(3):
            centre = bone.at(part, side * (edge - 0.5 * reach + 0.45 * reach * step))
            _spot(grid, hand, centre, reach * (1 - 0.25 * step), into=maps.bone_mm, density=density / 2)


def _styloid(grid: Grid, hand: Hand, maps: Maps, rng: np.random.Generator) -> None:
    """The ulna's styloid: often a dense knob at its tip, seldom a bone of its own."""
    head = hand.bone("ULNA").head
    patch = grid.patch(hand.pose, (head,), 9.0)
    if patch is not None and rng.random() < 0.4:
        where, x, y = patch
        height = np.where((maps.bone_mm[where] > 0.35) & (x < head[0] - 1) & (y < head[1] + 4.5), y, -np.inf)
        row, column = np.unravel_index(int(np.argmax(height)), height.shape)
        if np.isfinite(height[row, column]):
            radius = float(rng.uniform(0.7, 1.8))
            tip = (float(x[row, column]), float(y[row, column]) - 0.6 * radius)
            _spot(grid, hand, tip, radius, into=maps.bone_mm, density=float(rng.uniform(0.2, 0.7)))
    if rng.random() < 0.05:
        place = (head[0] - 6.0 * hand.person.size, head[1] + float(rng.uniform(3.0, 6.5)))
        _shelled(
            grid, hand, place, (float(rng.uniform(1.0, 2.2)), float(rng.uniform(0.9, 1.6))), into=maps.bone_mm, rng=rng
        )


def _tubercles(grid: Grid, hand: Hand, bone: Bone, maps: Maps, rng: np.random.Generator) -> None:
    """Normal corners: where ligaments hold, bases and heads carry small dense knobs at their edges."""
    if bone.kind in {"RADIUS", "ULNA"}:
        return
    for at_base, rate in ((True, 0.5), (False, 0.35)):
        for side in (-1.0, 1.0):
            if bone.kind == "DP" and not at_base:
                continue
            if rng.random() < rate:
                part_mm = float(rng.uniform(0.2, 2.2)) if at_base else float(rng.uniform(-5.0, -0.8))
                part = (part_mm if at_base else bone.length_mm + part_mm) / bone.length_mm
                radius = float(rng.uniform(0.4, 1.3))
                edge = _edge_mm(grid, hand, bone, maps.bone_mm, part=part, side=side)
                if edge:
                    centre = bone.at(part, side * (edge - float(rng.uniform(0.2, 0.9)) * radius))
                    _spot(grid, hand, centre, radius, into=maps.bone_mm, density=float(rng.uniform(0.15, 0.7)))


def _vessels(grid: Grid, hand: Hand, maps: Maps, rng: np.random.Generator) -> None:
    """Moenckeberg's sclerosis: two broken parallel lines along a digital or the radial artery."""
    bone = hand.bone(str(rng.choice(["PP2", "PP3", "PP4", "MC2", "RADIUS"])))
    patch = grid.patch(hand.pose, (bone.base, bone.head), 16)
    if patch is None:
        return
    where, x, y = patch
    s, u = _local(x, y, bone)
    aside = float(rng.choice((-1, 1))) * (bone.half_width_mm + float(rng.uniform(1.0, 4.0)))
    centre = np.float32(aside) + np.float32(0.8) * np.sin(s * np.float32(rng.uniform(0.1, 0.3)))
    calibre = float(rng.uniform(0.5, 1.1))
    wall = np.exp(-(((np.abs(u - centre) - calibre) / np.float32(0.22)) ** 2))
    broken = np.sin(s * np.float32(rng.uniform(1.0, 3.0))) > float(rng.uniform(-0.8, 0.3))
    within = (s > 0) & (s < bone.length_mm) & (maps.soft_mm[where] > 1)
    maps.ha_mm[where] += (wall * broken * within * float(rng.uniform(0.05, 0.25))).astype(np.float32)
    maps.undecided[where] |= (np.abs(u - centre) < calibre + 0.8) & within


def _spot(
    grid: Grid,
    hand: Hand,
    centre: Vec,
    radius_mm: float,
    *,
    into: Map,
    density: float,
    label: Mask | None = None,
) -> None:
    patch = grid.patch(hand.pose, (centre,), radius_mm + 1)
    if patch is None:
        return
    where, x, y = patch
    rho2 = ((x - np.float32(centre[0])) ** 2 + (y - np.float32(centre[1])) ** 2) / np.float32(radius_mm**2)
    into[where] += np.float32(2 * radius_mm * density) * np.sqrt(np.clip(1 - rho2, 0, None))
    if label is not None:
        label[where] |= rho2 < 1.6


def _crease(grid: Grid, hand: Hand, bone: Bone, maps: Maps, rng: np.random.Generator) -> None:
    patch = grid.patch(hand.pose, (bone.base, bone.head), 12)
    if patch is None:
        return
    where, x, y = patch
    s, u = _local(x, y, bone)
    place = np.float32(rng.uniform(0, 1) * bone.length_mm) + np.float32(rng.normal(0, 0.4)) * u
    place = place + np.float32(1.5) * np.sin(u * np.float32(rng.uniform(0.1, 0.4)))
    fold = np.exp(-(((s - place) / np.float32(rng.uniform(0.3, 0.9))) ** 2))
    tissue = maps.soft_mm[where] > 1
    maps.soft_mm[where] += (np.float32(rng.uniform(-1.0, 1.2)) * fold * tissue).astype(np.float32)


def _stick(grid: Grid, hand: Hand, centre: Vec, size_mm: Vec, maps: Maps, *, rng: np.random.Generator) -> None:
    length_mm, half_mm = size_mm
    patch = grid.patch(hand.pose, (centre,), length_mm + 2)
    if patch is None:
        return
    where, x, y = patch
    angle = float(rng.uniform(0, math.pi))
    c, s = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    px, py = x - np.float32(centre[0]), y - np.float32(centre[1])
    along, across = np.abs(c * px + s * py), np.abs(c * py - s * px)
    inside = (along < length_mm / 2) & (across < half_mm)
    maps.metal_mm[where] += inside * np.float32(2 * half_mm)
    maps.metal[where] |= inside
