"""Figures of real hands and of pictures that show no hand, from their records."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from edge.types import JOINTS
from models.evaluation import froc
from models.evaluation.eyes import EyeMarks
from models.evaluation.phantom_report import Pair, by_lesion, calibration, curves, operating_points
from models.evaluation.summary import distances, mean, rounded, share


def clean_report(pairs: Sequence[Pair], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """One set of clean hands: every mark is false. A refused film counts as a hand without marks, and is told."""
    steps = {"possible": thresholds["possible"], "definite": thresholds["definite"], "0.5": 0.5}
    counts = {
        step: [0 if shown.code else sum(mark.score >= at for mark in listing.marks) for listing, shown in pairs]
        for step, at in steps.items()
    }
    marks = [mark for listing, shown in pairs if not shown.code for mark in listing.marks]
    tufts = [grade for _, shown in pairs for hand in shown.hands for grade in hand.tufts.values()]
    narrowed = [grade for _, shown in pairs for hand in shown.hands for grade in hand.narrowing.values()]
    return {
        "hands": len(pairs),
        "refused": {listing.truth.name: shown.code for listing, shown in pairs if shown.code},
        "two_hands_seen": sum(len(shown.hands) > 1 for _, shown in pairs),
        "sides": dict(Counter(hand.side for _, shown in pairs for hand in shown.hands)),
        "marks_per_hand": {step: mean(each) for step, each in counts.items()},
        "shown_per_hand": {
            "possible": mean([len(shown.marks) for _, shown in pairs]),
            "definite": mean([sum(mark.certainty == "definite" for mark in shown.marks) for _, shown in pairs]),
        },
        "beneath": {
            step: dict(Counter(mark.beneath for mark in marks if mark.score >= at).most_common())
            for step, at in (("possible", thresholds["possible"]), ("0.5", 0.5))
        },
        "tufts_given": len(tufts),
        "tufts_called_2_or_more": rounded(sum(grade >= 2 for grade in tufts) / len(tufts)) if tufts else None,
        "tuft_grades": {str(k): v for k, v in sorted(Counter(tufts).items())},
        "narrowing_grades": {str(k): v for k, v in sorted(Counter(narrowed).items())},
        "quality": dict(Counter(code for _, shown in pairs for code in set(shown.quality)).most_common()),
        "ignored": dict(Counter(kind for _, shown in pairs for kind in shown.ignored).most_common()),
        "least_confidence": rounded(min((listing.confidence for listing, _ in pairs), default=0.0)),
    }


def hard_films(pairs: Sequence[Pair], notes: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each hard film: what makes it hard, and what the appliance said."""
    return [
        {
            "film": listing.truth.name,
            "hard_because": notes.get(listing.truth.name, ""),
            "refused": shown.code,
            "possible": len(shown.marks),
            "definite": sum(mark.certainty == "definite" for mark in shown.marks),
            "quality": list(shown.quality),
            "ignored": dict(Counter(shown.ignored)),
        }
        for listing, shown in pairs
    ]


def inserted_report(pairs: Sequence[Pair], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """One set of hands with lesions put in; the false marks are those of the untouched films."""
    seen = [pair for pair in pairs if pair[0].truth.lesions and not pair[1].code]
    listings = [listing for listing, _ in seen]
    regions = [
        (lesion.region, mark.region, index)
        for index, (_, shown) in enumerate(seen)
        for lesion in shown.truth.lesions
        if lesion.region
        for mark in shown.marks
        if lesion.number in mark.hits
    ]
    return {
        "hands": len(seen),
        "refused": len(pairs) - len(seen),
        "lesions_put_in": sum(len(listing.truth.lesions) for listing in listings),
        "lesions_asked_for": sum(len(listing.wanted) for listing in listings),
        "froc": curves(listings),
        "operating_points": operating_points(listings, thresholds),
        "by_lesion": {
            name: table for name, table in by_lesion(listings).items()
            if name in {"long axis, mm", "type", "over bone", "conspicuity"}
        },
        "calibration": calibration(listings),
        "region_right": share([a == b for a, b, _ in regions], [f for *_, f in regions], len(seen)),
    }  # fmt: skip


def refusals(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Pictures that show no hand, by kind."""
    kinds: dict[str, list[str]] = {}
    for _, shown in pairs:
        kinds.setdefault(shown.truth.name.split("/")[1], []).append(shown.code)
    codes = [code for found in kinds.values() for code in found]
    part, low, high = froc.share([bool(code) for code in codes], range(len(codes)), len(codes)) if codes else (0, 0, 0)
    return {
        "pictures": len(codes),
        "refused": rounded(float(part)),
        "low": rounded(float(low)),
        "high": rounded(float(high)),
        "by_kind": {
            kind: {"pictures": len(found), "refused": sum(bool(code) for code in found), "codes": dict(Counter(found))}
            for kind, found in kinds.items()
        },
    }


def against_eyes(pairs: Sequence[Pair], marks: Mapping[str, EyeMarks], which: str) -> dict[str, Any]:
    """Joints and tips of real hands against marks that a person set, and how well the person agrees with themselves."""
    away: dict[str, list[float]] = {"joints": [], "tips": []}
    films: dict[str, list[int]] = {"joints": [], "tips": []}
    own: list[float] = []
    missing = 0
    for index, (_, shown) in enumerate(pairs):
        marked = marks.get(f"{which}/{shown.truth.name}")
        if marked is None or not shown.hands:
            continue
        own += [
            math.dist(place, marked.points[name]) * shown.mm_per_pixel
            for name, place in marked.again.items()
            if name in marked.points
        ]
        for name, place in marked.points.items():
            kind = "joints" if name in JOINTS else "tips"
            found = shown.hands[0].keypoints.get(name)
            if found is None:
                missing += 1
            else:
                away[kind].append(math.dist(place, found) * shown.mm_per_pixel)
                films[kind].append(index)
    return {
        "not_seen": missing,
        "marking_error": distances(own, [0] * len(own), 1, (1.0, 2.0)),
        **{kind: distances(values, films[kind], len(pairs), (2.0, 4.0)) for kind, values in away.items()},
    }
