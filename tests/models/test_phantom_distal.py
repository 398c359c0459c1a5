"""The truth at the ends of the digits: spaces as a film shows them, resorption, bent fingers, turned hands."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from models.phantom.film import Film, Recipe, make_film

PITCH_MM = 0.125


@cache
def film(seed: int, **changes: float) -> Film:
    recipe = Recipe(
        pitch_mm=PITCH_MM,
        layout="left",
        lesions=0,
        turn_deg=0.0,
        cut_off=False,
        varied=True,
        digits_only=True,
        **changes,
    )
    return make_film(seed, recipe)


@pytest.mark.requirement("truth of the phantom is exact")
def test_a_joint_space_is_the_dark_band_that_is_drawn() -> None:
    """Along the finger's axis through the joint, bone is missing for about the space that the truth states."""
    errors = []
    for seed in (703, 705, 711):
        made = film(seed)
        hand = made.hands[0]
        for digit in (2, 3, 4, 5):
            joint, space = f"DIP{digit}", hand.joint_space_mm[f"DIP{digit}"]
            if hand.bent_deg[joint] > 8:
                continue
            errors.append(band_mm(made, digit) - space)
    assert len(errors) >= 8
    assert abs(float(np.median(errors))) < 0.3
    assert float(np.mean(np.abs(errors))) < 0.5  # one line of many: the truth is their mean


def band_mm(made: Film, digit: int) -> float:
    """How long the profile through a joint stays below half of the bones' thickness beside it."""
    points = made.hands[0].keypoints
    (x, y), (tx, ty) = points[f"DIP{digit}"], points[f"TIP{digit}"]
    length = math.hypot(tx - x, ty - y)
    ux, uy = (tx - x) / length, (ty - y) / length
    bands = []
    for aside_mm in np.linspace(-2.0, 2.0, 9):
        along = np.arange(-32, 33) * 0.5
        px = np.rint(x - uy * aside_mm / PITCH_MM + ux * along).astype(int)
        py = np.rint(y + ux * aside_mm / PITCH_MM + uy * along).astype(int)
        bone = made.maps.bone_mm[py, px]
        beside = 0.5 * (float(np.median(bone[:14])) + float(np.median(bone[-14:])))
        bands.append(0.5 * PITCH_MM * int((bone < 0.25 * beside).sum()))
    return float(np.mean(bands))


def test_every_grade_of_resorption_is_drawn() -> None:
    grades = {
        film(seed).hands[0].osteolysis_grade(digit) for seed in (700, 701, 706, 708, 710) for digit in range(1, 6)
    }
    assert grades == {0, 1, 2, 3, 4}


def test_a_resorbed_phalanx_has_its_tip_where_its_bone_ends() -> None:
    made = film(708)
    hand = made.hands[0]
    lost = {digit: part for digit, part in hand.osteolysis.items() if part > 0.3 and digit > 1}
    assert lost
    for digit in lost:
        (x, y), (jx, jy) = hand.keypoints[f"TIP{digit}"], hand.keypoints[f"DIP{digit}"]
        length = math.hypot(x - jx, y - jy)
        beyond = [(x + (x - jx) / length * mm / PITCH_MM, y + (y - jy) / length * mm / PITCH_MM) for mm in (1.5, 2.5)]
        assert all(made.maps.bone_mm[round(py), round(px)] < 0.1 for px, py in beyond)


def test_varied_hands_leave_the_plain_ones_as_they_were() -> None:
    plain = Recipe(pitch_mm=0.5, layout="left", lesions=0, turn_deg=0.0, cut_off=False)
    assert make_film(55, plain).hands[0].bent_deg == {}
    assert np.array_equal(make_film(55, plain).maps.bone_mm, make_film(55, plain).maps.bone_mm)


@pytest.mark.parametrize("degrees", [-45.0, 45.0, 90.0])
def test_a_turned_hand_has_its_knuckles_nearer_together(degrees: float) -> None:
    def breadth(view_deg: float) -> float:
        recipe = Recipe(pitch_mm=0.8, layout="right", lesions=0, turn_deg=0.0, cut_off=False, view_deg=view_deg)
        points = make_film(56, recipe).hands[0].keypoints
        return abs(points["MCP2"][0] - points["MCP5"][0]) / math.dist(points["WRIST"], points["MCP3"])

    assert breadth(degrees) < 0.9 * breadth(0.0)
