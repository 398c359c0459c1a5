"""Figures of held-out phantoms, from their records."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from edge.types import JOINTS
from models.evaluation import froc
from models.evaluation.agreement import agreement
from models.evaluation.calibration import reliability, roc
from models.evaluation.record import Listing, Shown, ShownHand
from models.evaluation.summary import bin_of, distances, matrix, rounded, share
from models.evaluation.truth import TrueHand, TrueLesion
from models.phantom.conspicuity import STANDS_OUT

AT: Final = (0.25, 1.0)
"""False marks per hand at which strata are told."""
_GROUPS: Final = {"DP": "distal phalanges", "MP": "fingers", "PP": "fingers", "MC": "metacarpus", "CA": "wrist"}
_SIZES: Final = ((0.0, 0.8), (0.8, 1.5), (1.5, 2.5), (2.5, 5.0), (5.0, math.inf))
_DOSES: Final = ((0.0, 3.0), (3.0, 6.0), (6.0, math.inf))

Pair = tuple[Listing, Shown]
Label = Callable[[TrueLesion], str]


def phantom_report(pairs: Sequence[Pair], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Everything that one-handed phantom films say."""
    seen = [pair for pair in pairs if not pair[1].code]
    listings = [listing for listing, _ in seen]
    return {
        "films": len(pairs),
        "refused": dict(Counter(shown.code for _, shown in pairs if shown.code)),
        "affected_hands": sum(bool(listing.wanted) for listing in listings),
        "lesions_drawn": sum(len(listing.truth.lesions) for listing in listings),
        "lesions_asked_for": sum(len(listing.wanted) for listing in listings),
        "froc": curves(listings),
        "operating_points": operating_points(listings, thresholds),
        "by_lesion": by_lesion(listings),
        "by_film": _by_film(listings),
        "false_marks": false_marks(seen, thresholds),
        "hand_roc": rounded(asdict(_hand_roc(listings))),
        "calibration": calibration(listings),
        "anatomy": _anatomy(seen),
        "agreement": _agreement(seen),
        "confusion": _confusion(seen),
    }


def curves(listings: Sequence[Listing]) -> dict[str, Any]:
    """FROC of all lesions asked for, of those of 1.5 mm and more, 0.8 to 1.5 mm, and of those that stand out."""
    kept: dict[str, Callable[[TrueLesion], bool]] = {
        "all": lambda _: True,
        "1.5 mm and more": lambda x: x.long_axis_mm >= 1.5,
        "0.8 to 1.5 mm": lambda x: 0.8 <= x.long_axis_mm < 1.5,
        "1.5 mm and more, standing out": lambda x: x.long_axis_mm >= 1.5 and x.conspicuity >= STANDS_OUT,
        "0.8 to 1.5 mm, standing out": lambda x: 0.8 <= x.long_axis_mm < 1.5 and x.conspicuity >= STANDS_OUT,
    }
    return {
        name: {f"{rate:g}": point(_pool(listings, keep).at_rate(rate)) for rate in froc.RATES}
        for name, keep in kept.items()
    }


