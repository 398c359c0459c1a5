"""The model card: what a release learned from, what was measured, and what it can't do, in plain words.

The words stand in `card_template.md`; every figure comes from the evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from models.release import Identity

_TEMPLATE: Final = Path(__file__).with_name("card_template.md")
_REAL: Final = """\
Radiographs of the RSNA 2017 bone-age set without calcinosis: every mark is false. Nothing was trained and no threshold
chosen on them. They aren't untouched, though: the phantom was bettered after looking at false marks on the mature ones,
and the number of phantoms that the thresholds are chosen on was raised (to 140) after a first look at the marks they
left there. Expect more marks on hands from elsewhere.

"""


def write_card(
    folder: Path,
    identity: Identity,
    thresholds: Mapping[str, float],
    result: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Path:
    """Writes `card.md`."""
    data, joints = settings["data"], result["joints"]
    text = _TEMPLATE.read_text(encoding="utf-8").format(
        name=identity.name,
        version=identity.version,
        anatomy_films=data["anatomy_seeds"][1] - data["anatomy_seeds"][0],
        lesion_films=data["lesion_seeds"][1] - data["lesion_seeds"][0],
        renders=data["lesion_renders"],
        possible=thresholds["possible"],
        definite=thresholds["definite"],
        hand_confidence=thresholds["hand_confidence"],
        hands=result["phantom_hands"],
        lesions=result["lesions"],
        points=_points(result["operating_points"]),
        areas=_areas(result["operating_points"]["possible"]["sensitivity_by_area_mm2"]),
        froc=_froc(result),
        joint_mean=joints["mean_mm"],
        joint_p95=joints["p95_mm"],
        joint_within=_percent(joints["within_2_mm"]),
        joint_missing=_percent(joints["missing"]),
        side=_percent(result["side_right"]),
        regions=_percent(result["regions_right"]),
        not_analysed=result["phantom_hands_refused"],
        refused=result["no_hand_pictures"]["refused"],
        nonsense=result["no_hand_pictures"]["count"],
        notes=settings["card"]["notes"].strip(),
        real=_real(result.get("real_hands_clean", {})),
        inserted=_inserted(result.get("real_hands_inserted", {})),
    )
    target = folder / "card.md"
    target.write_text(text, encoding="utf-8")
    return target


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _points(points: Mapping[str, Any]) -> str:
    rows = []
    for name, point in points.items():
        low, high = point["interval_95"]
        found = f"{point['sensitivity']} ({low} to {high})"
        rows.append((name, point["threshold"], point["false_marks_per_hand"], found))
    return _table(("point", "threshold", "false marks per hand", "sensitivity (95 % interval)"), rows)


def _areas(table: Mapping[str, Any]) -> str:
    rows = [(area, row["count"], row["sensitivity"]) for area, row in table.items()]
    return _table(("area of the lesion, mm2", "count", "sensitivity at *possible*"), rows)


def _froc(result: Mapping[str, Any]) -> str:
    rates = list(result["froc"])
    rows = [["all", *(result["froc"][rate] for rate in rates)]]
    rows += [[name, *(row[rate] for rate in rates)] for name, row in result["froc_by_chain"].items()]
    return _table(["sensitivity at false marks per hand", *rates], rows)


def _real(sets: Mapping[str, Any]) -> str:
    if not sets:
        return "Not measured in this run."
    columns = ("hands", "refused", "possible_per_hand", "definite_per_hand", "above_half_per_hand")
    rows = [(name, *(row[column] for column in columns)) for name, row in sets.items()]
    head = ("set", "hands", "refused", "*possible* marks per hand", "*definite* marks per hand", "above 0.5 per hand")
    return _REAL + _table(head, rows)


def _inserted(sets: Mapping[str, Any]) -> str:
    if not sets:
        return "Not measured in this run."
    rates = list(next(iter(sets.values()))["froc"])
    sizes = list(next(iter(sets.values()))["sensitivity_by_diameter_mm"])
    rows = [
        [name, row["lesions"], row["sensitivity"]["possible"], row["sensitivity"]["definite"]]
        + [row["froc"][rate] for rate in rates]
        for name, row in sets.items()
    ]
    first = _table(
        ["set", "lesions", "*possible*", "*definite*", *(f"at {rate} false per hand" for rate in rates)], rows
    )
    by_size = [
        [name, *(row["sensitivity_by_diameter_mm"][size]["sensitivity"] for size in sizes)]
        for name, row in sets.items()
    ]
    return (
        first + "\n\n" + _table(["sensitivity at *possible* by diameter", *(f"{size} mm" for size in sizes)], by_size)
    )
