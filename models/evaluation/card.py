"""The model card: what a release learned from, what was measured, and what it can't do, in plain words.

The words stand in `card_template.md`; every figure comes from the evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.evaluation import asked
from models.evaluation.table import curve, matrix, part, percent, sensitivity, spread, strata, table
from models.release import Identity

_TEMPLATE: Final = Path(__file__).with_name("card_template.md")
_ABSENT: Final = "Not measured in this run."


def write_card(
    folder: Path,
    identity: Identity,
    thresholds: Mapping[str, float],
    result: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Path:
    """Writes `card.md`."""
    data, phantoms, two = settings["data"], result["phantoms"], result["two_hands"]
    parts = [path.stem for path in sorted(folder.glob("*.onnx"))]
    text = _TEMPLATE.read_text(encoding="utf-8").format(
        name=identity.name,
        version=identity.version,
        networks=", ".join(f"`{name}.onnx`" for name in parts),
        anatomy_films=data["anatomy_seeds"][1] - data["anatomy_seeds"][0],
        lesion_films=data["lesion_seeds"][1] - data["lesion_seeds"][0],
        renders=data["lesion_renders"],
        notes=settings["card"]["notes"].strip(),
        possible=thresholds["possible"],
        definite=thresholds["definite"],
        possible_rate=asked.POSSIBLE_RATE,
        definite_rate=asked.DEFINITE_RATE,
        hand_confidence=thresholds["hand_confidence"],
        tuning=result["tuning_films"] or "earlier",
        asked=_asked(result),
        films=phantoms["films"],
        drawn=phantoms["lesions_drawn"],
        wanted=phantoms["lesions_asked_for"],
        affected=phantoms["affected_hands"],
        refused=sum(phantoms["refused"].values()),
        points=_points(phantoms["operating_points"]),
        froc=curve(phantoms["froc"], "sensitivity at false marks per hand"),
        lesions=strata(phantoms["by_lesion"]),
        chains=strata(phantoms["by_film"]),
        false_marks=_false_marks(phantoms["false_marks"]),
        hand_roc=_roc(phantoms["hand_roc"]),
        ece=f"{phantoms['calibration']['ece']:.3f}",
        anatomy=_anatomy(phantoms["anatomy"], two["anatomy"]),
        agreement=_agreement(phantoms["agreement"]),
        types=matrix(phantoms["confusion"]["type"], "true type / said"),
        grades=matrix(phantoms["confusion"]["density grade"], "true density grade / said"),
        distal=_distal(result["distal"]),
        no_hand=_no_hand(result),
        real=_clean(result.get("real_clean", {})),
        hard=_hard(result.get("hard_films", [])),
        eyes=_eyes(result.get("against_eyes")),
        inserted=_inserted(result.get("real_inserted", {})),
    )
    target = folder / "card.md"
    target.write_text(text, encoding="utf-8")
    return target


def _asked(result: Mapping[str, Any]) -> str:
    rows = [(line.name, line.asked, line.measured, line.verdict) for line in asked.lines(result)]
    return table(("what", "asked for", "measured", "holds"), rows)


def _points(points: Mapping[str, Any]) -> str:
    rows = []
    for name, row in points.items():
        every, large = row["all"], row["1.5 mm and more"]
        rows.append((name, every["threshold"], every["false_per_image"], sensitivity(every), sensitivity(large)))
    return table(("point", "threshold", "false marks per hand", "sensitivity, all", "1.5 mm and more"), rows)


def _false_marks(found: Mapping[str, Any]) -> str:
    rows = [(name, row["possible"], row["definite"], row["0.5"]) for name, row in found.items()]
    return table(("beneath the mark", "*possible*, per hand", "*definite*", "above 0.5"), rows)


def _roc(roc: Mapping[str, Any]) -> str:
    if roc["area"] is None:
        return "not given"
    interval = f"{roc['low']:.3f} to {roc['high']:.3f}"
    return f"{roc['area']:.3f} ({interval}; {roc['positives']} with, {roc['negatives']} without)"


def _anatomy(one: Mapping[str, Any], two: Mapping[str, Any]) -> str:
    rows = []
    for name, found in (("one hand", one), ("two hands", two)):
        joints, tips = found["joints"], found["tips"]
        rows.append(
            (
                name,
                joints.get("mean_mm"),
                joints.get("p95_mm"),
                part(joints.get("within_2_mm", {})),
                part(tips.get("within_2_mm", {})),
                percent(found["not_seen"]),
                percent(found["side_right"]),
                percent(found["number_of_hands_right"]),
                part(found["region_right"]),
            )
        )
    head = (
        "films of", "joints, mean mm", "95 % within mm", "joints within 2 mm", "tips within 2 mm", "not seen",
        "side right", "number of hands right", "region of a marked lesion right",
    )  # fmt: skip
    return table(head, rows)


def _agreement(found: Mapping[str, Any]) -> str:
    rows = [
        (name, row["count"], f"{row['icc']:.3f} ({row['icc_low']:.3f} to {row['icc_high']:.3f})", row["bias"],
         f"{row['limits'][0]} to {row['limits'][1]}")
        for name, row in found.items() if row["icc"] is not None
    ]  # fmt: skip
    return table(("measure of a hand", "hands", "ICC(2,1)", "bias", "limits of agreement"), rows)


def _distal(found: Mapping[str, Any]) -> str:
    if not found["tufts_given"] and not found["spaces_given"]:
        return "This release grades neither tufts nor joint spaces: not given."
    rows = [
        ("tufts graded", f"{found['tufts_given']} of {found['tufts_asked_for']}"),
        ("within one grade", part(found["within_one"])),
        ("exact", part(found["exact"])),
        ("normal ones called 2 or more", part(found["normal_called_2_or_more"])),
        ("joint spaces measured", found["spaces_given"]),
        ("their mean error, mm", found["space_mean_error_mm"]),
        ("their bias, mm", found["space_bias_mm"]),
    ]
    return table(("", "figure"), rows) + "\n\n" + matrix(found["tufts"], "true tuft grade / said")


def _no_hand(result: Mapping[str, Any]) -> str:
    rows: list[tuple[object, ...]] = []
    for kind, row in result["no_hand"]["by_kind"].items():
        codes = ", ".join(f"{code or 'analysed'} {count}" for code, count in row["codes"].items())
        rows.append((kind, row["pictures"], row["refused"], codes))
    foreign = result.get("foreign_dicom")
    if foreign:
        codes = ", ".join(code or "analysed" for code in sorted(set(foreign["codes"].values())))
        rows.append(("foreign DICOM files", foreign["files"], foreign["refused"], codes))
    return table(("picture", "count", "refused", "how"), rows)


def _clean(sets: Mapping[str, Any]) -> str:
    if not sets:
        return _ABSENT
    rows = [
        (
            name,
            row["hands"],
            len(row["refused"]),
            spread(row["marks_per_hand"]["possible"]),
            spread(row["marks_per_hand"]["definite"]),
            spread(row["marks_per_hand"]["0.5"]),
            f"{percent(row['tufts_called_2_or_more'])} of {row['tufts_given']}" if row["tufts_given"] else "not given",
        )
        for name, row in sets.items()
    ]
    head = ("set", "hands", "refused", "*possible* marks per hand", "*definite*", "above 0.5", "tufts called 2 or more")
    beneath = [
        (name, where, count) for name, row in sets.items() for where, count in row["beneath"]["possible"].items()
    ]
    where = table(("set", "where the *possible* marks lie", "marks"), beneath) if beneath else "No mark at all."
    return f"{table(head, rows)}\n\n{where}"


def _hard(films: list[Mapping[str, Any]]) -> str:
    if not films:
        return _ABSENT
    rows = [
        (f["film"], f["hard_because"], f["refused"] or "no", f["possible"], f["definite"], ", ".join(f["quality"]),
         ", ".join(f"{kind} {n}" for kind, n in f["ignored"].items()))
        for f in films
    ]  # fmt: skip
    return table(("film", "hard because", "refused", "possible", "definite", "quality notes", "ignored"), rows)


def _eyes(found: Mapping[str, Any] | None) -> str:
    if not found or not found["joints"].get("count"):
        return _ABSENT
    error = found["marking_error"]
    own = f"mean {error['mean_mm']} mm, 95 % within {error['p95_mm']} mm" if error["count"] else "not measured"
    rows = []
    for kind in ("joints", "tips"):
        row = found[kind]
        bounds = (part(row.get("within_2_mm", {})), part(row.get("within_4_mm", {})))
        rows.append((kind, row["count"], row.get("mean_mm"), row.get("p95_mm"), *bounds))
    head = ("", "count", "mean mm", "95 % within mm", "within 2 mm", "within 4 mm")
    said = f"Not seen: {found['not_seen']}. The person's first marks against their second, on three hands: {own}."
    return f"{table(head, rows)}\n\n{said}"


def _inserted(sets: Mapping[str, Any]) -> str:
    if not sets:
        return _ABSENT
    lines = []
    for name, row in sets.items():
        counts = f"{row['hands']} hands, {row['lesions_put_in']} lesions put in, {row['lesions_asked_for']} asked for"
        regions = f"Region of a found lesion right (where a person's marks tell it): {part(row['region_right'])}."
        lines.append(f"**{name}**: {counts}. {regions}")
        lines += [_points(row["operating_points"]), curve(row["froc"], "at false marks per clean hand")]
        lines.append(strata(row["by_lesion"]))
    return "\n\n".join(lines)
