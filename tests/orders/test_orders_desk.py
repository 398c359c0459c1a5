"""What a person does with orders, and which images are tied to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import pytest
from pydicom.dataset import Dataset

from edge.intake.admit import admit
from edge.orders import desk
from edge.orders.desk import TRANSITIONS, Act
from edge.orders.linking import link
from edge.store import Store, events, exposures, images, orders, performed
from edge.store.images import State
from edge.store.objects import digest
from edge.store.orders import Link, OrderState
from edge.types import Findings, Hand, ImageFacts, ModelId
from tests.peers.films import film
from tests.peers.orders import item

Keep = Callable[[Dataset], int]


def _film_for(number: int, seed: int = 0, **tags: object) -> Dataset:
    order = item(number)
    who = {"PatientID": order.PatientID, "PatientName": order.PatientName, "AccessionNumber": "", "Laterality": "L"}
    return film(seed or number, columns=256, **(who | tags))


def _receive(store: Store, dataset: Dataset) -> int:
    """An image that was received and admitted."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    path = store.objects.path(store.objects.put(buffer.getvalue()))
    with store.transaction() as tx:
        image_id, _ = images.add(tx, digest(path), "folder", str(dataset.SOPInstanceUID), store.clock.now())
        images.admit(tx, image_id, admit(path), conflicting=False)
        images.move(tx, image_id, State.RECEIVED, State.ADMITTED)
    return image_id


def _link(store: Store, image_id: int) -> Link | None:
    with store.read() as connection:
        return orders.link_of_image(connection, image_id)


def _found(store: Store, image_id: int) -> Link:
    found = _link(store, image_id)
    assert found is not None
    return found


def _state(store: Store, order_id: int) -> OrderState:
    with store.read() as connection:
        order = orders.get(connection, order_id)
    assert order is not None
    return order.state


def _told(store: Store) -> list[str]:
    with store.read() as connection:
        return [event.what for event in events.after(connection, 0)]


def test_the_table_is_complete() -> None:
    """Every state that is not an end can be left, and no act leads nowhere."""
    assert {before for before, _ in TRANSITIONS} == {OrderState.OPEN, OrderState.PICKED}
    assert {act for _, act in TRANSITIONS} == set(Act)


def test_one_order_is_picked_at_most(store: Store, keep: Keep) -> None:
    one, two = keep(item(1)), keep(item(2))
    assert desk.pick(store, one, "technician")
    assert desk.pick(store, two, "technician")
    assert (_state(store, one), _state(store, two)) == (OrderState.OPEN, OrderState.PICKED)
    assert not desk.pick(store, two, "technician")
    assert not desk.pick(store, 99, "technician")
    assert _told(store) == ["order-picked", "order-put-back", "order-picked"]
    assert desk.put_back(store, "technician")
    assert not desk.put_back(store, "technician")
    assert not desk.finish(store, "technician")


@pytest.mark.requirement("identity")
def test_the_next_image_belongs_to_the_picked_order(store: Store, keep: Keep) -> None:
    before = _receive(store, _film_for(1))
    order_id = keep(item(1))
    desk.pick(store, order_id, "technician")
    image_id = _receive(store, _film_for(1, seed=11))
    assert link(store, tell=True) == 1
    assert link(store, tell=True) == 0
    assert _link(store, before) is None  # made before it was picked
    found = _link(store, image_id)
    assert found is not None
    assert (found.order_id, found.verdict, found.evidence) == (order_id, "agrees", "picked")
    assert not desk.put_back(store, "technician")  # something was made for it
    assert desk.finish(store, "technician")
    assert _state(store, order_id) is OrderState.COMPLETED
    with store.read() as connection:
        step = performed.of_order(connection, order_id)
    assert step is not None
    assert (step.state, step.outcome) == ("begin", "COMPLETED")


@pytest.mark.requirement("identity")
def test_somebody_else_s_image_is_said_and_not_tied(store: Store, keep: Keep) -> None:
    order_id = keep(item(1))
    desk.pick(store, order_id, "technician")
    image_id = _receive(store, _film_for(2))
    link(store, tell=True)
    found = _link(store, image_id)
    assert found is not None
    assert (found.verdict, found.differences) == ("refused", ("patient_id", "patient_name"))
    assert "image-ordered" in _told(store)
    with store.read() as connection:
        assert performed.of_order(connection, order_id) is None
        (event,) = [e for e in events.after(connection, 0) if e.what == "image-ordered"]
    assert "T0002" not in str(event)  # names of differences, never values
    assert desk.put_back(store, "technician")  # nothing was made for it


