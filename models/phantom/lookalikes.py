"""Normal structures of real hands that look dense at a glance: nothing here is labelled, all of it is normal.

Each was put in after a mark on a clean radiograph sat on one: condensed trabeculae in metacarpal heads, the double
contour and the knobs of a thumb seen obliquely, tubercles beside the heads of phalanges, the ulna's styloid behind its
head, doubled bone at the bases of metacarpals, folds of skin between fingers and in their webs, bandages. Rates are our
choice: high enough to be learnt.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from models.phantom.anatomy import Bone, Hand, Vec
from models.phantom.confounders import Maps
from models.phantom.raster import Grid, Map, smooth_noise, smoothstep, trabeculae

_CONDENSED = {"MC1": 0.8, "MC2": 0.8, "MC3": 0.5, "MC4": 0.4, "MC5": 0.4, "PP1": 0.5, "DP1": 0.35}
_KNOBS = {"MC1": (0.8, 1.05), "PP1": (-0.06, 0.14), "DP1": (-0.08, 0.16)}
"""Along which part of a thumb's bone its corners lie, seen obliquely."""


def add_lookalikes(grid: Grid, hand: Hand, maps: Maps, rng: np.random.Generator) -> None:
    """Adds one hand's; before the lesions, so that these may lie among them."""
    for bone in hand.bones:
        if rng.random() < _CONDENSED.get(bone.name, 0.12):
            _condensation(grid, hand, bone, maps.bone_mm, rng)
        if bone.kind in {"PP", "MP"} and rng.random() < (0.7 if bone.name == "PP1" else 0.2):
            _second_contour(grid, hand, bone, maps.bone_mm, rng)
        if bone.kind in {"PP", "MP"}:
            _shoulders(grid, hand, bone, maps.bone_mm, rng)
    _knobs(grid, hand, maps.bone_mm, rng)
    if rng.random() < 0.6:
        _peg(grid, hand, maps.bone_mm, rng)
    for digit in (2, 3, 4, 5):
        if rng.random() < 0.4:
            _overlap(grid, hand, hand.bone(f"MC{digit}"), maps.bone_mm, rng)
    _between_fingers(grid, hand, maps.soft_mm, rng)
    if rng.random() < 0.06:
        _bandage(grid, hand, maps.veil, rng)


def _between_fingers(grid: Grid, hand: Hand, soft_mm: Map, rng: np.random.Generator) -> None:
    """Fingers that touch, and the webs where they part."""
    for digit in (1, 2, 3, 4):
        one, other = hand.bone(f"PP{digit}"), hand.bone(f"PP{digit + 1}")
        if digit > 1 and rng.random() < 0.3:
            _touching(grid, hand, one, other, soft_mm, rng=rng)
        if rng.random() < 0.75:
            _web(grid, hand, one, other, soft_mm, rng=rng)


def _knobs(grid: Grid, hand: Hand, bone_mm: Map, rng: np.random.Generator) -> None:
    """Corners of a thumb's bones."""
    for name, (first, last) in _KNOBS.items():
        for _ in range(int(rng.integers(0, 4))):
            bone = hand.bone(name)
            aside = float(rng.choice((-1, 1))) * bone.half_width_mm * float(rng.uniform(0.3, 1.0))
            centre = bone.at(float(rng.uniform(first, last)), aside)
            axes = float(rng.uniform(0.5, 1.7)), float(rng.uniform(0.4, 1.2))
            _lump(grid, hand, centre, axes, bone_mm, rng=rng)


def _frame(x: Map, y: Map, centre: Vec, angle: float) -> tuple[Map, Map]:
    c, s = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    px, py = x - np.float32(centre[0]), y - np.float32(centre[1])
    return c * px + s * py, c * py - s * px


def _condensation(grid: Grid, hand: Hand, bone: Bone, bone_mm: Map, rng: np.random.Generator) -> None:
    """Trabeculae that thicken towards a point of a head or a base: a bright star without an edge."""
    at_head = bone.kind == "MC" or rng.random() < 0.6
    part = float(rng.uniform(0.84, 0.97)) if at_head else float(rng.uniform(0.03, 0.16))
    centre = bone.at(part, float(rng.normal(0, 0.35)) * bone.half_width_mm)
    reach = float(rng.uniform(1.0, 3.4))
    patch = grid.patch(hand.pose, (centre,), 2.5 * reach)
    if patch is None:
        return
    where, x, y = patch
    along, across = _frame(x, y, centre, float(rng.uniform(0, math.pi)))
    fall = np.exp(-0.5 * ((along / np.float32(reach * float(rng.uniform(0.7, 1.5)))) ** 2 + (across / reach) ** 2))
    net = np.clip(0.5 + np.float32(rng.uniform(0.3, 1.0)) * trabeculae(along, across, rng), 0, 3)
    ragged = np.clip(1 + np.float32(rng.uniform(0, 0.9)) * smooth_noise(x.shape, 0.7 / grid.pitch_mm, rng), 0, 3)
    within = bone_mm[where] > 0.3
    bone_mm[where] += np.float32(np.exp(rng.uniform(-0.7, 1.5))) * (fall * net * ragged * within).astype(np.float32)


