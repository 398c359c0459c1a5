"""Bones as thickness along the beam: cortex, trabecular filling and, at their ends, plates seen edge-on.

A tubular bone is an elliptic tube whose half-width follows a profile along its axis. Its chord through the outside
less its chord through the marrow space is solid cortex; the marrow holds a part of trabecular bone, dense at the ends
and sparse in the shaft. At the ends the marrow stops before the bone does: that is the bright subchondral plate. Base
rims are drawn twice (palmar and dorsal), a little apart, as they appear on films.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.interpolate import PchipInterpolator

from models.phantom.anatomy import Bone, Carpal, Hand
from models.phantom.raster import Grid, Map, grain, smoothstep, trabeculae

_KNOTS: Final[Mapping[str, tuple[tuple[float, float], ...]]] = {
    # part of the length: half-width as a part of the widest
    "MC": ((0, 0.80), (0.05, 0.90), (0.13, 0.80), (0.3, 0.60), (0.5, 0.53), (0.7, 0.62), (0.86, 0.92), (0.94, 0.96),
           (1, 0.70)),
    "PP": ((0, 0.92), (0.05, 1.0), (0.14, 0.86), (0.32, 0.64), (0.55, 0.58), (0.75, 0.60), (0.88, 0.72), (0.95, 0.76),
           (1, 0.66)),
    "MP": ((0, 0.92), (0.06, 1.0), (0.18, 0.82), (0.38, 0.62), (0.58, 0.57), (0.75, 0.62), (0.88, 0.75), (0.95, 0.77),
           (1, 0.66)),
    "DP": ((0, 0.92), (0.07, 1.0), (0.2, 0.80), (0.4, 0.52), (0.58, 0.42), (0.72, 0.48), (0.85, 0.68), (0.94, 0.62),
           (1, 0.30)),
    "RADIUS": ((0, 0.46), (0.5, 0.44), (0.72, 0.46), (0.82, 0.58), (0.91, 0.85), (0.96, 0.97), (0.985, 1.0), (1, 0.90)),
    "ULNA": ((0, 0.70), (0.5, 0.62), (0.8, 0.62), (0.9, 0.72), (0.95, 0.90), (0.975, 1.0), (1, 0.86)),
}  # fmt: skip
_DEPTH: Final = {"MC": 0.86, "PP": 0.74, "MP": 0.74, "DP": 0.62, "RADIUS": 0.72, "ULNA": 0.9}
_SHAFT_CORTEX: Final = {"MC": 0.42, "PP": 0.40, "MP": 0.38, "DP": 0.34, "RADIUS": 0.42, "ULNA": 0.42}
"""Thickness of one cortex as a part of the shaft's half-width."""
_TABLE: Final = {
    kind: np.asarray(
        PchipInterpolator([part for part, _ in knots], [width for _, width in knots])(np.linspace(0, 1, 257)),
        dtype=np.float32,
    )
    for kind, knots in _KNOTS.items()
}
_EDGE_MM: Final = 0.14


Surface = Callable[[Map, Map], Map]
"""Where a bone begins or ends along its axis (mm from its base), by how far aside (part of the half-width, and mm)."""


@dataclass(frozen=True, slots=True)
class Ends:
    """The two ends of a tubular bone as they were drawn: each is one or two surfaces along the beam.

    Attributes:
        starts: at the base.
        stops: at the head.
        half_width_mm: of base and head.
    """

    starts: Sequence[Surface]
    stops: Sequence[Surface]
    half_width_mm: tuple[float, float]

    def base_mm(self, aside_mm: Map) -> Map:
        """The most proximal edge of the base, mm along the axis."""
        across = np.clip(np.abs(aside_mm) / np.float32(self.half_width_mm[0]), 0, 1).astype(np.float32)
        edge: Map = np.min([start(across, aside_mm) for start in self.starts], axis=0)
        return edge

    def head_mm(self, aside_mm: Map) -> Map:
        """The most distal edge of the head, mm along the axis."""
        across = np.clip(np.abs(aside_mm) / np.float32(self.half_width_mm[1]), 0, 1).astype(np.float32)
        edge: Map = np.max([stop(across, aside_mm) for stop in self.stops], axis=0)
        return edge


