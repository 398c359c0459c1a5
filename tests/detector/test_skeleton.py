"""Joints are decided together: a hand drawn as heat maps comes back, also when a map points at the wrong finger."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detector.bundle import KEYPOINTS
from edge.detector.skeleton import SEGMENT_MM, assemble, peaks_of, wrist_behind

CELLS_PER_MM = 0.6
KNUCKLES_MM = {1: (38.0, 52.0), 2: (20.0, 96.0), 3: (0.0, 97.0), 4: (-18.0, 92.0), 5: (-33.0, 82.0)}
POINTING_DEG = {1: 40.0, 2: 8.0, 3: 0.0, 4: -8.0, 5: -18.0}


def hand(*, turn_deg: float = 0.0, mirrored: bool = False) -> dict[str, tuple[float, float]]:
    """Joints in cells: the wrist at the origin, fingers up, thumb on the right unless mirrored; then turned."""
    points = {"WRIST": (0.0, 0.0)}
    for digit, knuckle in KNUCKLES_MM.items():
        names = ["MCP", "IP", "TIP"] if digit == 1 else ["MCP", "PIP", "DIP", "TIP"]
        points[f"MCP{digit}"] = knuckle
        angle = math.radians(POINTING_DEG[digit])
        for a, b in itertools.pairwise(names):
            length = SEGMENT_MM[f"{a}{digit}-{b}{digit}"]
            x, y = points[f"{a}{digit}"]
            points[f"{b}{digit}"] = (x + length * math.sin(angle), y + length * math.cos(angle))
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    sign = -1 if mirrored else 1
    flat = {name: (sign * x, -y) for name, (x, y) in points.items()}
    return {
        n: (120 + CELLS_PER_MM * (c * x - s * y), 120 + CELLS_PER_MM * (s * x + c * y)) for n, (x, y) in flat.items()
    }


def drawn(points: dict[str, tuple[float, float]], height: float = 0.6) -> NDArray[np.float32]:
    out = np.zeros((len(KEYPOINTS), 240, 240), np.float32)
    y, x = np.mgrid[:240, :240]
    for channel, name in enumerate(KEYPOINTS):
        if name in points:
            px, py = points[name]
            out[channel] = height * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 1.5**2))
    return out


def shifted(points: dict[str, tuple[float, float]], dy: float = 50.0) -> dict[str, tuple[float, float]]:
    return {name: (x, y + dy) for name, (x, y) in points.items()}


def errors(heats: NDArray[np.float32], points: dict[str, tuple[float, float]]) -> dict[str, float]:
    found = assemble(heats)
    return {name: math.dist((found[name].x, found[name].y), points[name]) for name in found}


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turn_deg", [0, 20, -35])
def test_a_hand_comes_back_between_cells(turn_deg: float, mirrored: bool) -> None:  # noqa: FBT001 - a table
    points = shifted(hand(turn_deg=turn_deg, mirrored=mirrored))
    away = errors(drawn(points), points)
    assert set(away) == set(KEYPOINTS)
    assert max(away.values()) < 0.2


def test_a_hotter_peak_on_the_next_finger_doesn_t_make_a_finger_jump() -> None:
    points = shifted(hand())
    heats = drawn(points)
    for name, other in (("PIP3", "PIP4"), ("DIP4", "DIP5"), ("MCP2", "MCP3"), ("TIP5", "TIP4")):
        wrong = heats[KEYPOINTS.index(other)]
        heats[KEYPOINTS.index(name)] = 0.7 * heats[KEYPOINTS.index(name)] + 1.2 * wrong
    taken_alone = [np.unravel_index(int(heats[KEYPOINTS.index(n)].argmax()), (240, 240)) for n in ("PIP3", "DIP4")]
    assert math.dist(taken_alone[0][::-1], points["PIP4"]) < 1.5, "alone, the joint would be on the wrong finger"
    assert max(errors(heats, points).values()) < 0.5


def test_a_hand_without_its_wrist_comes_back_too() -> None:
    points = {name: p for name, p in shifted(hand(turn_deg=15)).items() if name != "WRIST"}
    away = errors(drawn(points), points)
    assert set(away) == set(points)
    assert max(away.values()) < 0.2


def test_a_finger_that_is_cut_off_is_left_out() -> None:
    points = shifted(hand())
    seen = {name: p for name, p in points.items() if name not in {"DIP3", "TIP3", "TIP5"}}
    away = errors(drawn(seen), points)
    assert set(away) == set(seen)
    assert max(away.values()) < 0.2


def test_nothing_gives_nothing() -> None:
    assert assemble(np.zeros((len(KEYPOINTS), 50, 50), np.float32)) == {}


def test_peaks_are_local_and_ordered() -> None:
    heat = np.zeros((20, 20), np.float32)
    heat[5, 5], heat[5, 6], heat[12, 14], heat[18, 2] = 0.9, 0.5, 0.6, 0.01
    assert [(round(p.x), round(p.y)) for p in peaks_of(heat, 5)] == [(5, 5), (14, 12)]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turn_deg", [0, 20, -35, 180])
def test_the_wrist_is_behind_the_fingers(turn_deg: float, mirrored: bool) -> None:  # noqa: FBT001 - a table
    points = hand(turn_deg=turn_deg, mirrored=mirrored)
    wrist = points.pop("WRIST")
    found = wrist_behind(points)
    assert found is not None
    assert math.dist(found, wrist) < 8 * CELLS_PER_MM


def test_without_a_proximal_phalanx_nothing_is_said_of_the_wrist() -> None:
    points = {name: point for name, point in hand().items() if not name.startswith("PIP")}
    assert wrist_behind(points) is None
