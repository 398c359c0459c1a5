"""The networks' surface, and that a wrong answer of theirs is never used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.detector import bundle
from edge.detector.engine import Engine, LesionNetwork, Network
from edge.errors import ModelError


def test_answers_on_half_the_grid(tiny_release: Path) -> None:
    engine = Engine(bundle.load(tiny_release), threads=1)
    answer = engine.anatomy(np.zeros((64, 96), np.float32))
    assert answer["regions"].shape == (21, 32, 48)
    assert answer["keypoints"].shape == (20, 32, 48)
    assert engine.lesions(np.zeros((32, 64), np.float32))["lesions"].shape == (4, 16, 32)


def test_the_same_input_gives_the_same_bytes_on_one_and_two_threads(release: Path) -> None:
    loaded = bundle.load(release)
    image = np.random.default_rng(4).normal(0.4, 0.3, (288, 224)).astype(np.float32)
    answers = [Engine(loaded, threads=count).lesions(image)["lesions"] for count in (1, 1, 2)]
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])


@pytest.mark.parametrize("views", [1, 2, 4, 8])
def test_views_come_back_the_way_they_went(tiny_release: Path, views: int) -> None:
    graph = (tiny_release / "lesions.onnx").read_bytes()
    image = np.random.default_rng(5).random((64, 96)).astype(np.float32)
    averaged = LesionNetwork(graph, 4, views=views, threads=1)(image)["lesions"]
    np.testing.assert_allclose(averaged[0], image.reshape(32, 2, 48, 2).mean(axis=(1, 3)), atol=1e-6)


def test_each_view_is_another_one(release: Path) -> None:
    graph = (release / "lesions.onnx").read_bytes()
    image = np.random.default_rng(6).normal(0.4, 0.3, (64, 96)).astype(np.float32)
    maps = [LesionNetwork(graph, 4, views=views, threads=1)(image)["lesions"] for views in range(1, 9)]
    assert len({one.tobytes() for one in maps}) == 8
    turned = LesionNetwork(graph, 4, views=8, threads=1)(np.ascontiguousarray(image[::-1].T))["lesions"]
    np.testing.assert_allclose(turned, maps[-1][:, ::-1].transpose(0, 2, 1), atol=1e-5)


def test_a_file_that_is_no_graph_is_refused() -> None:
    with pytest.raises(ModelError):
        Network("anatomy", b"not a graph", {"regions": 21}, threads=1)


def test_a_graph_with_another_surface_is_refused(tiny_release: Path) -> None:
    graph = (tiny_release / "lesions.onnx").read_bytes()
    with pytest.raises(ModelError, match="inputs or outputs"):
        Network("lesions", graph, {"regions": 21}, threads=1)


def test_an_answer_of_another_shape_is_not_used(tiny_release: Path) -> None:
    network = Network("lesions", (tiny_release / "lesions.onnx").read_bytes(), {"lesions": 5}, threads=1)
    with pytest.raises(ModelError, match="not what it must be"):
        network(np.zeros((32, 32), np.float32))


def test_an_answer_that_is_no_number_is_not_used(tiny_release: Path) -> None:
    network = Network("lesions", (tiny_release / "lesions.onnx").read_bytes(), {"lesions": 3}, threads=1)
    with pytest.raises(ModelError, match="not what it must be"):
        network(np.full((32, 32), np.nan, np.float32))


def test_resting_changes_no_answer(release: Path) -> None:
    engine = Engine(bundle.load(release), threads=1)
    image = np.random.default_rng(7).normal(0.4, 0.3, (288, 224)).astype(np.float32)
    before = engine.lesions(image)["lesions"]
    engine.rest()
    assert np.array_equal(engine.lesions(image)["lesions"], before)