@dataclass(frozen=True, slots=True)
class _Look:
    """What the tubular bones of one hand share."""

    texture: float
    shaft_filling: float
    end_filling: float
    scar: float
    still_open: float


def half_width(kind: str, part: Map) -> Map:
    """The profile of a kind of bone, as a part of its widest half-width."""
    table = _TABLE[kind]
    return table[(np.clip(part, 0, 1) * np.float32(256)).astype(np.int16)]


_ACROSS: Final = np.linspace(-0.6, 0.6, 13).astype(np.float32)
"""The part of a joint's width over which its space is averaged, as readers do: not at the rims."""


def joint_space_mm(hand: Hand, ends: Mapping[str, Ends], joint: str) -> float | None:
    """The joint's space as a film shows it: the dark band between the bones' outlines, its mean over the joint.

    The gap between two axes is not what is seen: rims stand out and hollows lie back. 0 where the bones overlap; None
    if one of the bones isn't on the film.
    """
    near, far = {"DIP": ("MP", "DP"), "IP": ("PP", "DP"), "PIP": ("PP", "MP")}[joint[:-1]]
    proximal, distal = near + joint[-1], far + joint[-1]
    if proximal not in ends or distal not in ends:
        return None
    aside = _ACROSS * np.float32(ends[distal].half_width_mm[0])
    band = hand.joint_gap_mm[joint] + ends[distal].base_mm(aside)
    band = band + np.float32(hand.bone(proximal).length_mm) - ends[proximal].head_mm(aside)
    return float(np.clip(band, 0, None).mean())


def add_bones(grid: Grid, hand: Hand, bone_mm: Map, rng: np.random.Generator) -> dict[str, Ends]:
    """Adds a hand's skeleton to `bone_mm` (mm of cortical bone along the beam); returns the ends of what is on it."""
    texture = float(rng.uniform(0.12, 0.5))
    shaft_filling = float(rng.uniform(0.04, 0.10)) * hand.person.trabecular
    end_filling = float(rng.uniform(0.13, 0.22)) * hand.person.trabecular
    scars = _scars(rng, hand.person.age_years)
    look = _Look(texture, shaft_filling, end_filling, *scars)
    ends: dict[str, Ends] = {}
    for bone in hand.bones:
        drawn = _add_tube(grid, hand, bone, bone_mm, rng=rng, look=look)
        if drawn is not None:
            ends[bone.name] = drawn
    carpal_filling = float(rng.uniform(0.08, 0.14)) * hand.person.trabecular
    shell_mm = float(rng.uniform(0.18, 0.42)) * hand.person.cortex
    for carpal in hand.carpals:
        _add_carpal(grid, hand, carpal, bone_mm, rng=rng, texture=texture, filling=carpal_filling, shell_mm=shell_mm)
    return ends


def _scars(rng: np.random.Generator, age_years: float) -> tuple[float, float]:
    """How much growth-plate lines show: density of the scar, and how far the plate is still open."""
    if age_years < 25:
        return float(rng.uniform(0.2, 1.0)), float(rng.uniform(0, 0.7)) if rng.random() < 0.4 else 0.0
    return (float(rng.uniform(0.05, 0.6)) if rng.random() < 0.35 else 0.0), 0.0


