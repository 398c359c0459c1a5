"""One measured figure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, what it must be, and how it came out. `bound` is None where nothing is asked."""

    name: str
    value: float
    unit: str
    bound: str | None
    holds: bool | None
    how: str


def at_least(name: str, value: float, unit: str, bound: float, how: str) -> Figure:
    """A figure that must not be smaller."""
    return Figure(name, round(value, 3), unit, f">= {bound:g}", value >= bound, how)


def at_most(name: str, value: float, unit: str, bound: float, how: str) -> Figure:
    """A figure that must not be larger."""
    return Figure(name, round(value, 3), unit, f"<= {bound:g}", value <= bound, how)


def plain(name: str, value: float, unit: str, how: str) -> Figure:
    """A figure that is told without a bound."""
    return Figure(name, round(value, 3), unit, None, None, how)