def operating_points(listings: Sequence[Listing], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """What the release's own thresholds give: all lesions asked for, and those of 1.5 mm and more."""
    pools = {
        "all": _pool(listings, lambda _: True),
        "1.5 mm and more": _pool(listings, lambda x: x.long_axis_mm >= 1.5),
    }
    return {
        name: {which: point(pool.at_threshold(thresholds[name])) for which, pool in pools.items()}
        for name in ("possible", "definite")
    }


def by_lesion(listings: Sequence[Listing]) -> dict[str, Any]:
    """Sensitivity for each kind of lesion, at false marks counted over all films."""
    labels: dict[str, Label] = {
        "long axis, mm": lambda x: bin_of(x.long_axis_mm, _SIZES),
        "diameter of equal area, mm": lambda x: bin_of(x.diameter_mm, _SIZES),
        "density grade": lambda x: str(x.density_grade) if x.density_grade else "not known",
        "type": lambda x: x.type,
        "place": lambda x: _GROUPS.get(x.region[:2], "not known"),
        "over bone": lambda x: "more than half" if x.on_bone > 0.5 else "partly" if x.on_bone > 0.05 else "no",
        "conspicuity": lambda x: bin_of(x.conspicuity, ((2.5, 4.0), (4.0, 8.0), (8.0, math.inf))),
        "lesion model": lambda x: x.model,
    }
    scored = [listing.scored for listing in listings]
    out: dict[str, Any] = {}
    for title, label in labels.items():
        each = [{x.number: label(x) for x in listing.wanted} for listing in listings]
        out[title] = {
            name: {f"{rate:g}": point(p) for rate, p in zip(AT, points, strict=True)}
            for name, points in froc.by(scored, each, AT).items()
        }
    return out


def _by_film(listings: Sequence[Listing]) -> dict[str, Any]:
    """Curves of films of one kind, each with its own false marks."""
    kinds: dict[str, Callable[[Listing], str]] = {
        "processing chain": lambda x: x.truth.family + (" (held out)" if x.truth.family == "film" else ""),
        "dose at the detector, uGy": lambda x: bin_of(x.truth.dose_ugy, _DOSES),
    }
    out: dict[str, Any] = {}
    for title, kind in kinds.items():
        names = sorted({kind(listing) for listing in listings})
        out[title] = {}
        for name in names:
            pool = _pool([listing for listing in listings if kind(listing) == name], lambda _: True)
            out[title][name] = {"films": pool.films} | {f"{rate:g}": point(pool.at_rate(rate)) for rate in AT}
    return out


def false_marks(pairs: Sequence[Pair], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """False marks per film at three thresholds by what lies beneath them, and marks on what is undecided."""
    marks = [mark for listing, _ in pairs for mark in listing.marks if not mark.hits]
    names = Counter(mark.beneath for mark in marks if mark.is_false and mark.score >= 0.5)
    count = max(len(pairs), 1)
    steps = {"possible": thresholds["possible"], "definite": thresholds["definite"], "0.5": 0.5}
    return {
        name: {
            step: round(sum(m.beneath == name and m.score >= at for m in marks) / count, 4)
            for step, at in steps.items()
        }
        for name in [*(name for name, _ in names.most_common()), "undecided"]
    }


def _hand_roc(listings: Sequence[Listing]) -> Any:
    """Hands with a lesion that is asked for against hands in which none was drawn."""
    highest = [max((mark.score for mark in listing.marks), default=0.0) for listing in listings]
    positive = [score for score, listing in zip(highest, listings, strict=True) if listing.wanted]
    negative = [score for score, listing in zip(highest, listings, strict=True) if not listing.truth.lesions]
    return roc(positive, negative)


def calibration(listings: Iterable[Listing]) -> dict[str, Any]:
    """Reliability of the scores of marks that are right or wrong."""
    marks = [mark for listing in listings for mark in listing.marks if mark.hits or mark.is_false]
    bins, error = reliability([mark.score for mark in marks], [bool(mark.hits) for mark in marks])
    return {"marks": len(marks), "ece": round(error, 4), "bins": [asdict(item) for item in bins]}


def _anatomy(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Joints, tips, sides and regions."""
    away: dict[str, list[float]] = {"joints": [], "tips": []}
    films: dict[str, list[int]] = {"joints": [], "tips": []}
    missing = asked = sides = 0
    right, right_films = [], []
    for index, (_, shown) in enumerate(pairs):
        hands = [hand for hand in shown.hands if hand.true_hand >= 0]
        for hand in hands:
            true = shown.truth.hands[hand.true_hand]
            sides += hand.side == true.side
            for name, place in true.keypoints.items():
                kind = "joints" if name in JOINTS else "tips" if name.startswith("TIP") else ""
                if kind and name in hand.keypoints:
                    away[kind].append(math.dist(place, hand.keypoints[name]) * shown.truth.mm_per_pixel)
                    films[kind].append(index)
                asked, missing = asked + bool(kind), missing + (bool(kind) and name not in hand.keypoints)
        lesions = {lesion.number: lesion for lesion in shown.truth.lesions}
        for mark in shown.marks:
            where = {lesions[number].region for number in mark.hits} - {""}
            if where:
                right.append(mark.region in where)
                right_films.append(index)
    hands_true = sum(len(shown.truth.hands) for _, shown in pairs)
    return {
        **{kind: distances(values, films[kind], len(pairs), (2.0, 4.0)) for kind, values in away.items()},
        "not_seen": round(missing / max(asked, 1), 4),
        "side_right": round(sides / max(hands_true, 1), 4),
        "number_of_hands_right": round(
            float(np.mean([len(shown.hands) == len(shown.truth.hands) for _, shown in pairs])) if pairs else 0.0, 4
        ),
        "region_right": share(right, right_films, len(pairs)),
    }


def _agreement(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Measures of whole hands against the truth (visible lesions)."""
    both = [
        (index, shown, hand, shown.truth.hands[hand.true_hand])
        for index, (_, shown) in enumerate(pairs)
        for hand in shown.hands
        if hand.true_hand >= 0
    ]
    measures: dict[str, tuple[Callable[[int, Shown, ShownHand], float], Callable[[TrueHand], float]]] = {
        "burden index": (lambda _i, _s, hand: hand.burden_index, lambda true: true.burden_index),
        "calcified area, mm2": (lambda _i, _s, hand: hand.calcified_mm2, lambda true: true.calcified_mm2),
        "lesions (clusters)": (lambda i, s, _h: sum(m.hand == i for m in s.marks), lambda true: true.lesions),
        "bodies": (lambda i, s, _h: sum(m.bodies for m in s.marks if m.hand == i), lambda true: true.bodies),
    }
    out: dict[str, Any] = {}
    for name, (of_shown, of_true) in measures.items():
        measured = [of_shown(shown.hands.index(hand), shown, hand) for _, shown, hand, _ in both]
        true = [of_true(other) for *_, other in both]
        found = agreement(measured, true)
        out[name] = {k: rounded(v) for k, v in asdict(found).items()} | {
            "pairs": [(round(m, 3), round(t, 3)) for m, t in zip(measured, true, strict=True)]
        }
    return out


def _confusion(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Of marks at or above *possible* that hit a lesion: true type and density grade against what was said."""
    types: Counter[tuple[str, str]] = Counter()
    grades: Counter[tuple[str, str]] = Counter()
    for _, shown in pairs:
        lesions = {lesion.number: lesion for lesion in shown.truth.lesions}
        for mark in shown.marks:
            if mark.hits:
                largest = max((lesions[number] for number in mark.hits), key=lambda x: x.area_mm2)
                types[largest.type, mark.type] += 1
                grades[str(largest.density_grade), str(mark.density_grade)] += 1
    return {"type": matrix(types), "density grade": matrix(grades)}


def point(value: froc.Point) -> dict[str, Any]:
    """A point of a curve, rounded."""
    return {name: rounded(item) for name, item in asdict(value).items()}


def _pool(listings: Sequence[Listing], keep: Callable[[TrueLesion], bool]) -> froc.Pool:
    kept = [{lesion.number for lesion in listing.wanted if keep(lesion)} for listing in listings]
    return froc.Pool.of([listing.scored for listing in listings], lambda film, number: number in kept[film])