def _add_tube(
    grid: Grid,
    hand: Hand,
    bone: Bone,
    bone_mm: Map,
    *,
    rng: np.random.Generator,
    look: _Look,
) -> Ends | None:
    rng = np.random.default_rng(
        int(rng.integers(2**31))
    )  # one draw a bone: a bone off the film doesn't change the next
    patch = grid.patch(hand.pose, (bone.base, bone.head), bone.half_width_mm + abs(bone.bow_mm) + 3)
    if patch is None:
        return None
    where, x, y = patch
    kind, length, wide = bone.kind, bone.length_mm, bone.half_width_mm
    ex, ey = (bone.head[0] - bone.base[0]) / length, (bone.head[1] - bone.base[1]) / length
    dx, dy = x - np.float32(bone.base[0]), y - np.float32(bone.base[1])
    s, u = dx * np.float32(ex) + dy * np.float32(ey), dx * np.float32(ey) - dy * np.float32(ex)
    t: Map = (s / np.float32(length)).astype(np.float32)
    u = u - np.float32(bone.bow_mm * 4) * t * (1 - t)
    u = u - np.float32(0.5 * bone.rotation * wide) * (t - np.float32(0.5)) ** 2 * 4
    w = half_width(kind, t) * np.float32(wide) * _uneven(t, u, kind, rng)
    if bone.resorbed:
        w = w * (1 - np.float32(bone.taper) * smoothstep(t, 0.3, max(0.45, 1 - bone.resorbed)))
    if bone.tuft != 1.0:
        w = w * (1 + np.float32(bone.tuft - 1) * smoothstep(t, 0.55, 0.8))
    depth = np.float32(_DEPTH[kind] + 0.15 * bone.rotation) * w
    middle = 0.42 if kind in {"RADIUS", "ULNA"} else 0.5
    shaft = np.exp(-(((t - np.float32(middle)) / np.float32(0.24)) ** 4)).astype(np.float32)
    if kind in {"RADIUS", "ULNA"}:
        shaft = 1 - smoothstep(t, 0.72, 0.93)
    narrow = float(_TABLE[kind].min() if kind != "DP" else 0.42) * wide
    thin = 0.38 * hand.person.cortex
    cortex = thin + (_SHAFT_CORTEX[kind] * narrow * hand.person.cortex - thin) * shaft
    cortex = cortex.astype(np.float32) * (1 + np.float32(0.06) * grain(s, u, rng))
    across = np.clip(np.abs(u) / np.maximum(w, 0.2), 0, 1)
    drawn = _ends(bone, rng)
    starts = [start(across, u) for start in drawn.starts]
    ends = [stop(across, u) for stop in drawn.stops]
    plate = float(rng.uniform(0.35, 1.0)) * (0.6 + 0.4 * hand.person.cortex)
    outside, inside = np.zeros_like(s), np.zeros_like(s)
    for start in starts:
        for end in ends:
            share = np.float32(1 / (len(starts) * len(ends)))
            outside += share * smoothstep(np.minimum(s - start, end - s), -_EDGE_MM, _EDGE_MM)
            inside += share * smoothstep(np.minimum(s - start, end - s), plate - 0.25, plate + 0.35)
    chord_out = 2 * depth * _chord(u, w) * outside
    inner_w, inner_d = np.maximum(w - cortex, 0.02), np.maximum(depth - cortex, 0.0)
    chord_in = np.minimum(2 * inner_d * _chord(u, inner_w) * inside, chord_out)
    filling = look.shaft_filling + (look.end_filling - look.shaft_filling) * (1 - shaft)
    net = 1 + np.float32(look.texture) * trabeculae(s, u, rng)
    marrow = filling.astype(np.float32) * np.clip(net, 0.1, 3.0)
    total = chord_out - chord_in + marrow * chord_in
    bone_mm[where] += _growth_plate(bone, total, chord_in, (s, u), rng=rng, look=look)
    return drawn


