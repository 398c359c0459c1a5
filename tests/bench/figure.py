"""One measured figure: a line of the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, what it must be, and how it came out. `bound` is None where nothing is asked.

    Attributes:
        value: a number, or words where a count needs them; None when it could not be measured: `how` says why.
        peer: somebody else's figure from the same run, such as `Orthanc 109 MB/s`.
        ratio: how many times better than the peer.
        how: the circumstances.
    """

    name: str
    value: float | str | None
    unit: str
    bound: str | None
    holds: bool | None
    how: str
    peer: str = ""
    ratio: float | None = None


def at_least(name: str, value: float, unit: str, bound: float, how: str) -> Figure:
    """A figure that must not be smaller."""
    return Figure(name, round(value, 3), unit, f">= {bound:g}", value >= bound, how)


def at_most(name: str, value: float, unit: str, bound: float, how: str) -> Figure:
    """A figure that must not be larger."""
    return Figure(name, round(value, 3), unit, f"<= {bound:g}", value <= bound, how)


def plain(name: str, value: float, unit: str, how: str) -> Figure:
    """A figure that is told without a bound."""
    return Figure(name, round(value, 3), unit, None, None, how)


def against(
    peer: str, name: str, value: float, theirs: float, unit: str, how: str, *, ratio: float, least: float | None = None
) -> Figure:
    """A figure beside a peer's, `ratio` times better than that; it must be at least `least` times better."""
    bound, holds = (None, None) if least is None else (f">= {least:g} x {peer}", ratio >= least)
    return Figure(name, round(value, 3), unit, bound, holds, how, f"{peer} {theirs:.3g} {unit}", round(ratio, 2))


def missing(name: str, why: str) -> Figure:
    """A figure that could not be measured."""
    return Figure(name, None, "", None, False, why)
