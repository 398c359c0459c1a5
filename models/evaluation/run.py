"""Measures a release, chooses its thresholds when asked to, and writes manifest, golden results, figures and card.

What always holds: thresholds come from the tuning phantoms, which are measured on nowhere else; no real hand has a say
in them.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from edge.detector.analyse import write_expected
from models.evaluation import asked, collect, eyes, figures, foreign, froc, nonsense, real
from models.evaluation.card import write_card
from models.evaluation.distal_report import distal_report
from models.evaluation.phantom_report import Pair, phantom_report
from models.evaluation.real_report import against_eyes, clean_report, hard_films, inserted_report, refusals
from models.evaluation.record import Listing
from models.release import Identity, site_bounds

CACHE: Final = Path("build/evaluation")
_MOST: Final = 0.9999
_QUICK_REAL: Final = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        tuning: phantom films that thresholds are chosen on; 0 keeps those of the manifest.
        measured: phantom films of one hand.
        two_hands: phantom films of both hands.
        distal: phantom films with every grade of acro-osteolysis and narrowing.
        no_hand: pictures of each kind that shows no hand.
        real: the folder of real hands, or None.
        real_each: at most so many real films of each set; all where None.
        foreign: a folder of DICOM files that show no hand, or None.
        processes: that work at the same time.
    """

    tuning: int = 140
    measured: int = 140
    two_hands: int = 16
    distal: int = 32
    no_hand: int = 10
    real: Path | None = None
    real_each: int | None = None
    foreign: Path | None = None
    processes: int = collect.PROCESSES


def quick(plan: Plan) -> Plan:
    """A sixth of it: enough to see whether something is wrong."""
    return Plan(
        tuning=plan.tuning and 24,
        measured=24,
        two_hands=2,
        distal=4,
        no_hand=1,
        real=plan.real,
        real_each=_QUICK_REAL,
        foreign=plan.foreign,
        processes=plan.processes,
    )


def evaluate_release(folder: Path, settings: dict[str, Any], plan: Plan, *, cache: Path = CACHE) -> dict[str, Any]:
    """Measures the release in `folder` and writes evaluation, figures, manifest, golden results and card into it."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    thresholds: dict[str, float] = dict(manifest["thresholds"])
    if plan.tuning:
        _say(f"{plan.tuning} phantoms for the thresholds")
        cases = [*_phantoms("tuning", plan.tuning), *_no_hand(plan.no_hand, first=1000)]
        listed = collect.listings(cases, folder, cache, processes=plan.processes)
        thresholds |= choose(listed[: plan.tuning], [listing.confidence for listing in listed[plan.tuning :]])
    result = measure(folder, plan, thresholds, cache)
    identity = Identity(manifest["name"], manifest["version"], manifest["least_application"])
    manifest |= {
        "thresholds": thresholds,
        "bounds": site_bounds(thresholds),
        "operating_points": result["phantoms"]["operating_points"],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    write_expected(folder)
    if plan.foreign is not None:
        _say("foreign DICOM files")
        result["foreign_dicom"] = foreign.refuse_all(plan.foreign, folder)
    (folder / "evaluation.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    figures.draw(folder / "figures", result)
    write_card(folder, identity, thresholds, result, settings)
    return result


def rewrite(folder: Path, settings: dict[str, Any], foreign_files: Path | None) -> Path:
    """The card and figures of a release anew from its `evaluation.json`; foreign files, where given, are run again."""
    result: dict[str, Any] = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    if foreign_files is not None:
        result["foreign_dicom"] = foreign.refuse_all(foreign_files, folder)
        (folder / "evaluation.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    figures.draw(folder / "figures", result)
    identity = Identity(manifest["name"], manifest["version"], manifest["least_application"])
    return write_card(folder, identity, manifest["thresholds"], result, settings)


def measure(folder: Path, plan: Plan, thresholds: Mapping[str, float], cache: Path) -> dict[str, Any]:
    """All figures of a release at given thresholds."""
    groups = _cases(plan)
    cases = [case for group in groups.values() for case in group]
    _say(f"{len(cases)} films: " + ", ".join(f"{len(group)} {name}" for name, group in groups.items()))
    kept = dict(
        zip(
            cases,
            collect.both(cases, folder, cache, thresholds, real_root=plan.real, processes=plan.processes),
            strict=True,
        )
    )
    pairs = {name: [kept[case] for case in group] for name, group in groups.items()}
    result: dict[str, Any] = {
        "thresholds": dict(thresholds),
        "tuning_films": plan.tuning,
        "phantoms": phantom_report(pairs["measured"], thresholds),
        "two_hands": phantom_report(pairs["two hands"], thresholds),
        "distal": distal_report(pairs["distal"]),
        "no_hand": refusals(pairs["no hand"]),
    }
    if plan.real is not None:
        result |= _real_hands(pairs, plan.real, thresholds)
    return result


def _cases(plan: Plan) -> dict[str, list[str]]:
    """The films of each group."""
    groups = {
        "measured": _phantoms("measured", plan.measured),
        "two hands": _phantoms("two hands", plan.two_hands),
        "distal": _phantoms("distal", plan.distal),
        "no hand": _no_hand(plan.no_hand),
    }
    if plan.real is not None:
        for which in real.SETS:
            names = real.names(plan.real, which)[: plan.real_each]
            for kind in ("clean", "inserted") if which in real.INSERTED_SETS else ("clean",):
                groups[f"{kind} {which}"] = [f"{kind}/{which}/{name}" for name in names]
    return groups


def choose(tuning: Sequence[Listing], no_hand: Sequence[float]) -> dict[str, float]:
    """Thresholds from phantoms that are not measured on again, and the hand's confidence on pictures without one."""
    seen = [listing for listing in tuning if not listing.code]
    scored = [listing.scored for listing in seen]
    possible = _up(froc.threshold_for(scored, asked.POSSIBLE_RATE))
    definite = max(_up(froc.threshold_for(scored, asked.DEFINITE_RATE)), possible)
    least_hand = float(np.percentile([listing.confidence for listing in seen], 1))
    gate = min(0.5 * (least_hand + max(no_hand, default=0.0)), 0.8 * least_hand)
    return {"possible": possible, "definite": definite, "hand_confidence": round(gate, 3)}


def _real_hands(pairs: Mapping[str, Sequence[Pair]], root: Path, thresholds: Mapping[str, float]) -> dict[str, Any]:
    return {
        "real_clean": {which: clean_report(pairs[f"clean {which}"], thresholds) for which in real.SETS},
        "real_inserted": {
            which: inserted_report(pairs[f"inserted {which}"], thresholds) for which in real.INSERTED_SETS
        },
        "hard_films": hard_films(pairs["clean hard"], _notes(root)),
        "against_eyes": against_eyes(pairs["clean mature"], eyes.load(), "mature"),
    }


def _phantoms(group: str, count: int) -> list[str]:
    return [f"phantom/{group}/{index}" for index in range(count)]


def _no_hand(each: int, first: int = 0) -> list[str]:
    return [f"no hand/{kind}/{first + index}" for kind in nonsense.KINDS for index in range(each)]


def _notes(root: Path) -> dict[str, str]:
    """What makes a hard film hard, by its name."""
    index = root / "index.csv"
    if not index.is_file():
        return {}
    with index.open(encoding="utf-8") as stream:
        return {Path(row["file"]).name: row["note"] for row in csv.DictReader(stream) if row["note"]}


def _up(threshold: float) -> float:
    """Four decimals, rounded up so that no more marks come than were allowed."""
    return min(_MOST, math.ceil(threshold * 10_000) / 10_000)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress for the person who waits
