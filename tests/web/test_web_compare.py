"""Now and before: what is called a change, and whose images are compared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.types import Findings, ModelId
from edge.web import compare, phrases, words
from tests.web.appliance import Appliance, findings, lesion, not_analysed


def burdened(*burdens: tuple[str, float], sha: str = "ab" * 32, mm: float | None = 0.15) -> Findings:
    made = findings(lesion())
    hands = tuple(replace(made.hands[0], side=side, burden_index=burden) for side, burden in burdens)  # type: ignore[arg-type]
    return replace(made, hands=hands, model=ModelId("m", "1", sha), image=replace(made.image, mm_per_pixel=mm))


@pytest.mark.requirement("a difference below 25 % is not called a change")
@pytest.mark.parametrize(
    ("before", "after", "trend"),
    [
        (10.0, 12.49, "same"), (10.0, 12.5, "more"), (10.0, 7.51, "same"), (10.0, 7.5, "less"), (0.0, 0.0, "same"),
        (0.0, 3.0, "new"), (10.0, 0.0, "less"),
    ],
)  # fmt: skip
def test_what_is_called_a_change(before: float, after: float, trend: str) -> None:
    found = compare.changes(burdened(("L", before)), burdened(("L", after)))
    assert [(change.side, change.trend) for change in found if isinstance(change, compare.Change)] == [("L", trend)]


@pytest.mark.requirement("only results of the same model are compared")
def test_what_can_not_be_compared_is_said_not_guessed() -> None:
    one = burdened(("L", 10.0))
    assert compare.changes(one, burdened(("L", 20.0), sha="cd" * 32)) == "model-differs"
    assert compare.changes(one, burdened(("L", 20.0), mm=None)) == "size-unknown"
    assert compare.changes(one, burdened(("R", 20.0))) == "no-common-side"
    assert compare.changes(burdened(("U", 10.0)), burdened(("U", 20.0))) == "no-common-side"
    assert compare.changes(burdened(("L", 10.0), ("L", 5.0)), one) == "no-common-side"
    assert compare.changes(not_analysed(), one) == "not-analysed"
    there = {"model-differs", "thresholds-differ", "size-unknown", "no-common-side", "not-analysed"}
    assert set(words.OBSTACLES) == there


@pytest.mark.requirement("an image is never compared with another patient's")
@pytest.mark.parametrize(
    ("field", "value", "same"),
    [
        ("patient_id", "PAT-4711", True), ("patient_id", "PAT-4712", False), ("patient_id", "", False),
        ("patient_birth_date", "19600103", False), ("patient_birth_date", "", True),
        ("patient_name", "MEYER^ANNA MARIA", True), ("patient_name", "Beta^Bo", False), ("patient_name", "", True),
    ],
)  # fmt: skip
def test_one_patient_or_two(appliance: Appliance, field: str, value: str, *, same: bool) -> None:
    image = appliance.admit(appliance.receive())
    assert image.header
    identity = replace(image.header.identity, **{field: value})
    other = replace(image, header=replace(image.header, identity=identity))
    assert compare.same_patient(image, other) is same


def test_the_page_tells_the_change_and_shows_both_films(appliance: Appliance) -> None:
    appliance.whole(findings(lesion()), b"one")
    second = appliance.whole(findings(), b"two")
    appliance.whole(findings(lesion()), b"three", "Beta^Bo")
    text = appliance.client().get(f"/images/{second.id}/compare").text
    assert words.TRENDS["less"] in text
    assert phrases.share(-1.0) in text
    assert text.count('class="viewer small"') == 2
    assert "Beta" not in text
    alone = appliance.client().get("/images/3/compare").text
    assert words.COMPARE_NONE in alone
