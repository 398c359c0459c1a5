"""Measures a release, chooses its thresholds when asked to, and writes `evaluation.json`, the manifest and the card."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from edge.detector import prepare
from models.evaluation import froc, inserted
from models.evaluation.card import write_card
from models.evaluation.nonsense import pictures
from models.evaluation.phantoms import Outcome, held_out, measure
from models.evaluation.real import RealHand, marks_per_hand, measure_folder
from models.evaluation.runtime import Graph, peaks
from models.release import Identity, write_manifest

POSSIBLE_RATE: Final = 0.10
DEFINITE_RATE: Final = 0.02
"""False marks per phantom hand at which the two thresholds are set."""
_FOLDERS: Final = ("mature", "near_mature", "hard")


def evaluate_release(
    folder: Path, settings: dict[str, Any], films: int, real: Path | None, *, choose: bool
) -> dict[str, Any]:
    """Measures the release in `folder`; with `choose`, thresholds come from the first half of the phantoms."""
    anatomy, lesions = Graph(folder / "anatomy.onnx", 2), Graph(folder / "lesions.onnx", 2)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    thresholds: dict[str, float] = dict(manifest["thresholds"])
    measured = [measure(f, p, anatomy, lesions, held_out_chain=h) for f, p, h in held_out(films)]
    outcomes = [outcome for outcome in measured if outcome is not None]
    half = len(outcomes) // 2
    if choose:
        calibration = [outcome.scored for outcome in outcomes[:half]]
        thresholds["possible"] = round(froc.threshold_for(calibration, POSSIBLE_RATE), 3)
        thresholds["definite"] = round(max(froc.threshold_for(calibration, DEFINITE_RATE), thresholds["possible"]), 3)
    nonsense = [_confidence(anatomy, image) for image in pictures(200)]
    if choose:
        worst_hand = float(np.percentile([outcome.confidence for outcome in outcomes], 1))
        thresholds["hand_confidence"] = round(min(0.5 * worst_hand + 0.5 * max(nonsense), 0.9 * worst_hand), 3)
    result = _report(outcomes[half:] if choose else outcomes, thresholds)
    result["phantom_hands_not_found"] = len(measured) - len(outcomes)
    gate = thresholds["hand_confidence"]
    result["no_hand_pictures"] = {"count": len(nonsense), "refused": sum(c < gate for c in nonsense)}
    if real is not None:
        hands = {name: measure_folder(real / name, anatomy, lesions) for name in _FOLDERS if (real / name).is_dir()}
        found = {name: inserted.measure_folder(real / name, anatomy, lesions) for name in hands if name != "hard"}
        result["real_hands_inserted"] = {name: _inserted(got, thresholds) for name, got in found.items()}
        result["real_hands_clean"] = {name: _real(found, thresholds) for name, found in hands.items()}
    identity = Identity(manifest["name"], manifest["version"], manifest["least_application"])
    write_manifest(folder, identity, thresholds, result)
    (folder / "evaluation.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    write_card(folder, identity, thresholds, result, settings)
    return result


def _report(outcomes: list[Outcome], thresholds: dict[str, float]) -> dict[str, Any]:
    scored = [outcome.scored for outcome in outcomes]
    errors = np.array([mm for outcome in outcomes for mm in outcome.keypoint_mm.values()])
    points = {name: froc.at_threshold(scored, thresholds[name]) for name in ("possible", "definite")}
    return {
        "phantom_hands": len(outcomes),
        "lesions": sum(len(image.lesions) for image in scored),
        "operating_points": {
            name: {
                "threshold": point.threshold,
                "false_marks_per_hand": round(point.false_per_image, 3),
                "sensitivity": round(point.sensitivity, 3),
                "interval_95": [round(point.low, 3), round(point.high, 3)],
                "sensitivity_by_area_mm2": _by_area(outcomes, point.threshold),
            }
            for name, point in points.items()
        },
        "froc": {
            str(rate): {"threshold": round(point.threshold, 3), "sensitivity": round(point.sensitivity, 3)}
            for rate, point in froc.froc(scored).items()
        },
        "froc_by_chain": {
            name: {
                str(rate): round(point.sensitivity, 3)
                for rate, point in froc.froc([o.scored for o in outcomes if o.held_out_chain is unseen]).items()
            }
            for name, unseen in (("families seen in training", False), ("family never seen", True))
        },
        "keypoints_mm": {
            "mean": round(float(errors.mean()), 2),
            "p95": round(float(np.percentile(errors, 95)), 2),
            "within_2": round(float((errors <= 2).mean()), 3),
        },
        "regions_right": round(float(np.mean([outcome.regions_right for outcome in outcomes])), 3),
        "scale_error": {
            "mean": round(float(np.mean([outcome.scale_error for outcome in outcomes])), 3),
            "sd": round(float(np.std([outcome.scale_error for outcome in outcomes])), 3),
        },
        "hand_confidence": {
            "p1": round(float(np.percentile([outcome.confidence for outcome in outcomes], 1)), 3),
            "median": round(float(np.median([outcome.confidence for outcome in outcomes])), 3),
        },
    }


def _by_area(outcomes: list[Outcome], threshold: float) -> dict[str, dict[str, float]]:
    """Sensitivity for lesions of under 1, 1 to 3, 3 to 10 and over 10 mm2."""
    edges = (0.0, 1.0, 3.0, 10.0, float("inf"))
    table = {}
    for low, high in pairwise(edges):
        hits = [
            score >= threshold
            for outcome in outcomes
            for number, score in outcome.scored.lesions.items()
            if low <= outcome.area_mm2[number] < high
        ]
        if hits:
            table[f"{low:g}-{high:g}"] = {"count": len(hits), "sensitivity": round(sum(hits) / len(hits), 3)}
    return table


def _real(hands: list[RealHand], thresholds: dict[str, float]) -> dict[str, float]:
    return {
        "hands": len(hands),
        "found": sum(hand.found for hand in hands),
        "refused_by_confidence": sum(hand.confidence < thresholds["hand_confidence"] for hand in hands),
        "least_confidence": round(min(hand.confidence for hand in hands), 3),
        "possible_per_hand": round(marks_per_hand(hands, thresholds["possible"]), 3),
        "definite_per_hand": round(marks_per_hand(hands, thresholds["definite"]), 3),
        "marks_above_half_per_hand": round(marks_per_hand(hands, 0.5), 3),
    }


def _inserted(hands: list[inserted.Inserted], thresholds: dict[str, float]) -> dict[str, Any]:
    scored = [hand.scored for hand in hands]
    sizes = {}
    for diameter in inserted.DIAMETERS_MM:
        hits = [
            hand.scored.lesions[number] >= thresholds["possible"]
            for hand in hands
            for number, mm in hand.diameter_mm.items()
            if mm == diameter
        ]
        sizes[f"{diameter:g}"] = {"count": len(hits), "sensitivity": round(sum(hits) / max(1, len(hits)), 3)}
    points = {name: froc.at_threshold(scored, thresholds[name]) for name in ("possible", "definite")}
    return {
        "hands": len(hands),
        "lesions": sum(len(image.lesions) for image in scored),
        "sensitivity": {name: round(point.sensitivity, 3) for name, point in points.items()},
        "sensitivity_by_diameter_mm": sizes,
        "froc": {str(rate): round(point.sensitivity, 3) for rate, point in froc.froc(scored).items()},
    }


def _confidence(anatomy: Graph, image: prepare.Image) -> float:
    _, heat = anatomy(prepare.anatomy_input(image, 288, 32).image)
    return float(np.mean([height for _, _, height in peaks(heat).values()]))
