"""A release is used only if it is exactly what was released."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.detector import bundle
from edge.errors import ModelError

Edit = Callable[[dict[str, Any]], None]


def edited(release: Path, edit: Edit) -> Path:
    manifest = json.loads((release / "manifest.json").read_text())
    edit(manifest)
    (release / "manifest.json").write_text(json.dumps(manifest))
    return release


def test_a_sound_release_is_loaded(tiny_release: Path) -> None:
    loaded = bundle.load(tiny_release)
    assert (loaded.model.name, loaded.model.version) == ("tiny", "1.2.3")
    assert loaded.model.possible_threshold == loaded.thresholds.possible == 0.4
    assert loaded.networks["anatomy"] == (tiny_release / "anatomy.onnx").read_bytes()


def test_the_identity_is_the_hash_of_the_manifest(tiny_release: Path) -> None:
    before = bundle.load(tiny_release).model.sha256
    edited(tiny_release, lambda manifest: manifest["thresholds"].update(possible=0.41))
    assert bundle.load(tiny_release).model.sha256 != before


@pytest.mark.requirement("only the released model analyses")
@pytest.mark.parametrize(
    "edit",
    [
        lambda m: m["files"]["anatomy"].update(sha256="0" * 64),
        lambda m: m["files"]["lesions"].update(path="missing.onnx"),
        lambda m: m["files"]["lesions"].update(path="../anatomy.onnx"),
        lambda m: m.update(schema=2),
        lambda m: m.update(least_application="99.0.0"),
        lambda m: m["keypoints"].reverse(),
        lambda m: m["regions"].pop(),
        lambda m: m.update(lesion_channels=["calcification"]),
        lambda m: m["thresholds"].update(possible=0.9, definite=0.5),
        lambda m: m["thresholds"].update(possible=1.5),
        lambda m: m["thresholds"].pop("definite"),
        lambda m: m["preprocessing"]["normalisation"].update(low_percentile=2.0),
        lambda m: m.pop("name"),
    ],
)
def test_a_release_that_differs_is_refused(tiny_release: Path, edit: Edit) -> None:
    with pytest.raises(ModelError):
        bundle.load(edited(tiny_release, edit))


@pytest.mark.parametrize("content", [b"", b"[]", b"not json", b"\xff\xfe"])
def test_a_manifest_that_is_none_is_refused(tiny_release: Path, content: bytes) -> None:
    (tiny_release / "manifest.json").write_bytes(content)
    with pytest.raises(ModelError):
        bundle.load(tiny_release)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"manifest\.json"):
        bundle.load(tmp_path)


def test_a_flipped_bit_in_a_network_is_found(tiny_release: Path) -> None:
    content = bytearray((tiny_release / "lesions.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (tiny_release / "lesions.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"lesions\.onnx"):
        bundle.load(tiny_release)


def test_a_release_from_before_the_certainty_channel_still_loads(tiny_release: Path) -> None:
    older = edited(tiny_release, lambda manifest: manifest.update(lesion_channels=list(bundle.FIRST_LESION_CHANNELS)))
    assert bundle.load(older).lesion_channels == bundle.FIRST_LESION_CHANNELS
