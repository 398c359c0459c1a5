"""Turned films: pixels and results go there and come back to the same place."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detector.bundle import AnatomyInput
from edge.detector.engine import Maps
from edge.detector.turn import Turn, upright
from edge.types import Hand, Ignored, Joint, Lesion, Tuft

ROWS, COLUMNS = 50, 70


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_point_found_on_the_turned_film_is_the_same_pixel_of_the_received_one(quarters: int) -> None:
    image = np.arange(ROWS * COLUMNS, dtype=np.float32).reshape(ROWS, COLUMNS)
    turn = Turn(quarters, ROWS, COLUMNS)
    turned = turn.film(image)
    for x, y in ((0, 0), (3, 11), (turned.shape[1] - 1, 7), (20, turned.shape[0] - 1)):
        back_x, back_y = turn.point((x, y))
        assert image[int(back_y), int(back_x)] == turned[y, x]


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_everything_of_a_finding_is_turned_back(quarters: int) -> None:
    turn = Turn(quarters, ROWS, COLUMNS)
    hand = Hand("L", (2, 3, 20, 30), 0.0, {}, {"DIP2": Joint(4.0, 5.0, 1.0, 0)}, {"DP2": Tuft(6.0, 7.0)})
    outline = ((4.0, 5.0), (6.0, 5.0), (6.0, 9.0))
    lesion = Lesion(1, 0, "DP2", 0.9, "definite", outline, (4, 5, 6, 9), 1.0, 1.0, 1, "stone", "single", 1)
    turned_hand, turned_lesion = turn.hand(hand), turn.lesion(lesion)
    assert (turned_hand.joints["DIP2"].x, turned_hand.joints["DIP2"].y) == turn.point((4.0, 5.0))
    assert turned_hand.joints["DIP2"].space_mm == 1.0
    assert (turned_hand.tufts["DP2"].x, turned_hand.tufts["DP2"].y) == turn.point((6.0, 7.0))
    x0, y0, x1, y1 = turned_lesion.bbox
    assert {x0, x1} == {round(x) for x, _ in turned_lesion.polygon}
    assert {y0, y1} == {round(y) for _, y in turned_lesion.polygon}
    assert x0 <= x1
    assert y0 <= y1
    assert turn.ignored(Ignored("metal", "MC1", (4, 5, 6, 9), 0.9)).bbox == turned_lesion.bbox


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_the_clearest_way_up_is_taken(quarters: int) -> None:
    def network(image: NDArray[np.float32]) -> dict[str, Maps]:
        top = float(image[:10].mean() - image[-10:].mean())  # upright is bright above
        return {"keypoints": np.full((20, 4, 4), np.clip(top, 0.01, 1), np.float32)}

    image = np.linspace(1, 0, 200, dtype=np.float32)[:, None].repeat(120, axis=1)
    given = AnatomyInput(long_side_px=96, multiple=32)
    assert upright(np.rot90(image, -quarters), network, given).quarters == quarters


def test_a_dim_hand_beside_a_bright_marker_is_brought_up() -> None:
    def network(image: NDArray[np.float32]) -> dict[str, Maps]:
        hand = float(image[image.shape[0] // 2 :].mean())  # the hand lies below; on the usual scale it is nearly black
        return {"keypoints": np.full((20, 4, 4), np.clip(hand, 0.01, 1), np.float32)}

    rng = np.random.default_rng(6)
    image = rng.uniform(0, 0.01, (200, 120)).astype(np.float32)
    image[100:] = rng.uniform(0.05, 0.1, (100, 120))
    image[:12] = rng.uniform(0.8, 0.99, (12, 120))  # the marker
    given = AnatomyInput(long_side_px=96, multiple=32)
    turn = upright(image, network, given)
    assert turn.quarters == 0
    assert 0.05 < turn.ceiling < 0.5
    assert turn.dimmed(image).max() == np.float32(turn.ceiling)
    assert np.array_equal(turn.film(image), image), "what is measured keeps its grey values"


def test_a_small_field_in_a_bright_frame_is_brought_up() -> None:
    def network(image: NDArray[np.float32]) -> dict[str, Maps]:
        seen = float(image[30:60, 30:60].std())  # the hand; on the usual scale it is even
        return {"keypoints": np.full((20, 4, 4), np.clip(seen, 0.01, 1), np.float32)}

    rng = np.random.default_rng(7)
    image = rng.uniform(0.7, 0.99, (96, 96)).astype(np.float32)
    image[10:86, 10:86] = rng.uniform(0.0, 0.02, (76, 76))
    turn = upright(image, network, AnatomyInput(long_side_px=96, multiple=32))
    assert turn.quarters == 0
    assert turn.ceiling < 0.1


def test_a_film_without_a_way_up_is_left_as_it_is() -> None:
    even = np.random.default_rng(0).uniform(size=(100, 80)).astype(np.float32)
    given = AnatomyInput(long_side_px=96, multiple=32)
    turn = upright(even, lambda _: {"keypoints": np.full((20, 4, 4), 0.2, np.float32)}, given)
    assert turn.quarters == 0
