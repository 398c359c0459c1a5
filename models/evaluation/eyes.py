"""Joint marks that a person's eye set on real hands: pixel coordinates read off enlarged, gridded crops.

The coordinates lie in `real_hand_joints.json` beside this module, by film; the films themselves are never in the
project. Marks were set without looking at any model's answer; `remarked` holds a second, independent marking of some
films, which tells how well the first can be trusted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge.types import Point

_FILE: Final = Path(__file__).with_name("real_hand_joints.json")
_CARPUS_LENGTHS: Final = 1.9
"""The metacarpal's base lies this many proximal phalanges' lengths below the knuckle, less its own shape: roughly."""


@dataclass(frozen=True, slots=True)
class EyeMarks:
    """One film's marks: joints and tips, in pixels."""

    points: Mapping[str, Point]
    again: Mapping[str, Point]
    """The second marking, empty for most films."""


def load(path: Path = _FILE) -> dict[str, EyeMarks]:
    """All films' marks, by file name; empty when there are none."""
    if not path.is_file():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    second = content.get("remarked", {})
    return {name: EyeMarks(_points(points), _points(second.get(name, {}))) for name, points in content["films"].items()}


def axes(points: Mapping[str, Point]) -> dict[str, tuple[Point, Point]]:
    """The axis of each phalanx and metacarpal: from its proximal end to its distal one."""
    found: dict[str, tuple[Point, Point]] = {}
    for digit in range(1, 6):
        names = [("MCP", "IP", "PP"), ("IP", "TIP", "DP")] if digit == 1 else [
            ("MCP", "PIP", "PP"), ("PIP", "DIP", "MP"), ("DIP", "TIP", "DP"),
        ]  # fmt: skip
        for near, far, region in names:
            if f"{near}{digit}" in points and f"{far}{digit}" in points:
                found[f"{region}{digit}"] = points[f"{near}{digit}"], points[f"{far}{digit}"]
        if f"PP{digit}" in found:
            (x0, y0), (x1, y1) = found[f"PP{digit}"]
            k = _CARPUS_LENGTHS if digit > 2 else _CARPUS_LENGTHS - 0.3
            if digit > 1:
                k -= 0.35
            found[f"MC{digit}"] = (x0 - k * (x1 - x0), y0 - k * (y1 - y0)), (x0, y0)
    return found


def region_at(points: Mapping[str, Point], at: Point, *, clear_px: float) -> str:
    """The finger region or metacarpal whose axis is nearest; empty if another is less than `clear_px` further."""
    away = sorted((_distance(at, *axis), name) for name, axis in axes(points).items())
    if not away or (len(away) > 1 and away[1][0] - away[0][0] < clear_px):
        return ""
    return away[0][1]


def _points(raw: Mapping[str, Any]) -> dict[str, Point]:
    return {name: (float(x), float(y)) for name, (x, y) in raw.items()}


def _distance(at: Point, start: Point, stop: Point) -> float:
    dx, dy = stop[0] - start[0], stop[1] - start[1]
    along = ((at[0] - start[0]) * dx + (at[1] - start[1]) * dy) / max(dx * dx + dy * dy, 1e-9)
    along = min(max(along, 0.0), 1.0)
    return math.dist(at, (start[0] + along * dx, start[1] + along * dy))