def _uneven(t: Map, u: Map, kind: str, rng: np.random.Generator) -> Map:
    """No bone is symmetric: each side's outline wanders by a few percent, and tufts differ most."""
    sides = []
    for _ in range(2):
        phase, rate, size = rng.uniform(0, 6.3, 3), rng.uniform(3, 14, 3), rng.normal(0, 0.022, 3)
        wander = sum(
            np.float32(a) * np.sin(t * np.float32(k) + np.float32(f)) for a, k, f in zip(size, rate, phase, strict=True)
        )
        if kind == "DP":
            wander = wander + np.float32(rng.normal(0, 0.16)) * smoothstep(t, 0.65, 0.88)
        sides.append(wander)
    uneven: Map = 1 + np.where(u > 0, sides[0], sides[1]).astype(np.float32)
    return uneven


def _ends(bone: Bone, rng: np.random.Generator) -> Ends:
    """Where the bone begins (palmar and dorsal rim) and where it ends, along its axis."""
    apart = float(rng.uniform(0.3, 1.4))
    hollow = float(rng.uniform(0.04, 0.28)) * bone.half_width_mm
    starts = _starts(bone, apart, hollow, rng)
    stops = _stops(bone, rng)
    kind, wide = bone.kind, bone.half_width_mm
    return Ends(starts, stops, (float(_TABLE[kind][8]) * wide, float(_TABLE[kind][246]) * wide))


def _starts(bone: Bone, apart: float, hollow: float, rng: np.random.Generator) -> list[Surface]:
    if bone.kind in {"PP", "MP", "DP"}:
        return [
            lambda across, _u: hollow * (1 - across**2) - 0.4,
            lambda across, _u: hollow * (1 - across**2) * 0.5 + apart - 0.4,
        ]
    if bone.kind == "MC":
        slant = np.float32(rng.uniform(-0.18, 0.18))
        return [lambda across, u: slant * u - 0.5 + 0.8 * across**2, lambda _across, u: slant * u + apart - 0.5]
    return [lambda _across, u: np.full_like(u, -1.0)]


def _stops(bone: Bone, rng: np.random.Generator) -> list[Surface]:
    kind, wide, length = bone.kind, bone.half_width_mm, bone.length_mm
    if kind == "MC":
        return [
            lambda across, _u: length - 0.5 * wide * across**3.5,
            lambda across, _u: length - 0.5 - 0.62 * wide * across**2.6,
        ]
    if kind in {"PP", "MP"}:  # two condyles, seldom in line
        notch = float(rng.uniform(0.05, 0.16)) * wide
        behind = float(rng.uniform(0.0, 0.6)) + bone.rotation * float(rng.uniform(0.3, 2.8))
        slack = float(rng.uniform(0, 0.25)) * wide

        def condyle(across: Map, _u: Map) -> Map:
            edge: Map = length - notch * np.exp(-((across / 0.35) ** 2)) - 0.5 * wide * across**5
            return edge

        return [condyle, lambda across, u: condyle(across, u) - behind - slack * across**2]
    if kind == "DP":
        rate, phase = np.float32(rng.uniform(0.8, 2.6)), np.float32(rng.uniform(0, 6.3))
        round_off = float(rng.uniform(0.2, 0.5)) * wide
        knob = np.float32(rng.uniform(0, 0.5))
        left = length * (1 - bone.resorbed)
        return [lambda across, u: left - round_off * across**2 + knob * np.sin(u * rate + phase)]
    if kind == "RADIUS":
        slope = np.float32(rng.uniform(0.18, 0.36))
        cup = float(rng.uniform(0.08, 0.2)) * wide
        less = float(rng.uniform(0.8, 2.6))

        def rim(across: Map, u: Map) -> Map:
            edge: Map = length + slope * u - cup * (1 - across**2) - 0.22 * wide * across**6
            return edge

        return [rim, lambda across, u: rim(across, u) - less * (1 - 0.6 * across)]
    place, thin = np.float32(rng.uniform(0.5, 0.85) * wide), np.float32(rng.uniform(1.1, 2.6))
    height = np.float32(rng.uniform(1.5, 6.5))

    def styloid(across: Map, u: Map) -> Map:
        edge: Map = length - 0.25 * wide * across**2 + height * np.exp(-(((u + place) / thin) ** 2))
        return edge

    return [styloid, lambda across, _u: length - 0.6 - 0.3 * wide * across**2]


