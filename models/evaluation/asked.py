"""What was asked of the detector, line by line, and how a result stands to it. The bounds are those of the order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from models.evaluation.table import percent

POSSIBLE_RATE: Final = 0.1
DEFINITE_RATE: Final = 0.01
"""False marks per phantom hand at which the two thresholds are set: below what is asked for on real hands (0.15 and
0.05), as no phantom holds all that looks like calcium on a real film."""


@dataclass(frozen=True, slots=True)
class Line:
    """One figure: its name, what was asked for, what was measured, and whether that holds (None: not measured)."""

    name: str
    asked: str
    measured: str
    holds: bool | None

    @property
    def verdict(self) -> str:
        """In a word."""
        return "not measured" if self.holds is None else "yes" if self.holds else "NO"


def lines(result: Mapping[str, Any]) -> Iterator[Line]:
    """Every figure of an evaluation that was asked for. What is timed is in `tests/bench`."""
    yield from _clean(result.get("real_clean", {}))
    for name, report in result.get("real_inserted", {}).items():
        curve = report["froc"]["1.5 mm and more"]
        yield _least(f"{name} with lesions of 1.5 mm and more, at 0.25 false marks", curve["0.25"]["sensitivity"], 0.85)
        yield _least(f"{name} with lesions of 1.5 mm and more, at 1", curve["1"]["sensitivity"], 0.92)
    yield from _phantoms(result["phantoms"], result["two_hands"])
    eyes = result.get("against_eyes", {})
    yield _part(
        "joints of real hands within 4 mm of a person's marks", eyes.get("joints", {}).get("within_4_mm", {}), 0.95
    )
    regions = result.get("real_inserted", {}).get("mature", {}).get("region_right", {})
    yield _part("region of a lesion right, real hands", regions, 0.93)
    yield from _distal(result["distal"], result.get("real_clean", {}))
    yield _least("pictures without a hand refused", result["no_hand"]["refused"], 0.99)
    foreign = result.get("foreign_dicom")
    if foreign:
        yield _least("foreign DICOM files refused", foreign["refused"] / max(foreign["files"], 1), 1.0)


def _clean(sets: Mapping[str, Any]) -> Iterator[Line]:
    for name in ("mature", "near_mature"):
        if name in sets:
            for step, bound in (("possible", 0.15), ("definite", 0.05)):
                value = sets[name]["marks_per_hand"][step]["mean"]
                yield Line(f"{name}, clean: *{step}* marks per hand", f"<= {bound:g}", f"{value:.3f}", value <= bound)
    if "hard" in sets:
        value = sets["hard"]["marks_per_hand"]["definite"]["mean"] * sets["hard"]["hands"]
        yield Line("hard: *definite* marks", "0", f"{value:.0f}", value < 0.5)
    hands = sum(row["hands"] for row in sets.values())
    if hands:
        refused = sum(len(row["refused"]) for row in sets.values())
        yield Line("real hands refused", "< 2 %", f"{refused} of {hands}", refused < 0.02 * hands)


def _phantoms(one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterator[Line]:
    for size, bound in (("1.5 mm and more", 0.93), ("0.8 to 1.5 mm", 0.75)):
        yield _least(f"held-out phantoms, {size}, at 0.25 false marks", one["froc"][size]["0.25"]["sensitivity"], bound)
    for name in ("burden index", "calcified area, mm2"):
        yield _least(f"{name} against truth: ICC", one["agreement"][name]["icc"], 0.95)
    yield _part("joints of phantoms within 2 mm", one["anatomy"]["joints"].get("within_2_mm", {}), 0.95)
    yield _part("region of a lesion right, phantoms", one["anatomy"]["region_right"], 0.97)
    for name, films in (("one", one), ("two", two)):
        yield _least(f"side right, films of {name} hand(s)", films["anatomy"]["side_right"], 0.99)
        yield _least(f"number of hands right, films of {name} hand(s)", films["anatomy"]["number_of_hands_right"], 0.99)


def _distal(found: Mapping[str, Any], clean: Mapping[str, Any]) -> Iterator[Line]:
    yield _part("tuft grade within one, phantoms", found["within_one"], 0.95)
    error = found["space_mean_error_mm"]
    said = "not given" if error is None else f"{error:.3f} mm"
    yield Line("last joint's space, phantoms: mean error", "< 0.25 mm", said, None if error is None else error < 0.25)
    given = sum(row["tufts_given"] for row in clean.values())
    if given:
        bad = sum((row["tufts_called_2_or_more"] or 0.0) * row["tufts_given"] for row in clean.values()) / given
        yield Line("tufts of clean real hands called 2 or more", "< 2 %", percent(bad), bad < 0.02)
    else:
        yield Line("tufts of clean real hands called 2 or more", "< 2 %", "not given", None)


def _least(name: str, value: float | None, bound: float) -> Line:
    return Line(
        name, f">= {bound:g}", "-" if value is None else f"{value:.3f}", None if value is None else value >= bound
    )


def _part(name: str, found: Mapping[str, Any], bound: float) -> Line:
    if not found.get("count"):
        return Line(name, f">= {percent(bound)}", "not given", None)
    return Line(name, f">= {percent(bound)}", percent(found["share"]), found["share"] >= bound)