@pytest.mark.requirement("side")
def test_the_other_hand_is_said_by_header_and_by_picture(store: Store, keep: Keep) -> None:
    desk.pick(store, keep(item(1)), "technician")
    by_header, by_picture = (
        _receive(store, _film_for(1, seed=21, Laterality="R")),
        _receive(store, _film_for(1, seed=22, Laterality="")),
    )
    link(store, tell=False)
    assert _found(store, by_header).differences == ("side",)
    assert _found(store, by_picture).verdict == "agrees"
    for image_id in (by_header, by_picture):
        _analysed(store, image_id, "R")
    assert link(store, tell=False) == 2
    assert _found(store, by_header).differences == ("side", "side_seen")
    found = _link(store, by_picture)
    assert found is not None
    assert (found.verdict, found.differences, found.looked) == ("differs", ("side_seen",), True)
    assert desk.words("side_seen") == "the side seen in the picture"


def _analysed(store: Store, image_id: int, side: str) -> None:
    hand = Hand("R" if side == "R" else "L", (0, 0, 1, 1), 0.0, {}, {}, {})
    found = Findings("x", "1.2", ModelId("m", "1", "0"), ImageFacts(1, 1), (), (hand,), (), ())
    with store.transaction() as tx:
        images.add_analysis(tx, image_id, found, None, store.clock.now())
        images.move(tx, image_id, State.ADMITTED, State.ANALYSED)


def test_an_image_that_comes_late_belongs_to_the_order_of_its_exposure(store: Store, keep: Keep) -> None:
    first, second = keep(item(1)), keep(item(2))
    desk.pick(store, first, "technician")
    with store.transaction() as tx:
        at = store.clock.now()
        exposure_id = exposures.add(tx, ("unit", 1, 1), (50.0, 100.0, 25.0, 2.5), 0, at, mapped=True)
    assert exposure_id is not None
    link(store, tell=True)  # the exposure begins the step of the first
    desk.pick(store, second, "technician")
    assert _state(store, first) is OrderState.COMPLETED  # it was used
    late = _receive(store, film(1, columns=256, PatientID="", PatientName="", Laterality=""))
    with store.transaction() as tx:
        images.set_match(tx, late, "matched", exposure_id, [])
    link(store, tell=True)
    assert _found(store, late).order_id == first


@pytest.mark.parametrize(("ended", "outcome"), [(desk.finish, "COMPLETED"), (desk.discontinue, "DISCONTINUED")])
def test_a_step_that_begins_when_its_order_has_ended_ends_too(
    store: Store, keep: Keep, ended: Callable[[Store, str], bool], outcome: str
) -> None:
    """The unit kept the image until there was room for it again; the technician had long said that all is done."""
    order_id = keep(item(1))
    desk.pick(store, order_id, "technician")
    assert ended(store, "technician")
    _receive(store, _film_for(1, AccessionNumber="A0001"))
    link(store, tell=True)
    for state in ("begin", "end", "ended"):
        with store.transaction() as tx:
            step = performed.of_order(tx, order_id)
            assert step is not None
            assert (step.state, step.outcome) == (state, outcome)
            performed.told(tx, step)


def test_the_image_s_own_accession_number_decides(store: Store, keep: Keep) -> None:
    first, second = keep(item(1)), keep(item(2))
    desk.pick(store, second, "technician")
    image_id = _receive(store, _film_for(1, AccessionNumber="A0001"))
    link(store, tell=False)
    found = _link(store, image_id)
    assert found is not None
    assert (found.order_id, found.evidence) == (first, "accession")


def test_what_was_picked_stays_as_it_was(store: Store, keep: Keep) -> None:
    """The worklist changes an order while it is worked on: what the technician read is what counts."""
    order_id = keep(item(1))
    desk.pick(store, order_id, "technician")
    assert keep(item(1, PatientName="Changed^Name")) == order_id
    with store.read() as connection:
        order = orders.get(connection, order_id)
    assert order is not None
    assert order.facts.patient_name == "Test^Patient 1"
    assert replace(order.facts, item=b"") is not None
