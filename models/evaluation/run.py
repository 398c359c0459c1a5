"""Measures a release, chooses its thresholds when asked to, and writes manifest, golden results, figures and card."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from edge.detector.analyse import write_expected
from models.evaluation import froc, inserted
from models.evaluation.appliance import Appliance
from models.evaluation.card import write_card
from models.evaluation.nonsense import pictures
from models.evaluation.phantoms import Outcome, held_out, measure
from models.evaluation.real import RealHand, marks_per_hand, measure_folder
from models.release import Identity, write_manifest

POSSIBLE_RATE: Final = 0.10
DEFINITE_RATE: Final = 0.02
"""False marks per phantom hand at which the two thresholds are set."""
_CLEAN: Final = ("mature", "near_mature", "hard")
_INSERTED: Final = ("mature", "near_mature")


def evaluate_release(
    folder: Path, settings: dict[str, Any], films: int, real: Path | None, *, choose: bool
) -> dict[str, Any]:
    """Measures the release in `folder`; with `choose`, thresholds come from the first half of the phantoms."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    thresholds: dict[str, float] = dict(manifest["thresholds"])
    with Appliance(folder) as appliance:
        _say(f"{films} held-out phantoms")
        measured = [measure(f, p, appliance, held_out_chain=h) for f, p, h in held_out(films)]
        outcomes = [outcome for outcome in measured if outcome is not None]
        nonsense = [appliance.confidence(image) for image in pictures(120)]
    half = len(outcomes) // 2
    if choose:
        thresholds |= _choose(outcomes[:half], nonsense)
    result = _report(outcomes[half:] if choose else outcomes, thresholds)
    result["phantom_hands_refused"] = len(measured) - len(outcomes)
    gate = thresholds["hand_confidence"]
    result["no_hand_pictures"] = {"count": len(nonsense), "refused": sum(c < gate for c in nonsense)}
    if real is not None:
        with Appliance(folder, hand_confidence=gate) as appliance:
            result |= _real_hands(real, appliance, thresholds)
    identity = Identity(manifest["name"], manifest["version"], manifest["least_application"])
    write_manifest(folder, identity, thresholds, result["operating_points"])
    write_expected(folder)
    (folder / "evaluation.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    write_card(folder, identity, thresholds, result, settings)
    return result


def _choose(outcomes: list[Outcome], nonsense: list[float]) -> dict[str, float]:
    """Thresholds from phantoms that are not measured on again."""
    scored = [outcome.scored for outcome in outcomes]
    possible = froc.threshold_for(scored, POSSIBLE_RATE)
    definite = max(froc.threshold_for(scored, DEFINITE_RATE), possible)
    least_hand = float(np.percentile([outcome.confidence for outcome in outcomes], 1))
    gate = min(0.5 * (least_hand + max(nonsense)), 0.8 * least_hand)
    return {"possible": round(possible, 3), "definite": round(definite, 3), "hand_confidence": round(gate, 3)}


def _report(outcomes: list[Outcome], thresholds: dict[str, float]) -> dict[str, Any]:
    scored = [outcome.scored for outcome in outcomes]
    joints = np.array([mm for outcome in outcomes for mm in outcome.joints_mm])
    regions = [right for outcome in outcomes for right in outcome.regions_right]
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
        "froc": _curve(outcomes),
        "froc_by_chain": {
            "families seen in training": _curve([o for o in outcomes if not o.held_out_chain]),
            "family never seen": _curve([o for o in outcomes if o.held_out_chain]),
        },
        "joints": {
            "mean_mm": round(float(joints.mean()), 2),
            "p95_mm": round(float(np.percentile(joints, 95)), 2),
            "within_2_mm": round(float((joints <= 2).mean()), 3),
            "missing": round(float(np.mean([outcome.joints_missing for outcome in outcomes])) / 19, 4),
        },
        "side_right": round(float(np.mean([outcome.side_right for outcome in outcomes])), 3),
        "regions_right": round(float(np.mean(regions)), 3) if regions else None,
        "hand_confidence": {
            "p1": round(float(np.percentile([outcome.confidence for outcome in outcomes], 1)), 3),
            "median": round(float(np.median([outcome.confidence for outcome in outcomes])), 3),
        },
    }


def _curve(outcomes: list[Outcome]) -> dict[str, float]:
    points = froc.froc([outcome.scored for outcome in outcomes])
    return {str(rate): round(point.sensitivity, 3) for rate, point in points.items()}


def _by_area(outcomes: list[Outcome], threshold: float) -> dict[str, dict[str, float]]:
    """Sensitivity for lesions of under 1, 1 to 3, 3 to 10 and over 10 mm2."""
    table: dict[str, dict[str, float]] = {}
    for low, high in pairwise((0.0, 1.0, 3.0, 10.0, float("inf"))):
        hits = [
            score >= threshold
            for outcome in outcomes
            for number, score in outcome.scored.lesions.items()
            if low <= outcome.area_mm2[number] < high
        ]
        name = f"{low:g} to {high:g}" if high < float("inf") else f"over {low:g}"
        table[name] = _share(hits)
    return table


def _real_hands(real: Path, appliance: Appliance, thresholds: dict[str, float]) -> dict[str, Any]:
    clean, added = {}, {}
    for name in _CLEAN:
        if (real / name).is_dir():
            _say(f"real hands, clean: {name}")
            clean[name] = _clean(measure_folder(real / name, appliance), thresholds)
    for name in _INSERTED:
        if (real / name).is_dir():
            _say(f"real hands, lesions put in: {name}")
            added[name] = _inserted(inserted.measure_folder(real / name, appliance), thresholds)
    return {"real_hands_clean": clean, "real_hands_inserted": added}


def _clean(hands: list[RealHand], thresholds: dict[str, float]) -> dict[str, float]:
    return {
        "hands": len(hands),
        "refused": sum(not hand.analysed for hand in hands),
        "least_confidence": round(min(hand.confidence for hand in hands), 3),
        "possible_per_hand": round(marks_per_hand(hands, thresholds["possible"]), 3),
        "definite_per_hand": round(marks_per_hand(hands, thresholds["definite"]), 3),
        "above_half_per_hand": round(marks_per_hand(hands, 0.5), 3),
    }


def _inserted(hands: list[inserted.Inserted], thresholds: dict[str, float]) -> dict[str, Any]:
    scored = [hand.scored for hand in hands]
    points = {name: froc.at_threshold(scored, thresholds[name]) for name in ("possible", "definite")}
    sizes = {
        f"{diameter:g}": _share(
            [
                hand.scored.lesions[number] >= thresholds["possible"]
                for hand in hands
                for number, mm in hand.diameter_mm.items()
                if mm == diameter
            ]
        )
        for diameter in inserted.DIAMETERS_MM
    }
    return {
        "hands": len(hands),
        "lesions": sum(len(image.lesions) for image in scored),
        "sensitivity": {name: round(point.sensitivity, 3) for name, point in points.items()},
        "sensitivity_by_diameter_mm": sizes,
        "froc": {str(rate): round(point.sensitivity, 3) for rate, point in froc.froc(scored).items()},
    }


def _share(hits: list[bool]) -> dict[str, float]:
    return {"count": len(hits), "sensitivity": round(sum(hits) / max(1, len(hits)), 3)}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress for the person who waits
