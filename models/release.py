"""A release: the folder that ships. The manifest names every file with its hash, and what was measured.

What always holds: thresholds and preprocessing live in the manifest and nowhere else; the manifest is written last,
from the files as they lie there.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge.detector import distal, prepare
from edge.types import REGIONS
from models.phantom.anatomy import KEYPOINTS

PARTS: Final = ("anatomy", "lesions", "distal")
"""The networks of a release; an old one has no distal."""
LESION_CHANNELS: Final = ("calcification", "sesamoid", "metal", "certainty")
ANATOMY_LONG_SIDE_PX: Final = 288
LESION_MM_PER_PIXEL: Final = 0.2
LESION_VIEWS: Final = 8
"""Averaged; see `edge.detector.engine.LesionNetwork`."""
MULTIPLE: Final = 32
MOST_MOVE: Final = 2.5
"""By so much a site may multiply or divide the odds of an operating point (decision 0016)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which model this is, and the oldest application that can run it."""

    name: str
    version: str
    least_application: str


def preprocessing(parts: Collection[str] = PARTS) -> dict[str, Any]:
    """What is done to an image before a network sees it (see `edge.detector.prepare` and `edge.detector.distal`)."""
    stated: dict[str, Any] = {
        "anatomy": {"long_side_px": ANATOMY_LONG_SIDE_PX, "multiple": MULTIPLE},
        "lesions": {"mm_per_pixel": LESION_MM_PER_PIXEL, "multiple": MULTIPLE, "views": LESION_VIEWS},
        "normalisation": {
            "low_percentile": prepare.LOW_PERCENTILE,
            "high_percentile": prepare.HIGH_PERCENTILE,
            "clip": list(prepare.CLIP),
        },
    }
    if "distal" in parts:
        stated["distal"] = {
            "mm_per_pixel": distal.MM_PER_PIXEL,
            "rows": distal.ROWS,
            "columns": distal.COLUMNS,
            "joint_row": distal.JOINT_ROW,
        }
    return stated


def site_bounds(thresholds: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Within which a site may move the two operating points of a release that was measured, in hundredths."""
    return {name: _around(thresholds[name]) for name in ("possible", "definite")}


def _around(threshold: float) -> dict[str, float]:
    """Rounded inwards; never past the threshold itself."""
    odds = threshold / (1 - threshold)
    low, high = (moved / (1 + moved) for moved in (odds / MOST_MOVE, odds * MOST_MOVE))
    return {
        "least": min(math.ceil(low * 100) / 100, threshold),
        "greatest": max(math.floor(high * 100) / 100, threshold),
    }


def write_manifest(
    folder: Path,
    identity: Identity,
    thresholds: Mapping[str, float],
    operating_points: Mapping[str, Any],
) -> Path:
    """Writes `manifest.json` from the files that lie in the release's folder."""
    parts = [part for part in PARTS if (folder / f"{part}.onnx").exists()]
    manifest = {
        "schema": 1,
        "name": identity.name,
        "version": identity.version,
        "least_application": identity.least_application,
        "files": {part: _entry(folder, f"{part}.onnx") for part in parts},
        "preprocessing": preprocessing(parts),
        "keypoints": list(KEYPOINTS),
        "regions": ["background", *REGIONS],
        "lesion_channels": list(LESION_CHANNELS),
        "thresholds": dict(thresholds),
        "operating_points": dict(operating_points),
        "golden": [_entry(folder, f"golden/{path.name}") for path in sorted((folder / "golden").glob("*.dcm"))],
    }
    target = folder / "manifest.json"
    target.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return target


def _entry(folder: Path, name: str) -> dict[str, str]:
    return {"path": name, "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}