def _growth_plate(
    bone: Bone, total: Map, chord_in: Map, place_mm: tuple[Map, Map], *, rng: np.random.Generator, look: _Look
) -> Map:
    """A closed growth plate leaves a thin dense line; one that is closing is a dark line between two dense ones."""
    s, u = place_mm
    scar, still_open = look.scar, look.still_open
    scar *= float(rng.uniform(0, 1.3))
    wave = np.float32(rng.uniform(0.1, 0.5)) * np.sin(
        u * np.float32(rng.uniform(0.3, 1.2)) + np.float32(rng.uniform(0, 6))
    )
    distal = bone.kind in {"RADIUS", "ULNA"} or bone.name in {"MC2", "MC3", "MC4", "MC5"}
    away = {"RADIUS": 8.5, "ULNA": 7.0, "MC": 9.5, "PP": 4.6, "MP": 3.8, "DP": 3.4}[bone.kind]
    place = bone.length_mm - away if distal else away
    off = (s - np.float32(place) - wave) / np.float32(rng.uniform(0.28, 0.5))
    line = np.exp(-(off**2)).astype(np.float32)
    total = total + np.float32(0.055 * scar) * chord_in * line
    if still_open:
        gap = np.exp(-((off / np.float32(1.6)) ** 2)).astype(np.float32)
        total = total * (1 - np.float32(still_open) * gap)
    return total


def _add_carpal(
    grid: Grid,
    hand: Hand,
    carpal: Carpal,
    bone_mm: Map,
    *,
    rng: np.random.Generator,
    texture: float,
    filling: float,
    shell_mm: float,
) -> None:
    rng = np.random.default_rng(int(rng.integers(2**31)))
    patch = grid.patch(hand.pose, (carpal.centre,), max(carpal.half_axes_mm) * 1.35 + 1)
    if patch is None:
        return
    where, x, y = patch
    dx, dy = x - np.float32(carpal.centre[0]), y - np.float32(carpal.centre[1])
    c, s = np.float32(math.cos(carpal.angle_rad)), np.float32(math.sin(carpal.angle_rad))
    a, b = (
        (c * dx - s * dy) / np.float32(carpal.half_axes_mm[0]),
        (s * dx + c * dy) / np.float32(carpal.half_axes_mm[1]),
    )
    theta = np.arctan2(b, a)
    radius = np.ones_like(theta)
    for order, (amplitude, phase) in enumerate(carpal.harmonics, start=2):
        radius += np.float32(amplitude) * np.cos(order * theta + np.float32(phase))
    mean_mm = float(np.mean(carpal.half_axes_mm))
    rho: Map = (np.sqrt(a * a + b * b) / radius).astype(np.float32)
    depth = carpal.half_depth_mm
    shell = np.float32(shell_mm) * (1 + np.float32(0.35) * np.cos(theta + np.float32(rng.uniform(0, 6.3))))
    rho_in = rho * np.float32(mean_mm) / (mean_mm - shell)
    chord_out = 2 * depth * np.sqrt(np.clip(1 - rho**4, 0, None)) * smoothstep((1 - rho) * mean_mm, -0.02, 0.25)
    chord_in = 2 * (depth - shell) * np.sqrt(np.clip(1 - rho_in**4, 0, None))
    net = np.clip(1 + np.float32(texture) * trabeculae(dy, dx, rng), 0.1, 3.0)
    bone_mm[where] += chord_out - chord_in + np.float32(filling) * net * chord_in


def _chord(u: Map, half_width_mm: Map) -> Map:
    chord: Map = np.sqrt(np.clip(1 - (u / half_width_mm) ** 2, 0, None))
    return chord
