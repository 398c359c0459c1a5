"""The region map: outline and carpus by the network, bones by the skeleton."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detector import prepare
from edge.detector.regions import RegionMap, away_px, region_map
from edge.types import REGIONS, Point

CROP = (100, 50, 499, 449)
"""400 x 400 pixels of the film; the network sees them at half that, its grid at a quarter."""
MAPPING = prepare.Mapping(0.5)

FINGERS: dict[str, Point] = {"WRIST": (300.0, 440.0)} | {
    f"{joint}{digit}": (60.0 + 80 * digit, y)
    for digit in (1, 2, 3, 4, 5)
    for joint, y in (("MCP", 330.0), ("PIP", 220.0), ("DIP", 140.0), ("TIP", 80.0))
    if digit > 1
}


def probability(name: str) -> NDArray[np.float32]:
    """A network that says one region everywhere, with a doubt."""
    out = np.full((21, 100, 100), 0.01, np.float32)
    out[1 + REGIONS.index(name)] = 0.8
    return out


def labelled(content: NDArray[np.float32], keypoints: dict[str, Point]) -> RegionMap:
    return region_map(content, np.ones((100, 100), np.bool_), keypoints, CROP, MAPPING)


def name_at(found: RegionMap, x: float, y: float) -> str:
    row, column = found.cells_of(np.array([x]), np.array([y]))
    return REGIONS[int(found.labels[row[0], column[0]]) - 1]


@pytest.mark.parametrize("digit", [2, 3, 4, 5])
@pytest.mark.parametrize(("kind", "y"), [("DP", 70), ("DP", 130), ("MP", 150), ("MP", 210), ("PP", 230), ("MC", 345)])
def test_a_cell_belongs_to_the_nearest_bone(digit: int, kind: str, y: float) -> None:
    found = labelled(probability("MP2"), FINGERS)
    assert name_at(found, 60 + 80 * digit + 10, y) == f"{kind}{digit}"


@pytest.mark.requirement("a finding lies where the film shows it")
@pytest.mark.parametrize("digit", [2, 3, 4, 5])
def test_without_a_wrist_the_palm_is_not_the_fingers(digit: int) -> None:
    lost = {name: point for name, point in FINGERS.items() if name != "WRIST"}
    found = labelled(probability("MP2"), lost)
    assert name_at(found, 60 + 80 * digit, 345) == f"MC{digit}"
    assert name_at(found, 60 + 80 * digit, 320) == f"PP{digit}"


def test_where_a_joint_is_not_seen_the_network_tells_the_bones_apart() -> None:
    lost = {name: point for name, point in FINGERS.items() if name != "DIP3"}
    content = probability("MP2")
    content[:, :14] = probability("DP5")[:, :14]
    found = labelled(content, lost)
    assert name_at(found, 300, 90) == "DP3"
    assert name_at(found, 300, 180) == "MP3"


def test_a_thumb_has_no_middle_phalanx() -> None:
    thumb: dict[str, Point] = {
        "WRIST": (300.0, 440.0),
        "MCP1": (220.0, 330.0),
        "IP1": (180.0, 250.0),
        "TIP1": (160.0, 200.0),
    }
    content = probability("MP2")
    content[1 + REGIONS.index("PP3")] = 0.1
    assert name_at(labelled(content, {k: p for k, p in thumb.items() if k != "IP1"}), 185, 260) == "PP1"


def test_far_from_every_finger_the_network_decides() -> None:
    only = {name: point for name, point in FINGERS.items() if name.endswith("2") or name == "WRIST"}
    found = labelled(probability("MP5"), only)
    assert name_at(found, 225, 250) == "PP2"
    assert name_at(found, 470, 250) == "MP5"


def test_the_network_says_where_the_carpus_begins() -> None:
    found = labelled(probability("CARPUS"), FINGERS)
    assert name_at(found, 300, 420) == "CARPUS"
    assert name_at(found, 300, 180) == "MP3"


def test_without_a_skeleton_the_network_s_map_stands() -> None:
    assert name_at(labelled(probability("MC4"), {}), 300, 300) == "MC4"


def test_what_is_not_this_hand_is_background() -> None:
    tissue = np.zeros((100, 100), np.bool_)
    tissue[:, :50] = True
    found = region_map(probability("MC4"), tissue, FINGERS, CROP, MAPPING)
    assert (found.labels[:, 50:] == 0).all()
    assert (found.inside[:, 55:] == 0).all(), "another hand in the crop is not this one"
    assert (found.labels[:, :50] > 0).all()


def test_cells_and_film_are_each_other_s_inverse() -> None:
    found = labelled(probability("MC4"), FINGERS)
    rows, columns = np.mgrid[:100, :100].reshape(2, -1)
    xs, ys = found.film_of(columns, rows)
    back = found.cells_of(xs, ys)
    assert np.array_equal(back[0], rows)
    assert np.array_equal(back[1], columns)
    assert (xs.min(), xs.max()) == (101.5, 497.5)
    assert found.cell_px == 4


def test_how_far_points_are_from_a_hand_s_bones() -> None:
    xs, ys = np.array([300.0, 320.0]), np.array([180.0, 180.0])
    assert away_px(FINGERS, xs, ys) == pytest.approx([0.0, 20.0])
    assert away_px({}, xs, ys).tolist() == [np.inf, np.inf]


def test_what_is_nearer_to_another_hand_is_its() -> None:
    other: dict[str, Point] = {"MCP2": (450.0, 330.0), "PIP2": (450.0, 200.0)}
    own = {name: point for name, point in FINGERS.items() if name.endswith(("2", "3")) or name == "WRIST"}
    found = labelled(probability("MP2"), own).without(own, other)
    assert name_at(found, 300, 180) == "MP3"
    rows, columns = found.cells_of(np.array([440.0]), np.array([250.0]))
    assert found.labels[rows, columns] == 0
    assert found.inside[rows, columns] == 0
