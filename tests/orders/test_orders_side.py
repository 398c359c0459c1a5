"""Which hand an order is for."""

from __future__ import annotations

import pytest

from edge.orders.side import side_of


@pytest.mark.parametrize(
    ("stated", "codes", "texts", "side"),
    [
        ("L", [], [], "L"),
        ("r", ["7771000"], [], "R"),
        ("", ["24028007"], ["left hand"], "R"),  # a code counts more than words
        ("", ["24028007", "7771000"], [], "B"),
        ("", ["51440002"], [], "B"),
        ("", [], ["XR HAND 2 VIEWS LT"], "L"),
        ("", [], ["Rechte Hand dp"], "R"),
        ("", [], ["Main gauche de face"], "L"),
        ("", [], ["Both hands PA"], "B"),
        ("", [], ["left and right hand"], "B"),
        ("", [], ["Röntgen Hände beidseits"], "B"),
        ("", [], ["HAND PA", ""], "U"),
        ("", [], ["l hand"], "U"),  # a small letter may be anything
        ("", [], ["Hand, all views"], "U"),
        ("X", [], [], "U"),
    ],
)
def test_side(stated: str, codes: list[str], texts: list[str], side: str) -> None:
    assert side_of(stated, codes, texts) == side
