"""The whole way, as the command line takes it: samples, the networks, the release's graphs and golden films."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from models.golden import GOLDEN, write_golden
from models.release import Identity, preprocessing, write_manifest
from models.training.bodies import Bodies
from models.training.data import AnatomyBatches, LesionBatches, load_anatomy, load_lesions
from models.training.distal import DistalBatches, load_distal
from models.training.export import export_anatomy, export_distal, export_lesions
from models.training.generate import generate, seeds_of
from models.training.loop import train_anatomy, train_distal, train_lesions

BEFORE_EVALUATION: Final = {
    "possible": 0.9,
    "definite": 0.97,
    "hand_confidence": 0.35,
    "outline": 0.5,
    "sesamoid": 0.5,
    "metal": 0.5,
    "keypoint": 0.2,
}
"""Careful thresholds for a model that hasn't been measured."""


def train_all(settings: dict[str, Any], *, only: str | None = None) -> None:
    """Makes samples and trains what isn't trained yet."""
    data = settings["data"]
    folder, runs = Path(data["folder"]), Path(data["folder"]).parent
    if only == "data":
        generate(data)
    if only in {None, "anatomy"}:
        generate(data, ("anatomy",))
        films = load_anatomy(folder, range(*data["anatomy_seeds"]), int(data["anatomy_renders"]))
        part = settings["anatomy"]
        batches = AnatomyBatches(films, int(part["long_side_px"]), int(part["batch"]), int(part["seed"]))
        train_anatomy(batches, part, runs / "anatomy")
    if only in {None, "lesions"}:
        generate(data, ("lesions",))
        hands = load_lesions(folder, range(*data["lesion_seeds"]), int(data["lesion_renders"]))
        part = settings["lesions"]
        bodies = Bodies(int(part["bodies"]), int(part["seed"]))
        crops = LesionBatches(hands, int(part["crop_px"]), int(part["batch"]), int(part["seed"]), bodies)
        train_lesions(crops, part, runs / "lesions")
    if only in {None, "distal"}:
        generate(data, ("distal",))
        ends = load_distal(folder, seeds_of(data["distal_seeds"]))
        part = settings["distal"]
        train_distal(DistalBatches(ends, int(part["batch"]), int(part["seed"])), part, runs / "distal")


def export_all(settings: dict[str, Any], release: Path) -> Path:
    """Writes graphs, golden films and manifest; returns the manifest's path."""
    runs = Path(settings["data"]["folder"]).parent
    identity = Identity(**settings["release"])
    facts = {"name": identity.name, "version": identity.version, "preprocessing": preprocessing()}
    export_anatomy(runs / "anatomy" / "average.pt", release / "anatomy.onnx", facts)
    export_lesions(runs / "lesions" / "average.pt", release / "lesions.onnx", facts, settings["lesions"])
    if (runs / "distal" / "average.pt").exists():
        export_distal(runs / "distal" / "average.pt", release / "distal.onnx", facts)
    for golden in GOLDEN:
        write_golden(golden, release / "golden")
    return write_manifest(release, identity, BEFORE_EVALUATION, {})
