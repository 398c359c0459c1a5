"""Golden images: the same answer passes, any other stops the appliance from analysing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from edge.detector import bundle, golden
from edge.detector.analyse import Analyser, write_expected
from edge.errors import ModelError

Make = Callable[..., Dataset]


@pytest.fixture
def golden_release(tiny_release: Path, make: Make) -> Path:
    """A release with one golden image; its networks see no hand in anything, and that is its expected result."""
    (tiny_release / "golden").mkdir()
    film = tiny_release / "golden" / "one.dcm"
    codes = np.random.default_rng(0).integers(0, 4096, (300, 260)).astype(np.uint16)
    make(codes, BitsStored=12).save_as(film, enforce_file_format=True)
    manifest = json.loads((tiny_release / "manifest.json").read_text())
    digest = hashlib.sha256(film.read_bytes()).hexdigest()
    manifest["golden"] = [{"path": "golden/one.dcm", "sha256": digest}]
    (tiny_release / "manifest.json").write_text(json.dumps(manifest))
    return tiny_release


def edit(release: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = release / golden.EXPECTED
    expected = json.loads(path.read_text())
    change(expected)
    path.write_text(json.dumps(expected))


def test_what_was_written_down_passes(golden_release: Path) -> None:
    write_expected(golden_release)
    Analyser(golden_release, threads=1).self_test()


@pytest.mark.requirement("only the proven model analyses")
@pytest.mark.parametrize(
    "change",
    [
        lambda e: e["one.dcm"].update(outcome="no_findings"),
        lambda e: e["one.dcm"]["image"].update(rows=301),
        lambda e: e["one.dcm"].pop("reason"),
        lambda e: e.update({"two.dcm": {}}),
        lambda e: e.clear(),
    ],
)
def test_any_other_answer_fails(golden_release: Path, change: Callable[[dict[str, Any]], None]) -> None:
    write_expected(golden_release)
    edit(golden_release, change)
    with pytest.raises(ModelError):
        Analyser(golden_release, threads=1).self_test()


def test_a_release_that_proves_nothing_fails(tiny_release: Path, golden_release: Path) -> None:
    with pytest.raises(ModelError, match="no golden results"):
        Analyser(golden_release, threads=1).self_test()
    golden.write(bundle.load(tiny_release), lambda _path: {})
    (tiny_release / golden.EXPECTED).write_text("{}")
    with pytest.raises(ModelError):
        Analyser(tiny_release, threads=1).self_test()


def test_a_golden_image_that_was_changed_fails(golden_release: Path) -> None:
    write_expected(golden_release)
    film = golden_release / "golden" / "one.dcm"
    film.write_bytes(film.read_bytes()[:-2] + b"\1\1")
    with pytest.raises(ModelError, match=r"one\.dcm"):
        Analyser(golden_release, threads=1)


@pytest.mark.parametrize(
    ("expected", "found", "places"),
    [
        ({"a": [1, {"b": 2.0}]}, {"a": [1, {"b": 2.0 + 1e-5}]}, []),
        ({"a": [1, {"b": 2.0}]}, {"a": [1, {"b": 2.1}]}, [".a[1].b"]),
        ({"a": 1}, {"b": 1}, [".a", ".b"]),
        ([1, 2], [1], [" (length)"]),
        ({"a": True}, {"a": "1"}, [".a"]),
        ("x", "y", [""]),
    ],
)
def test_differences_are_named_by_their_place(expected: Any, found: Any, places: list[str]) -> None:
    assert list(golden.differences(expected, found)) == places


def test_a_start_takes_the_smallest_film_of_each_outcome() -> None:
    def film(outcome: str, rows: int) -> dict[str, Any]:
        return {"outcome": outcome, "image": {"rows": rows, "columns": 10}}

    expected = {
        "large.dcm": film("findings", 30),
        "small.dcm": film("findings", 20),
        "clear.dcm": film("no_findings", 40),
        "foot.dcm": {"outcome": "not_analysed"},
    }
    assert golden.smallest(expected) == {"small.dcm", "clear.dcm", "foot.dcm"}


@pytest.mark.requirement("only the proven model analyses")
def test_a_start_proves_each_outcome_and_the_whole_self_test_every_film(release: Path) -> None:
    loaded = bundle.load(release)
    expected = json.loads((release / golden.EXPECTED).read_text())
    for thorough in (True, False):
        analysed: list[str] = []

        def written_down(path: Path, seen: list[str] = analysed) -> dict[str, Any]:
            seen.append(path.name)
            answer: dict[str, Any] = expected[path.name]
            return answer

        golden.check(loaded, written_down, thorough=thorough)
        assert len(analysed) == (len(expected) if thorough else len({one["outcome"] for one in expected.values()}))
        assert {expected[name]["outcome"] for name in analysed} == {"findings", "no_findings"}