def _second_contour(grid: Grid, hand: Hand, bone: Bone, bone_mm: Map, rng: np.random.Generator) -> None:
    """The other condyle of a head that is seen obliquely: an arc of cortex beside the first, never off the bone."""
    half = bone.half_width_mm * float(rng.uniform(0.35, 0.75))
    centre = bone.at(float(rng.uniform(0.88, 0.99)), float(rng.normal(0, 0.4)) * bone.half_width_mm)
    patch = grid.patch(hand.pose, (centre,), half * 1.6 + 1)
    if patch is None:
        return
    where, x, y = patch
    u, v = _frame(x, y, centre, float(rng.uniform(0, math.pi)))
    rho = np.hypot(u / np.float32(half), v / np.float32(half * float(rng.uniform(0.5, 1.0))))
    rim = np.exp(-(((rho - 1) * np.float32(half / float(rng.uniform(0.25, 0.7)))) ** 2))
    theta = np.arctan2(v, u)
    arc = smoothstep(np.cos(theta - np.float32(rng.uniform(-3.1, 3.1))), float(rng.uniform(-1.2, 0.4)), 0.8)
    fill = np.float32(rng.uniform(0, 0.35)) * np.sqrt(np.clip(1 - rho * rho, 0, None))
    on_bone = ndimage.gaussian_filter((bone_mm[where] > 0.3).astype(np.float32), 0.5 / grid.pitch_mm) > 0.2
    bone_mm[where] += np.float32(rng.uniform(0.3, 1.5)) * ((rim * arc + fill) * on_bone).astype(np.float32)


def _lump(grid: Grid, hand: Hand, centre: Vec, axes_mm: Vec, bone_mm: Map, *, rng: np.random.Generator) -> None:
    """A corner of bone that stands out towards the viewer: it always touches bone."""
    patch = grid.patch(hand.pose, (centre,), max(axes_mm) * 1.5)
    if patch is None:
        return
    where, x, y = patch
    u, v = _frame(x, y, centre, float(rng.uniform(0, math.pi)))
    rho2 = (u / np.float32(axes_mm[0])) ** 2 + (v / np.float32(axes_mm[1])) ** 2
    if not bool(((rho2 < 1) & (bone_mm[where] > 0.4)).any()):
        return
    height = 2 * min(axes_mm) * float(rng.uniform(0.15, 0.7))
    bone_mm[where] += np.float32(height) * np.sqrt(np.clip(1 - rho2, 0, None))


def _peg(grid: Grid, hand: Hand, bone_mm: Map, rng: np.random.Generator) -> None:
    """The ulna's styloid seen through its head or its epiphysis: a rounded peg whose foot doubles the bone."""
    ulna = hand.bone("ULNA")
    wide, long = float(rng.uniform(1.4, 3.4)), float(rng.uniform(2.5, 7.0))
    foot_mm = float(rng.uniform(-7.0, 1.0))
    centre = ulna.at(1 + (foot_mm + 0.5 * long) / ulna.length_mm, float(rng.uniform(-0.6, 0.6)) * ulna.half_width_mm)
    patch = grid.patch(hand.pose, (centre,), long + wide)
    if patch is None:
        return
    where, x, y = patch
    axis = math.atan2(ulna.head[1] - ulna.base[1], ulna.head[0] - ulna.base[0]) + float(rng.normal(0, 0.2))
    along, across = _frame(x, y, centre, axis)
    beyond = np.maximum(np.abs(along) - np.float32(0.5 * long), 0)
    away = np.hypot(beyond, across * np.float32(1 + 0.4 * float(rng.random())))
    chord = 2 * np.sqrt(np.clip(np.float32(wide**2) - away * away, 0, None))
    cortex = np.exp(-(((away - np.float32(wide - 0.4)) / np.float32(0.4)) ** 2)) * (away < wide)
    net = np.clip(1 + np.float32(0.3) * trabeculae(along, across, rng), 0.2, 2)
    bone_mm[where] += np.float32(rng.uniform(0.12, 0.45)) * (chord * net).astype(np.float32)
    bone_mm[where] += np.float32(rng.uniform(0.2, 1.2)) * cortex.astype(np.float32)


