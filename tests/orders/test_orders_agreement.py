"""Whether an image is what an order asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge.orders.agreement import differences, judge, same_name, seen_differently
from edge.orders.item import read_item
from edge.store.orders import Order, OrderFacts, OrderState
from edge.types import Header, Identity, Technique
from tests.orders.conftest import SETTINGS
from tests.peers.orders import item


def _facts(**tags: Any) -> OrderFacts:
    facts = read_item(item(1, **tags), SETTINGS)
    assert facts is not None
    return facts


def _order(number: int = 1, **tags: object) -> Order:
    return Order(number, _facts(**tags), True, "", OrderState.PICKED, None, None, None, None, None)


def _header(**identity: str) -> Header:
    who = Identity("1.2", "1.2.3", "1.2.4", "1.2.5", "T0001", "Test^Patient 1", "19600101", "F", "A0001")
    return Header(replace(who, **identity), "", "DX", 1, 1, "HAND", "L", "PA", "", "", None, Technique())


def test_an_image_as_ordered_agrees() -> None:
    assert differences(_facts(), _header()) == ()


@pytest.mark.requirement("identity")
@pytest.mark.parametrize(
    ("identity", "named", "verdict"),
    [
        ({"patient_id": "X"}, ("patient_id",), "refused"),
        ({"patient_id": "X", "patient_name": "Other^Body"}, ("patient_id", "patient_name"), "refused"),
        ({"patient_id": "", "patient_name": "Other^Body"}, ("patient_name",), "refused"),
        ({"patient_id": "", "patient_birth_date": "19610101"}, ("patient_birth_date",), "refused"),
        ({"patient_name": "Test^Married"}, ("patient_name",), "differs"),
        ({"patient_birth_date": "19600102"}, ("patient_birth_date",), "differs"),
        ({"patient_sex": "M"}, ("patient_sex",), "differs"),
        ({"patient_sex": "U"}, (), "agrees"),
        ({"accession_number": "B7"}, ("accession_number",), "differs"),
        (dict.fromkeys(("patient_id", "patient_name", "patient_birth_date", "patient_sex", "accession_number"), ""),
         (), "agrees"),
        ({"patient_name": "TEST^PATIENT  1^^^"}, (), "agrees"),
    ],
)  # fmt: skip
def test_every_difference_has_its_verdict(identity: dict[str, str], named: tuple[str, ...], verdict: str) -> None:
    judgement = judge(_header(**identity), [], _order())
    assert judgement is not None
    assert (judgement.differences, judgement.verdict, judgement.evidence) == (named, verdict, "picked")


@pytest.mark.requirement("side")
def test_the_other_hand_is_said() -> None:
    right = replace(_header(), laterality="R")
    judgement = judge(right, [], _order())
    assert judgement is not None
    assert (judgement.verdict, judgement.differences) == ("differs", ("side",))
    assert differences(_facts(description="Both hands"), right) == ()
    assert seen_differently(_facts(), ["R"])
    assert not seen_differently(_facts(), ["L", "R"])
    assert not seen_differently(_facts(), ["U"])


def test_the_accession_number_counts_more_than_what_was_picked() -> None:
    named, picked = _order(1), _order(2, PatientID="T0002", PatientName="Else^Somebody", AccessionNumber="A0002")
    judgement = judge(_header(), [named], picked)
    assert judgement is not None
    assert (judgement.order_id, judgement.evidence, judgement.verdict) == (1, "accession", "agrees")


@pytest.mark.requirement("identity")
def test_an_accession_number_of_another_patient_ties_nothing() -> None:
    stranger = _order(1, PatientID="T0009")
    assert judge(_header(), [stranger], None) is None


def test_without_an_order_nothing_is_judged() -> None:
    assert judge(_header(), [], None) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "YAMADA^TAROU", True),
        ("Yamada^Tarou=山田^太郎", "=山田^太郎", True),
        ("Müller^Jürgen", "MÜLLER^JÜRGEN", True),
        ("Müller^Jürgen", "Meier^Jürgen", False),
        ("O'Brien^Ann", "OBrien^Ann", True),
        ("", "Any^Body", True),
        ("^^", "Any^Body", True),
    ],
)
def test_names(one: str, other: str, same: bool) -> None:  # noqa: FBT001 - a column of the table
    assert same_name(one, other) is same
