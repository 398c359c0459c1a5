"""The phantom: the same seed gives the same film, and its truth agrees with what is drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge.types import REGIONS
from models.phantom.anatomy import KEYPOINTS
from models.phantom.film import Film, Recipe, make_film
from models.phantom.render import render

PITCH_MM = 0.4


@pytest.fixture(scope="module")
def diseased() -> Film:
    return make_film(31, Recipe(pitch_mm=PITCH_MM, layout="left", lesions=8, turn_deg=0.0, cut_off=False))


@pytest.fixture(scope="module")
def both() -> Film:
    return make_film(32, Recipe(pitch_mm=PITCH_MM, layout="both", lesions=0, cut_off=False))


def test_the_same_seed_gives_the_same_film_and_picture(diseased: Film) -> None:
    again = make_film(31, Recipe(pitch_mm=PITCH_MM, layout="left", lesions=8, turn_deg=0.0, cut_off=False))
    assert np.array_equal(again.maps.bone_mm, diseased.maps.bone_mm)
    assert np.array_equal(again.lesion_ids, diseased.lesion_ids)
    assert again.lesions == diseased.lesions
    assert np.array_equal(render(again, 3).image, render(diseased, 3).image)


def test_another_seed_gives_another_hand(diseased: Film) -> None:
    other = make_film(33, Recipe(pitch_mm=PITCH_MM, layout="left", lesions=8, turn_deg=0.0, cut_off=False))
    assert other.person != diseased.person
    assert other.hands[0].keypoints != diseased.hands[0].keypoints


def test_another_render_shows_the_same_hand_differently(diseased: Film) -> None:
    one, two = render(diseased, 0), render(diseased, 1)
    assert one.exposure != two.exposure
    assert one.image.shape == two.image.shape == diseased.grid.shape
    assert float(np.abs(one.image - two.image).mean()) > 0.005


def test_a_picture_is_bright_where_bone_is(diseased: Film) -> None:
    picture = render(diseased, 0, plain=True).image
    assert 0 <= picture.min() <= picture.max() <= 1
    bone, air = diseased.maps.bone_mm > 2, diseased.maps.soft_mm == 0
    assert picture[bone].mean() > picture[air].mean() + 0.2


@pytest.mark.requirement("truth of the phantom is exact")
def test_lesions_lie_where_mineral_is(diseased: Film) -> None:
    assert len(diseased.lesions) >= 4
    inside = diseased.lesion_ids > 0
    assert (diseased.maps.ha_mm[inside] > 0).all()
    assert (diseased.maps.soft_mm[inside] > 1).all()
    for lesion in diseased.lesions:
        where = diseased.lesion_ids == lesion.id
        if where.any():  # a later lesion may cover an earlier one
            assert lesion.peak_ha_mm > 0
            assert math.dist((lesion.x_px, lesion.y_px), _centre(where)) * PITCH_MM < 6
            assert where.sum() * PITCH_MM**2 <= lesion.area_mm2 + 1e-6


def test_no_lesion_no_mineral(both: Film) -> None:
    assert both.lesions == ()
    assert not both.lesion_ids.any()


def test_keypoints_are_complete_and_lie_in_tissue(both: Film) -> None:
    for hand in both.hands:
        assert tuple(hand.keypoints) == KEYPOINTS
        for x, y in hand.keypoints.values():
            assert both.maps.soft_mm[round(y), round(x)] > 1


@pytest.mark.requirement("sides are told right")
def test_thumbs_point_towards_each_other_on_a_film_of_both_hands(both: Film) -> None:
    left, right = both.hands
    assert (left.side, right.side) == ("L", "R")
    assert left.keypoints["TIP1"][0] > left.keypoints["TIP5"][0]
    assert right.keypoints["TIP1"][0] < right.keypoints["TIP5"][0]
    assert left.keypoints["WRIST"][0] < right.keypoints["WRIST"][0]


def test_fingers_have_the_lengths_of_the_literature() -> None:
    lengths = []
    for seed in range(40, 52):
        film = make_film(seed, Recipe(pitch_mm=1.0, layout="left", lesions=0))
        joints = film.hands[0].keypoints
        lengths.append(math.dist(joints["MCP3"], joints["PIP3"]) / film.person.size)
    assert np.mean(lengths) == pytest.approx(44.6 + 1.6, rel=0.05)  # proximal phalanx III and half of both gaps


def test_regions_hold_their_joints(diseased: Film) -> None:
    found = {int(label) for label in np.unique(diseased.regions)}
    assert found == set(range(len(REGIONS) + 1))
    hand = diseased.hands[0]
    for digit in range(2, 6):
        (x0, y0), (x1, y1) = hand.keypoints[f"DIP{digit}"], hand.keypoints[f"PIP{digit}"]
        assert diseased.region_of((x0 + x1) / 2, (y0 + y1) / 2) == 1 + REGIONS.index(f"MP{digit}")


def test_sesamoids_are_bone_and_labelled(diseased: Film) -> None:
    assert {"MCP1r", "MCP1u"} <= {sesamoid.place for sesamoid in diseased.sesamoids}
    assert (diseased.maps.bone_mm[diseased.maps.sesamoid] > 0).mean() > 0.9
    assert not (diseased.maps.ha_mm[diseased.maps.sesamoid & (diseased.lesion_ids == 0)] > 0.5).any()


def test_a_hand_on_its_side_turns_its_truth_too() -> None:
    film = make_film(34, Recipe(pitch_mm=0.8, layout="left", lesions=0, turn_deg=90.0, cut_off=False))
    wrist, tip = film.hands[0].keypoints["WRIST"], film.hands[0].keypoints["TIP3"]
    assert abs(tip[0] - wrist[0]) > 4 * abs(tip[1] - wrist[1])


def _centre(where: np.ndarray) -> tuple[float, float]:
    ys, xs = np.nonzero(where)
    return float(xs.mean()), float(ys.mean())


def test_fingers_part_near_the_middle_of_their_first_phalanges(both: Film) -> None:
    """As on radiographs of real hands; not at the knuckles."""
    filled = []
    for hand in both.hands:
        for digit in (2, 3, 4):
            ends = [hand.keypoints[f"{joint}{d}"] for joint in ("MCP", "PIP") for d in (digit, digit + 1)]
            (x0, y0), (x1, y1) = (np.mean(pair, axis=0) for pair in (ends[:2], ends[2:]))
            parts = np.linspace(0, 1, 41)
            tissue = [both.maps.soft_mm[round(y0 + t * (y1 - y0)), round(x0 + t * (x1 - x0))] > 1 for t in parts]
            filled.append(float(np.mean(np.cumprod(tissue))))
    assert min(filled) > 0.2
    assert max(filled) < 0.95
