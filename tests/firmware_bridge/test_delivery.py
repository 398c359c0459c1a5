"""Which events are durable, and what an acknowledgement may name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.delivery import WINDOW, Delivery, Verdict
from firmware_bridge.messages import EventAck, encode

BOOT = 5


def test_an_event_is_new_once_and_acknowledged_only_when_durable() -> None:
    delivery = Delivery(oldest=7)
    assert delivery.arrived(7, BOOT) is Verdict.NEW
    assert delivery.arrived(7, BOOT) is Verdict.IN_HAND
    assert delivery.ack() == EventAck(upto=6, bitmap=0)
    assert delivery.persisted(7, BOOT)
    assert delivery.ack() == EventAck(upto=7, bitmap=0)
    assert delivery.arrived(7, BOOT) is Verdict.DURABLE
    assert not delivery.persisted(7, BOOT)


def test_what_could_not_be_kept_is_new_again() -> None:
    delivery = Delivery(oldest=1)
    delivery.arrived(1, BOOT)
    delivery.refused(1, BOOT)
    assert delivery.ack() == EventAck(0, 0)
    assert delivery.arrived(1, BOOT) is Verdict.NEW


def test_events_behind_a_gap_are_named_by_the_bitmap_and_the_gap_is_asked_for() -> None:
    delivery = Delivery(oldest=1)
    for seq in (1, 3, 5):
        delivery.arrived(seq, BOOT)
        delivery.persisted(seq, BOOT)
    assert delivery.ack() == EventAck(upto=1, bitmap=0b1010)  # 3 = upto + 1 + 1, 5 = upto + 1 + 3
    assert delivery.first_missing(5) == 2
    delivery.arrived(2, BOOT)
    assert delivery.first_missing(5) == 4
    delivery.persisted(2, BOOT)
    assert delivery.ack() == EventAck(upto=3, bitmap=0b10)


def test_an_event_too_far_ahead_waits_for_those_before_it() -> None:
    delivery = Delivery(oldest=1)
    assert delivery.arrived(WINDOW + 1, BOOT) is Verdict.BEYOND
    assert delivery.arrived(WINDOW, BOOT) is Verdict.NEW
    delivery.persisted(WINDOW, BOOT)
    encode(delivery.ack())  # the last bit still fits


def test_what_the_unit_let_go_unseen_is_lost_and_counted_once() -> None:
    delivery = Delivery(oldest=1)
    for seq in (1, 3):
        delivery.arrived(seq, BOOT)
        delivery.persisted(seq, BOOT)
    delivery.arrived(4, BOOT)
    assert delivery.released(oldest=6) == 2  # 2 and 5; 3 is durable, 4 is in hand
    assert delivery.released(oldest=6) == 0
    assert delivery.ack() == EventAck(5, 0)
    assert delivery.persisted(4, BOOT)
    assert delivery.ack() == EventAck(5, 0)


@pytest.mark.requirement("no exposure is lost, doubled or invented")
def test_an_event_arrives_although_the_unit_said_that_it_is_gone_and_is_kept() -> None:
    delivery = Delivery(oldest=5)
    assert delivery.arrived(3, BOOT) is Verdict.NEW  # before what the HELLO told
    assert delivery.persisted(3, BOOT)
    delivery.arrived(5, BOOT)
    delivery.persisted(5, BOOT)
    assert delivery.released(oldest=9) == 3
    assert delivery.arrived(5, BOOT) is Verdict.DURABLE
    assert delivery.arrived(7, BOOT) is Verdict.NEW
    assert delivery.arrived(7, BOOT) is Verdict.IN_HAND
    assert delivery.persisted(7, BOOT)
    assert delivery.arrived(7, BOOT) is Verdict.DURABLE
    assert delivery.ack() == EventAck(8, 0)


def test_a_wild_claim_about_what_is_gone_costs_no_memory() -> None:
    delivery = Delivery(oldest=1)
    assert delivery.released(oldest=2**32 - 1) == 2**32 - 2
    assert len(delivery._gone) < 5000


@pytest.mark.requirement("an exposure is confirmed to the unit only when it is on disk")
def test_an_event_of_another_boot_does_not_confirm_one_with_the_same_number() -> None:
    delivery = Delivery(oldest=1)
    delivery.arrived(1, BOOT)
    assert not delivery.persisted(1, BOOT + 1)
    assert delivery.ack() == EventAck(0, 0)


@given(st.integers(0, 50), st.lists(st.tuples(st.sampled_from(["arrive", "keep", "refuse"]), st.integers(1, 60))))
def test_an_acknowledgement_names_exactly_what_is_durable(start: int, steps: list[tuple[str, int]]) -> None:
    delivery, in_hand, durable = Delivery(oldest=start + 1), set[int](), set(range(1, start + 1))
    for what, seq in steps:
        match what:
            case "arrive":
                if delivery.arrived(seq, BOOT) is Verdict.NEW:
                    in_hand.add(seq)
            case "keep":
                assert delivery.persisted(seq, BOOT) == (seq in in_hand)
                if seq in in_hand:
                    in_hand.remove(seq)
                    durable.add(seq)
            case "refuse":
                delivery.refused(seq, BOOT)
                in_hand.discard(seq)
        ack = delivery.ack()
        assert {seq for seq in range(1, 120) if _names(ack, seq)} == durable


def _names(ack: EventAck, seq: int) -> bool:
    return seq <= ack.upto or bool(ack.bitmap >> (seq - ack.upto - 1) & 1)
