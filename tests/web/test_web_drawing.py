"""The marks on the film."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from edge.web.drawing import draw
from tests.web.appliance import FACTS, findings, lesion

INSIDE = st.tuples(st.integers(0, FACTS.columns - 20), st.integers(0, FACTS.rows - 25))


def test_a_tiny_lesion_has_a_ring_that_can_be_seen() -> None:
    (mark,) = draw(findings(lesion(at=(300, 200)))).marks
    assert mark.ring.r >= 0.016 * FACTS.rows
    assert (mark.ring.x, mark.ring.y) == (307, 210)
    assert mark.points == "300.0,200.0 314.0,202.0 312.0,220.0 298.0,215.0"


def test_solid_is_definite_and_dashed_is_possible() -> None:
    marks = draw(findings(lesion(1), lesion(2, certainty="possible"), lesion(3, certainty="below"))).marks
    assert [(mark.number, mark.certainty) for mark in marks] == [(1, "definite"), (2, "possible")]


def test_an_outline_too_short_becomes_its_box() -> None:
    (mark,) = draw(findings(replace(lesion(at=(10, 20)), polygon=((10.0, 20.0),)))).marks
    assert mark.points == "9.5,19.5 24.5,19.5 24.5,40.5 9.5,40.5"


@given(st.lists(INSIDE, min_size=1, max_size=6))
def test_labels_stay_on_the_film_and_apart(places: list[tuple[int, int]]) -> None:
    lesions = [lesion(number, at=at) for number, at in enumerate(places, start=1)]
    marks = draw(findings(*lesions)).marks
    for mark in marks:
        assert mark.label.r <= mark.label.x <= FACTS.columns - mark.label.r
        assert mark.label.r <= mark.label.y <= FACTS.rows - mark.label.r
    if len(marks) <= 2:
        assert not any(one.label.overlaps(other.label) for one, other in itertools.combinations(marks, 2))


def test_a_close_up_is_twelve_millimetres() -> None:
    (mark,) = draw(findings(lesion(at=(300, 200)))).marks
    x, _, width, _ = map(float, mark.view_box.split())
    assert width * FACTS.mm_per_pixel == 12.0 if FACTS.mm_per_pixel else False
    assert x + width / 2 == mark.ring.x


def test_what_was_left_out_is_a_box_around_its_pixels() -> None:
    (box,) = draw(findings()).boxes
    assert (box.kind, box.x, box.y, box.width, box.height) == ("sesamoid", 199.5, 599.5, 21, 23)
