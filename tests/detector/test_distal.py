"""The ends of the digits: cut out right, read right, and silent where nothing can be said."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import onnx
import onnx.helper
import pytest
from numpy.typing import NDArray

from edge.detector import bundle, distal
from edge.detector.engine import DistalNetwork, Engine
from edge.errors import ModelError
from edge.types import Point

FINGER: dict[str, Point] = {"PIP2": (300.0, 500.0), "DIP2": (310.0, 380.0), "TIP2": (318.0, 300.0)}
SURE = (0.1, 0.05, 0.02, 0.01, 0.9, 0.9)


def answer(
    joint: Point | None = (64.0, 204.0),
    tip: Point | None = (64.0, 60.0),
    *,
    space_mm: float = 1.1,
    signs: tuple[float, ...] = SURE,
) -> distal.Answer:
    """What a network would say that sees joint and tip at these places of a patch."""
    places = np.zeros((1, 2, distal.ROWS // 2, distal.COLUMNS // 2), np.float32)
    rows, columns = np.indices(places.shape[2:], dtype=np.float32)
    for index, point in enumerate((joint, tip)):
        if point is not None:
            x, y = (point[0] + 0.5) / 2 - 0.5, (point[1] + 0.5) / 2 - 0.5
            places[0, index] = 0.9 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 1.6**2))
    space = np.full((1, 1, *places.shape[2:]), space_mm, np.float32)
    return distal.Answer(places, space, np.array([signs], np.float32))


def cut() -> distal.Cut:
    made = distal.cut_of(2, FINGER, 0.2)
    assert made is not None
    return made


def test_a_point_of_the_film_comes_back_from_the_patch() -> None:
    for x, y in ((310.0, 380.0), (123.4, 56.7)):
        assert cut().to_film(*cut().from_film(x, y)) == pytest.approx((x, y))
    assert cut().from_film(*FINGER["DIP2"]) == pytest.approx((distal.COLUMNS / 2, distal.JOINT_ROW))


@pytest.mark.parametrize("degrees", [0, 40, 90, 200, 310])
def test_a_patch_shows_the_tip_up_at_its_scale(degrees: int) -> None:
    turn = math.radians(degrees)
    up = (math.sin(turn), -math.cos(turn))
    joint = (200.0, 210.0)
    tip = (joint[0] + up[0] * 80, joint[1] + up[1] * 80)  # 16 mm at 0.2 mm
    ys, xs = np.mgrid[:400, :400].astype(np.float32)
    film = np.full((400, 400), 0.2, np.float32)
    film += 0.3 * np.exp(-((xs - joint[0]) ** 2 + (ys - joint[1]) ** 2) / 18)
    film += 0.6 * np.exp(-((xs - tip[0]) ** 2 + (ys - tip[1]) ** 2) / 18)
    patch = distal.patch(film, distal.Cut(joint, up, distal.MM_PER_PIXEL / 0.2))
    for part, expected in ((slice(0, 150), distal.JOINT_ROW - 16 / distal.MM_PER_PIXEL), (slice(150, None), 204)):
        rows, columns = np.nonzero(patch[part] >= 0.95 * patch[part].max())
        assert rows.mean() + part.start == pytest.approx(expected, abs=1.0)
        assert columns.mean() == pytest.approx(distal.COLUMNS / 2, abs=1.0)


def test_a_patch_beyond_the_film_is_empty() -> None:
    film = np.random.default_rng(1).random((50, 50)).astype(np.float32)
    assert not distal.patch(film, distal.Cut((5000.0, 5000.0), (0.0, -1.0), 0.6)).any()
    partly = distal.patch(film, distal.Cut((25.0, 5.0), (0.0, -1.0), 0.6))
    assert partly[distal.JOINT_ROW :].any()
    assert not partly[:150].any()


def test_a_digit_without_its_joint_or_direction_is_not_cut() -> None:
    assert distal.cut_of(2, {"PIP2": (1.0, 1.0), "TIP2": (5.0, 5.0)}, 0.2) is None
    assert distal.cut_of(2, {"DIP2": (1.0, 1.0)}, 0.2) is None
    assert distal.cut_of(3, FINGER, 0.2) is None


def test_a_resorbed_digit_is_cut_along_the_bone_before_it() -> None:
    made = distal.cut_of(2, {"PIP2": (300.0, 500.0), "DIP2": (300.0, 380.0), "TIP2": (303.0, 378.0)}, 0.2)
    assert made is not None
    assert made.up[1] < -0.99


def test_what_the_network_says_is_read() -> None:
    said = distal.read(answer((70.0, 200.0), (66.0, 50.0)), 0, cut())
    assert said.joint == pytest.approx(cut().to_film(70.0, 200.0), abs=0.1)
    assert said.tip == pytest.approx(cut().to_film(66.0, 50.0), abs=0.1)
    assert (said.space_mm, said.osteolysis_grade, said.score) == (1.1, 0, 0.1)


@pytest.mark.parametrize(
    ("chances", "grade"),
    [((0.4, 0.1, 0.0, 0.0), 0), ((0.9, 0.3, 0.1, 0.0), 1), ((0.9, 0.8, 0.9, 0.2), 3), ((1.0, 0.9, 0.8, 0.7), 4),
     ((0.9, 0.2, 0.8, 0.7), 1)],
)  # fmt: skip
def test_grades_are_counted_as_far_as_they_are_likely(chances: tuple[float, ...], grade: int) -> None:
    said = distal.read(answer(signs=(*chances, 0.9, 0.9)), 0, cut())
    assert said.osteolysis_grade == grade


@pytest.mark.requirement("what can't be judged is not given a number")
def test_what_cannot_be_judged_is_none() -> None:
    bent = distal.read(answer(signs=(0.9, 0.9, 0.9, 0.9, 0.2, 0.2)), 0, cut())
    assert (bent.osteolysis_grade, bent.score, bent.space_mm, bent.tip) == (None, None, None, None)
    assert bent.joint is not None
    assert distal.read(answer(None), 0, cut()).space_mm is None
    far = distal.read(answer((10.0, 120.0)), 0, cut())
    assert (far.joint, far.space_mm, far.osteolysis_grade) == (None, None, None)
    assert distal.read(answer(tip=None), 0, cut()).osteolysis_grade is None
    assert distal.read(answer(), 0, cut(), fine=False).space_mm is None


def test_a_space_is_never_negative() -> None:
    assert distal.read(answer(space_mm=-0.2), 0, cut()).space_mm == 0.0


@pytest.mark.parametrize(
    ("spaces", "grades"),
    [
        ({"DIP2": 1.2, "DIP3": 1.1, "DIP4": 1.3}, {"DIP2": 0, "DIP3": 0, "DIP4": 0}),
        ({"DIP2": 0.62, "DIP3": 1.2, "DIP4": 1.3, "DIP5": 1.1}, {"DIP2": 1, "DIP3": 0, "DIP4": 0, "DIP5": 0}),
        ({"DIP2": 0.45, "DIP3": 1.2, "DIP4": 1.3}, {"DIP2": 2, "DIP3": 0, "DIP4": 0}),
        ({"DIP2": 0.1, "DIP3": 0.5}, {"DIP2": 3, "DIP3": 1}),
        ({"DIP4": 0.3}, {"DIP4": 2}),
        ({}, {}),
    ],
)
def test_narrowing_is_graded_against_the_hand_s_own_joints(spaces: dict[str, float], grades: dict[str, int]) -> None:
    assert distal.narrowing(spaces) == grades


def test_signs_are_given_for_every_digit_that_is_seen() -> None:
    film = np.random.default_rng(2).random((700, 600)).astype(np.float32)
    seen: list[int] = []

    def network(patches: NDArray[np.float32]) -> distal.Answer:
        seen.append(len(patches))
        one = answer()
        return distal.Answer(*(np.repeat(part, len(patches), axis=0) for part in (one.places, one.space, one.signs)))

    points = FINGER | {"MCP1": (100.0, 600.0), "IP1": (120.0, 500.0), "DIP4": (450.0, 400.0)}
    found = distal.signs(film, points, 0.2, network)
    assert seen == [2]
    assert set(found) == {1, 2}
    assert (found[1].space_mm, found[2].space_mm) == (None, 1.1)
    assert found[1].osteolysis_grade == 0
    assert set(distal.places(found)) == {"IP1", "TIP1", "DIP2", "TIP2"}
    assert distal.signs(film, {}, 0.2, network) == {}


def test_middle_joints_and_knuckles_are_found_again() -> None:
    film = np.random.default_rng(2).random((900, 600)).astype(np.float32)
    points = FINGER | {"WRIST": (330.0, 850.0), "MCP2": (305.0, 640.0), "DIP3": (400.0, 380.0)}

    def network(patches: NDArray[np.float32]) -> distal.Answer:
        one = answer((68.0, 208.0))
        return distal.Answer(*(np.repeat(part, len(patches), axis=0) for part in (one.places, one.space, one.signs)))

    found = distal.middle_joints(film, points, 0.2, network)
    assert set(found) == {"PIP2", "MCP2"}
    for name, (x, y) in found.items():
        assert 0.2 * math.dist((x, y), points[name]) == pytest.approx(0.125 * math.hypot(4, 4), abs=0.02)
    assert distal.middle_joints(film, {}, 0.2, network) == {}


def test_another_joint_in_the_patch_is_not_taken() -> None:
    both = answer((64.0, 204.0))
    both.places[0, 0, 10, 32] = 0.99  # far above, and hotter
    assert distal.read(both, 0, cut()).joint == pytest.approx(cut().to_film(64.0, 204.0), abs=0.1)


def test_the_network_answers_for_many_patches_at_once() -> None:
    network = DistalNetwork(graph(), threads=1)
    said = network(np.zeros((3, distal.ROWS, distal.COLUMNS), np.float32))
    assert said.places.shape == (3, 2, distal.ROWS // 2, distal.COLUMNS // 2)
    assert said.space.shape == (3, 1, distal.ROWS // 2, distal.COLUMNS // 2)
    assert said.signs.shape == (3, len(distal.SIGNS))
    with pytest.raises(ModelError, match="not what it must be"):
        network(np.zeros((3, 64, 64), np.float32))


@pytest.mark.requirement("a release without fingertips still analyses")
def test_a_release_may_come_with_the_network_or_without(tiny_release: Path) -> None:
    assert Engine(bundle.load(tiny_release), threads=1).distal is None
    (tiny_release / "distal.onnx").write_bytes(graph())
    manifest = json.loads((tiny_release / "manifest.json").read_text())
    manifest["files"]["distal"] = {"path": "distal.onnx", "sha256": hashlib.sha256(graph()).hexdigest()}
    stated = {"mm_per_pixel": distal.MM_PER_PIXEL, "rows": distal.ROWS, "columns": distal.COLUMNS, "joint_row": 204}
    manifest["preprocessing"]["distal"] = stated
    (tiny_release / "manifest.json").write_text(json.dumps(manifest))
    engine = Engine(bundle.load(tiny_release), threads=1)
    assert engine.distal is not None
    manifest["preprocessing"]["distal"] = stated | {"joint_row": 100}
    (tiny_release / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="fingertips"):
        bundle.load(tiny_release)


def graph() -> bytes:
    """A graph with the network's surface that averages what it is given."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("AveragePool", ["image"], ["space"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Concat", ["space"] * 2, ["places"], axis=1),
        helper.make_node("GlobalAveragePool", ["space"], ["mean"]),
        helper.make_node("Concat", ["mean"] * len(distal.SIGNS), ["signs"], axis=1),
    ]
    made = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", kind, ["n", 1, "rows", "columns"])],
        [helper.make_tensor_value_info(name, kind, ["n", None, None, None]) for name in ("places", "space", "signs")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())
