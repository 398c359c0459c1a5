"""The release that ships: its hashes, its graphs' diet, and that they answer the same every time."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime as ort
import pydicom
import pytest
from numpy.typing import NDArray

from edge.config import DEFAULT_RELEASE
from edge.detector import prepare
from edge.types import REGIONS
from models.golden import GOLDEN, Golden, make_golden
from models.phantom.anatomy import KEYPOINTS
from models.phantom.film import Film
from models.phantom.render import Picture
from models.release import preprocessing, site_bounds

RELEASE: Final = DEFAULT_RELEASE
ALLOWED: Final = {"Add", "Constant", "Conv", "Relu", "Resize", "Sigmoid", "Softmax"}
GRAPHS: Final = tuple(sorted(path.name for path in RELEASE.glob("*.onnx")))


@cache
def made(golden: Golden) -> tuple[Film, Picture]:
    return make_golden(golden)


def run_graph(path: Path, image: NDArray[np.float32], threads: int = 1) -> list[NDArray[np.float32]]:
    """The outputs of a graph for one image, without the batch axis."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return [out[0] for out in session.run(None, {"image": image[None, None]})]


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RELEASE / "manifest.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.requirement("a release is what its manifest says")
def test_every_file_has_the_hash_of_the_manifest(manifest: dict[str, Any]) -> None:
    entries = [*manifest["files"].values(), *manifest["golden"]]
    assert len(entries) == len(GRAPHS) + len(GOLDEN)
    for entry in entries:
        content = (RELEASE / entry["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"], entry["path"]


def test_the_manifest_has_the_tables_of_the_application(manifest: dict[str, Any]) -> None:
    assert manifest["schema"] == 1
    assert manifest["keypoints"] == list(KEYPOINTS)
    assert manifest["regions"] == ["background", *REGIONS]
    assert manifest["lesion_channels"] == ["calcification", "sesamoid", "metal", "certainty"]
    assert manifest["preprocessing"] == preprocessing(manifest["files"])
    limits = manifest["thresholds"]
    assert 0 < limits["possible"] <= limits["definite"] < 1
    assert 0 < limits["hand_confidence"] < 1
    assert manifest["bounds"] == site_bounds(limits)


@pytest.mark.parametrize(("possible", "definite"), [(0.5, 0.5), (0.03, 0.99), (0.8487, 0.9233), (0.9999, 0.9999)])
def test_a_site_may_move_thresholds_a_little_to_both_sides(possible: float, definite: float) -> None:
    bounds = site_bounds({"possible": possible, "definite": definite, "outline": 0.5})
    assert list(bounds) == ["possible", "definite"]
    for name, own in (("possible", possible), ("definite", definite)):
        least, greatest = bounds[name]["least"], bounds[name]["greatest"]
        assert 0 < least <= own <= greatest < 1
        for moved in (least, greatest):
            odds = (moved / (1 - moved)) / (own / (1 - own))
            assert 1 / 2.5 - 1e-9 <= odds <= 2.5 + 1e-9


def test_the_release_is_small() -> None:
    assert sum(path.stat().st_size for path in RELEASE.rglob("*") if path.is_file()) < 12_000_000


@pytest.mark.requirement("the graphs run on x86-64 and ARM64")
@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_uses_only_the_operators_that_were_measured(name: str) -> None:
    model = onnx.load(str(RELEASE / name))
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    assert {node.op_type for node in model.graph.node} <= ALLOWED
    for node in model.graph.node:
        if node.op_type == "Resize":
            modes = [a.s.decode() for a in node.attribute if a.name == "mode"]
            assert modes == ["nearest"]


@pytest.mark.parametrize("name", GRAPHS)
def test_widths_are_whole_multiples_of_sixteen(name: str) -> None:
    model = onnx.load(str(RELEASE / name))
    outputs = {out.name for out in model.graph.output}
    heads = {1, 2, 3, 4, 6, 20, 21}  # what comes out: places, signs, channels
    weights = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Conv":
            width = weights[node.input[1]][0]
            assert width % 16 == 0 or width in heads, (node.name, width, outputs)


@pytest.mark.requirement("the same input gives the same result")
@pytest.mark.parametrize(("rows", "columns"), [(288, 224), (64, 96)])
def test_answers_are_probabilities_and_repeat_to_the_bit(rows: int, columns: int) -> None:
    image = np.random.default_rng(1).random((rows, columns)).astype(np.float32)
    for name, shapes in (("anatomy.onnx", [(21,), (20,)]), ("lesions.onnx", [(4,)])):
        first, again = (run_graph(RELEASE / name, image, threads) for threads in (1, 2))
        for planes, other, (channels,) in zip(first, again, shapes, strict=True):
            assert planes.shape == (channels, rows // 2, columns // 2)
            assert np.isfinite(planes).all()
            assert planes.min() >= 0
            assert planes.max() <= 1
            assert np.array_equal(planes, other)


def test_regions_add_up_to_one() -> None:
    image = np.random.default_rng(2).random((96, 96)).astype(np.float32)
    regions, _ = run_graph(RELEASE / "anatomy.onnx", image)
    np.testing.assert_allclose(regions.sum(axis=0), 1, atol=1e-4)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
def test_golden_films_are_the_phantoms_they_say(golden: Golden) -> None:
    dataset = pydicom.dcmread(RELEASE / "golden" / f"{golden.name}.dcm")
    assert dataset.Modality == "DX"
    assert dataset.BodyPartExamined == "HAND"
    assert str(dataset.PatientID).startswith("PHANTOM")
    film, picture = made(golden)
    stored = dataset.pixel_array
    assert stored.shape == film.grid.shape
    assert int(stored.max()) < 2**12
    # another processor's rounding may move a grey level; another phantom would move thousands
    assert float(np.abs(stored / 4095 - picture.image).mean()) < 1e-3


@pytest.mark.requirement("golden films show what they are there for")
def test_golden_films_hold_lesions_and_a_clear_hand() -> None:
    films = {golden.name: made(golden)[0] for golden in GOLDEN}
    assert len(films["left-lesions"].lesions) >= 3
    assert films["right-clear"].lesions == ()
    assert len(films["right-clear"].sesamoids) >= 2
    assert not films["right-clear"].maps.metal.any()
    assert len(films["both-lesions"].hands) == 2
    assert {lesion.hand for lesion in films["both-lesions"].lesions} == {0, 1}


def test_the_hand_of_a_golden_film_is_found() -> None:
    film, picture = made(GOLDEN[0])
    regions, _ = run_graph(RELEASE / "anatomy.onnx", prepare.anatomy_input(picture.image, 288, 32).image)
    share = float((regions[0] < 0.5).mean())
    assert 0.5 < share / float((film.regions > 0).mean()) < 2.0


def test_the_card_says_what_it_must() -> None:
    card = (RELEASE / "card.md").read_text(encoding="utf-8")
    for words in ("never seen a real", "Not a medical device", "held-out phantoms", "clean real hands", "Limits"):
        assert words in card
