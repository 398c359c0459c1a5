"""The table of an image's way, and what each step leaves behind."""

from __future__ import annotations

from io import BytesIO

import pytest

from edge.config import FolderDestination
from edge.errors import ReportError, StoreError, reason
from edge.flow import TRANSITIONS, Flow, Step, analyse_again, send_again
from edge.store import Store, events, images, parcels
from edge.store.images import Image, State
from edge.store.objects import digest
from edge.types import (
    Analysed,
    Findings,
    Header,
    Identity,
    ImageFacts,
    ModelId,
    NotAnalysed,
    ReportObject,
    Technique,
)
from tests.peers.films import film


def _receive(store: Store, seed: int) -> Image:
    buffer = BytesIO()
    film(seed).save_as(buffer, enforce_file_format=True)
    name = store.objects.put(buffer.getvalue())
    with store.transaction() as tx:
        image_id, _ = images.add(tx, digest(store.objects.path(name)), "folder", None, store.clock.now())
    return _again(store, image_id)


def _again(store: Store, image_id: int) -> Image:
    with store.read() as connection:
        image = images.get(connection, image_id)
    assert image is not None
    return image


def _header(uid: str = "1.2.3") -> Header:
    identity = Identity("1.2.840.10008.5.1.4.1.1.1", uid, "1.2", "1.2.1", "T1", "Test^One", "19600101", "F", "")
    return Header(identity, "1.2.840.10008.1.2.1", "CR", 10, 10, "HAND", "L", "PA", "", "", None, Technique(50.0))


def _findings(uid: str = "1.2.3") -> Findings:
    facts = ImageFacts(10, 10, 0.15, "ImagerPixelSpacing")
    return Findings("x.dcm", uid, ModelId("m", "1", "0" * 64), facts, (), (), (), ())


@pytest.fixture
def flow(store: Store) -> Flow:
    from pathlib import Path

    return Flow(
        store,
        (
            FolderDestination(name="all", path=Path("/nowhere")),
            FolderDestination(name="results", path=Path("/nowhere"), originals=False),
        ),
    )


def test_every_state_but_the_last_has_a_way_on_and_none_is_out_of_reach() -> None:
    reached = set(TRANSITIONS.values()) | {State.RECEIVED}
    assert reached == set(State)
    assert {state for state, _ in TRANSITIONS} == set(State)
    assert {step for _, step in TRANSITIONS} == set(Step)


def test_the_whole_way(store: Store, flow: Flow) -> None:
    image = _receive(store, 1)
    assert flow.next_image() == image
    assert flow.admit(image, _header())
    image = _again(store, image.id)
    assert (image.state, image.header) == (State.ADMITTED, _header())
    flow.analysed(image, Analysed(_findings(), b"png"))
    image = _again(store, image.id)
    assert image.state is State.ANALYSED
    with store.read() as connection:
        stored = images.latest_analysis(connection, image.id)
    assert stored is not None
    assert stored.analysis == _findings()
    assert stored.picture
    assert store.objects.read(stored.picture) == b"png"
    flow.reported(image, stored, [ReportObject("structured-report", "1.2.9", "1.2.3.9", b"report")])
    assert _again(store, image.id).state is State.REPORTED
    assert flow.next_image() is None
    with store.read() as connection:
        sent = [(p.destination, p.kind) for p in parcels.of_image(connection, image.id)]
        told = [event.what for event in events.latest(connection)][::-1]
    assert sent == [("all", "original"), ("all", "structured-report"), ("results", "structured-report")]
    assert told == ["image-admitted", "image-analysed", "image-reported"]


def test_the_image_nearest_to_its_end_comes_first(store: Store, flow: Flow) -> None:
    first, second = _receive(store, 1), _receive(store, 2)
    flow.admit(second, _header("1.2.4"))
    assert flow.next_image() == _again(store, second.id)
    flow.analysed(_again(store, second.id), Analysed(_findings("1.2.4"), None))
    assert flow.next_image() == _again(store, second.id)
    flow.reported(*_with_analysis(store, second.id), [])
    assert flow.next_image() == first


def _with_analysis(store: Store, image_id: int) -> tuple[Image, images.StoredAnalysis]:
    with store.read() as connection:
        stored = images.latest_analysis(connection, image_id)
    assert stored is not None
    return _again(store, image_id), stored


@pytest.mark.requirement("identity")
def test_an_identifier_used_twice_is_not_analysed_and_sent_nowhere(store: Store, flow: Flow) -> None:
    first, second = _receive(store, 1), _receive(store, 2)
    assert flow.admit(first, _header())
    assert not flow.admit(second, _header())
    image, stored = _with_analysis(store, second.id)
    assert image.state is State.ANALYSED
    assert isinstance(stored.analysis, NotAnalysed)
    assert stored.analysis.reason.code == "conflicting-duplicate"
    with store.read() as connection:
        assert parcels.of_image(connection, second.id) == []
        assert len(parcels.of_image(connection, first.id)) == 1


def test_a_refused_image_is_kept_with_the_reason(store: Store, flow: Flow) -> None:
    image = _receive(store, 1)
    flow.refuse(image, NotAnalysed("x.dcm", reason("not-dicom")))
    image, stored = _with_analysis(store, image.id)
    assert (image.state, stored.outcome) == (State.ANALYSED, "not_analysed")


def test_two_workers_can_t_both_finish_a_step(store: Store, flow: Flow) -> None:
    image = _receive(store, 1)
    flow.admit(image, _header())
    admitted = _again(store, image.id)
    flow.analysed(admitted, Analysed(_findings(), None))
    with pytest.raises(StoreError):
        flow.analysed(admitted, Analysed(_findings(), None))
    with store.read() as connection:
        (count,) = connection.execute("SELECT count(*) FROM analyses").fetchone()
    assert count == 1


def test_a_report_that_fails_sends_nothing_and_is_said(store: Store, flow: Flow) -> None:
    image = _receive(store, 1)
    flow.admit(image, _header())
    flow.analysed(_again(store, image.id), Analysed(_findings(), None))
    flow.report_failed(_again(store, image.id), ReportError("report-mismatch"))
    image = _again(store, image.id)
    assert (image.state, image.trouble) == (State.REPORTED, "report-mismatch")
    with store.read() as connection:
        assert [p.kind for p in parcels.of_image(connection, image.id)] == ["original"]


def test_again_goes_the_whole_way_once_more_and_sends_the_original_once(store: Store, flow: Flow) -> None:
    image = _receive(store, 1)
    assert not analyse_again(store, image.id, "person")  # still on its way
    assert not analyse_again(store, 99, "person")
    for _ in range(2):
        assert flow.admit(_again(store, image.id), _header())
        flow.analysed(_again(store, image.id), Analysed(_findings(), None))
        flow.reported(*_with_analysis(store, image.id), [])
        assert analyse_again(store, image.id, "person")
    assert _again(store, image.id).state is State.RECEIVED
    with store.read() as connection:
        (parcel,) = parcels.of_image(connection, image.id)
    assert send_again(store, parcel.id, "person")
    assert not send_again(store, 99, "person")