def _overlap(grid: Grid, hand: Hand, bone: Bone, bone_mm: Map, rng: np.random.Generator) -> None:
    """Where a metacarpal's base lies over a carpal bone or its neighbour: a lens of doubled bone with sharp corners."""
    half = bone.half_width_mm
    aside = float(rng.normal(0, 0.8)) * half
    centre = bone.at(float(rng.uniform(-0.08, 0.08)), aside)
    patch = grid.patch(hand.pose, (centre,), 1.2 * half)
    if patch is None:
        return
    where, x, y = patch
    u, v = _frame(x, y, centre, float(rng.uniform(0, math.pi)))
    apart, radius = float(rng.uniform(0.5, 1.7)) * half, half * float(rng.uniform(0.9, 1.3))
    near = np.minimum(
        np.float32(radius) - np.hypot(u - np.float32(0.5 * apart), v),
        np.float32(radius) - np.hypot(u + np.float32(0.5 * apart), v),
    )
    lens = smoothstep(near.astype(np.float32), 0.0, 0.4) * (bone_mm[where] > 0.3)
    rim = np.exp(-((near / np.float32(0.45)) ** 2)) * (near > 0)
    bone_mm[where] += np.float32(rng.uniform(0.1, 1.1)) * (lens * (0.7 + 0.6 * rim)).astype(np.float32)


def _shoulders(grid: Grid, hand: Hand, bone: Bone, bone_mm: Map, rng: np.random.Generator) -> None:
    """The tubercles beside a phalanx' head, where the collateral ligaments hold: ovals of denser bone."""
    for side in (-1.0, 1.0):
        if rng.random() > 0.35:
            continue
        centre = bone.at(float(rng.uniform(0.78, 0.94)), side * bone.half_width_mm * float(rng.uniform(0.35, 0.85)))
        long, wide = float(rng.uniform(0.8, 2.4)), float(rng.uniform(0.6, 1.5))
        patch = grid.patch(hand.pose, (centre,), 2 * long)
        if patch is None:
            continue
        where, x, y = patch
        axis = math.atan2(bone.head[1] - bone.base[1], bone.head[0] - bone.base[0]) + float(rng.normal(0, 0.4))
        u, v = _frame(x, y, centre, axis)
        depth = np.clip(1 - (u / np.float32(long)) ** 2 - (v / np.float32(wide)) ** 2, 0, None)
        net = np.clip(1 + np.float32(rng.uniform(0, 0.5)) * trabeculae(u, v, rng), 0, 2)
        within = bone_mm[where] > 0.3
        swell = depth ** np.float32(rng.uniform(0.4, 1.5)) * net * within
        bone_mm[where] += np.float32(rng.uniform(0.2, 1.6)) * swell.astype(np.float32)


def _web(grid: Grid, hand: Hand, one: Bone, other: Bone, soft_mm: Map, *, rng: np.random.Generator) -> None:
    """Where two fingers part: the web's rim, a fold from it into the hand, and its far side showing beyond."""
    (x0, y0), (x1, y1) = one.at(0.45), other.at(0.45)
    middle = (0.5 * (x0 + x1), 0.5 * (y0 + y1))
    patch = grid.patch(hand.pose, (middle,), 26.0)
    if patch is None:
        return
    where, x, y = patch
    angle = math.atan2(
        one.head[1] - one.base[1] + other.head[1] - other.base[1],
        one.head[0] - one.base[0] + other.head[0] - other.base[0],
    )
    u, v = _frame(x, y, middle, angle)
    soft = soft_mm[where]
    on_line = (np.abs(v) < 1.0) & (soft > 0.5)
    if not bool(on_line.any()):
        return
    rim = float(u[on_line].max())
    if rim > 0.9 * float(u.max()):  # the fingers touch all along
        return
    u = u - np.float32(rim) + np.float32(rng.uniform(0.0, 1.5))
    v = v - np.float32(rng.normal(0, 0.5)) - np.float32(rng.normal(0, 0.12)) * u
    v = v + np.float32(rng.uniform(0, 0.25)) * smooth_noise(u.shape, 2.0 / grid.pitch_mm, rng)
    added = np.zeros_like(soft)
    if rng.random() < 0.8:  # a fold towards the hand, often with one sharp side
        length, half = float(rng.uniform(2.0, 14.0)), float(rng.uniform(0.3, 1.4))
        taper = np.clip(1 + u / np.float32(length), 0, 1) * smoothstep(-u, -0.6, 0.6)
        left, right = (half * float(rng.choice((0.25, 1.0))) for _ in range(2))
        reach = np.where(v < 0, np.float32(left), np.float32(right)) * (0.3 + 0.7 * taper)
        added += np.float32(rng.uniform(0.6, 5.0)) * taper * np.exp(-((v / reach) ** 2))
    if rng.random() < 0.6:  # the rim, thicker than what it borders
        bow = u - np.float32(rng.uniform(0.02, 0.2)) * v * v
        added += np.float32(rng.uniform(0.4, 3.0)) * np.exp(-((bow / np.float32(rng.uniform(0.3, 1.2))) ** 2))
    aside = smoothstep(-np.abs(v), -8.0, -3.0)
    added *= aside * (soft > 0.3)
    if rng.random() < 0.6:  # the palmar side reaches further than the dorsal one: a wedge between the fingers
        far, slope = float(rng.uniform(0.5, 5.0)), float(rng.uniform(0.1, 0.6))
        edge = (np.float32(far) - u + np.float32(slope) * np.abs(v)).astype(np.float32)
        wedge = smoothstep(edge, 0.0, 0.5) * smoothstep(u + np.abs(v), -3.0, -1.0) * aside
        added += np.float32(rng.uniform(0.6, 4.0)) * wedge * np.where(soft > 0.3, 0.6, 1.0)
    soft_mm[where] += added.astype(np.float32)


