"""The marks of the sixteen mature hands are whole, in order, and told apart into regions."""

from __future__ import annotations

import math

from models.evaluation import eyes

SQUARE = {
    "MCP2": (0.0, 100.0), "PIP2": (0.0, 60.0), "DIP2": (0.0, 35.0), "TIP2": (0.0, 15.0),
    "MCP3": (40.0, 100.0), "PIP3": (40.0, 55.0), "DIP3": (40.0, 30.0), "TIP3": (40.0, 10.0),
}  # fmt: skip


def test_sixteen_films_with_nineteen_marks_each_three_of_them_twice() -> None:
    films = eyes.load()
    assert len(films) == 16
    assert {len(marks.points) for marks in films.values()} == {19}
    assert sum(len(marks.again) == 19 for marks in films.values()) == 3


def test_the_second_marks_lie_on_the_first() -> None:
    away = [math.dist(p, marks.points[n]) for marks in eyes.load().values() for n, p in marks.again.items()]
    assert max(away) < 6  # pixels of 0.2 to 0.3 mm
    assert sum(away) / len(away) < 2


def test_fingers_grow_outwards() -> None:
    for marks in eyes.load().values():
        for digit in "2345":
            x, y = marks.points[f"MCP{digit}"]
            steps = [math.dist((x, y), marks.points[f"{kind}{digit}"]) for kind in ("PIP", "DIP", "TIP")]
            assert steps == sorted(steps)


def test_regions_by_the_nearest_axis() -> None:
    assert eyes.region_at(SQUARE, (5.0, 25.0), clear_px=3) == "DP2"
    assert eyes.region_at(SQUARE, (36.0, 80.0), clear_px=3) == "PP3"
    assert eyes.region_at(SQUARE, (4.0, 35.0), clear_px=3) == ""  # at the joint: either
