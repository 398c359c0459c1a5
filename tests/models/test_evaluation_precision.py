"""The reduced-precision variants are real graphs, near the fp32 one, in a release whose hashes hold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from edge.config import DEFAULT_RELEASE
from edge.detector import bundle
from models.evaluation import precision

Images = dict[str, list[NDArray[np.float32]]]


@pytest.fixture(scope="module")
def seen() -> Images:
    rng = np.random.default_rng(0)
    blocks = [np.kron(rng.uniform(0, 1, (12, 12)), np.ones((8, 8))).astype(np.float32) for _ in range(4)]
    return {part: [block[None, None] for block in blocks] for part in ("anatomy", "lesions")}


def _answer(graph: bytes, image: NDArray[np.float32]) -> NDArray[np.float32]:
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    answer: NDArray[np.float32] = session.run(None, {"image": image})[0]
    return answer


@pytest.mark.parametrize(("name", "most"), [("int8", 0.35), ("bfloat16", 0.1)])
def test_a_variant_answers_nearly_as_fp32_does(seen: Images, name: str, most: float) -> None:
    graph = (DEFAULT_RELEASE / "lesions.onnx").read_bytes()
    changed = {"int8": precision._int8, "bfloat16": precision._bfloat16}[name]("lesions", graph, seen)
    assert changed != graph
    apart = np.abs(_answer(changed, seen["lesions"][0]) - _answer(graph, seen["lesions"][0]))
    assert float(apart.max()) > 0
    assert float(apart.mean()) < most


def test_a_variant_is_a_release_that_loads(seen: Images, tmp_path: Path) -> None:
    folder = precision.variant(
        DEFAULT_RELEASE, tmp_path / "variant", lambda part, graph: precision._bfloat16(part, graph, seen)
    )
    loaded = bundle.load(folder)
    assert loaded.networks["lesions"] != (DEFAULT_RELEASE / "lesions.onnx").read_bytes()
    assert json.loads((DEFAULT_RELEASE / "manifest.json").read_text())["files"]["lesions"]["path"] == "lesions.onnx"


def test_time_is_measured(seen: Images) -> None:
    assert 0 < precision.seconds(DEFAULT_RELEASE / "lesions.onnx", seen["lesions"]) < 5