def _touching(grid: Grid, hand: Hand, one: Bone, other: Bone, soft_mm: Map, *, rng: np.random.Generator) -> None:
    """Where two fingers touch: a lens of doubled soft tissue with sharp edges."""
    part = float(rng.uniform(0.0, 0.9))
    (x0, y0), (x1, y1) = one.at(part), other.at(part)
    centre = (0.5 * (x0 + x1), 0.5 * (y0 + y1))
    long, wide = float(rng.uniform(3, 16)), float(rng.uniform(0.5, 2.5))
    patch = grid.patch(hand.pose, (centre,), long)
    if patch is None:
        return
    where, x, y = patch
    angle = math.atan2(one.head[1] - one.base[1], one.head[0] - one.base[0]) + float(rng.normal(0, 0.25))
    u, v = _frame(x, y, centre, angle)
    rho2 = (u / np.float32(long)) ** 2 + (v / np.float32(wide)) ** 2
    lens = np.sqrt(np.clip(1 - rho2, 0, None)) * (soft_mm[where] > 0.3)
    soft_mm[where] += np.float32(rng.uniform(1.0, 6.0)) * lens.astype(np.float32)


def _bandage(grid: Grid, hand: Hand, veil: Map, rng: np.random.Generator) -> None:
    """Turns of woven gauze or of a cast: strips with a weave and beaded edges, over or beside the hand."""
    kind = str(rng.choice(["WRIST", "WRIST", "MCP3", "MCP5", "PIP2", "PIP4"]))
    point = hand.keypoints[kind]
    reach = 45.0 if kind in {"WRIST", "MCP3"} else 18.0
    patch = grid.patch(hand.pose, (point,), reach)
    if patch is None:
        return
    where, x, y = patch
    for _ in range(int(rng.integers(1, 5))):
        centre = (point[0] + float(rng.normal(0, 8)), point[1] + float(rng.normal(0, 12)))
        along, across = _frame(x, y, centre, float(rng.normal(0, 0.35)) + float(rng.choice((0, 0, 1.57))))
        half = float(rng.uniform(4, 18))
        pitch_mm = float(rng.uniform(0.8, 2.2))
        wave = smooth_noise(along.shape, 3.0 / grid.pitch_mm, rng) * np.float32(0.3)
        weave = 0.5 + 0.25 * np.sin(along * np.float32(2 * math.pi / pitch_mm) + wave)
        weave = weave + 0.25 * np.sin(across * np.float32(2 * math.pi / (pitch_mm * float(rng.uniform(0.8, 1.3)))))
        beads = 0.5 + 0.5 * np.sin(along * np.float32(2 * math.pi / (pitch_mm * float(rng.uniform(1.0, 1.8)))) + wave)
        edge = np.exp(-(((np.abs(across + wave) - half) / np.float32(rng.uniform(0.5, 1.6))) ** 2))
        inside = smoothstep((half - np.abs(across + wave)).astype(np.float32), 0.0, 0.5)
        strength = np.float32(rng.uniform(0.02, 0.15))
        strip = weave * inside + np.float32(rng.uniform(0.3, 1.5)) * edge * beads
        away = np.hypot(x - np.float32(point[0]), y - np.float32(point[1])).astype(np.float32)
        fade = smoothstep(np.float32(reach) - away, 0.0, 8.0)
        veil[where] += (strength * strip * fade).astype(np.float32)
