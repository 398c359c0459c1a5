"""Figures as Markdown: tables, percentages, intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; a dash where there is nothing to say."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join("-" if cell is None else str(cell) for cell in line) + " |" for line in lines)


def percent(value: float | None) -> str:
    """A share as a percentage."""
    return "-" if value is None else f"{100 * value:.1f} %"


def part(found: Mapping[str, Any]) -> str:
    """A share with its interval and how many it is of."""
    if not found.get("count"):
        return "not given"
    return f"{percent(found['share'])} ({percent(found['low'])} to {percent(found['high'])}; n = {found['count']})"


def spread(found: Mapping[str, Any], digits: int = 2) -> str:
    """A mean with its interval."""
    if found["mean"] is None:
        return "-"
    return f"{found['mean']:.{digits}f} ({found['low']:.{digits}f} to {found['high']:.{digits}f})"


def sensitivity(point: Mapping[str, Any]) -> str:
    """A sensitivity with its interval."""
    if not point["lesions"]:
        return "-"
    return f"{point['sensitivity']:.2f} ({point['low']:.2f} to {point['high']:.2f})"


def curve(curves: Mapping[str, Mapping[str, Any]], first: str) -> str:
    """FROC curves, one a row."""
    rates = list(next(iter(curves.values())))
    rows = [
        [name, next(iter(points.values()))["lesions"], *(sensitivity(points[rate]) for rate in rates)]
        for name, points in curves.items()
    ]
    return table([first, "lesions", *(f"at {rate}" for rate in rates)], rows)


def strata(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Sensitivities by the kinds of lesions or films, one table for all."""
    rows = []
    for title, kinds in tables.items():
        for name, points in kinds.items():
            rates = [rate for rate in points if rate != "films"]
            count = points.get("films", points[rates[0]]["lesions"])
            rows.append([title, name, count, *(sensitivity(points[rate]) for rate in rates)])
    return table(["by", "", "count", "at 0.25 false marks", "at 1"], rows)


def matrix(found: Mapping[str, Mapping[str, int]], first: str) -> str:
    """A confusion matrix: the truth in rows."""
    if not found:
        return "Nothing to compare."
    columns = list(next(iter(found.values())))
    return table([first, *columns], [[name, *row.values()] for name, row in found.items()])
