"""The worklist, read from DCMTK's and kept; and what is told back, to a scripted system."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom.events import Event

from edge.config import PerformedSteps, Tls, Worklist
from edge.network.tls import server_context
from edge.orders import desk
from edge.orders.item import item_of, read_item
from edge.orders.teller import Teller
from edge.orders.worklist import WorklistReader
from edge.store import Store, events, orders, performed
from edge.store.orders import Order
from edge.store.performed import PerformedStep
from tests.orders.conftest import SETTINGS
from tests.peers import mpps
from tests.peers.certificates import Authority
from tests.peers.dcmtk import wlmscpfs, write_item
from tests.peers.orders import item
from tests.peers.waiting import wait_for
from tests.peers.wire import Fault, Wire


def _reader(store: Store, port: int, tls: Tls | None = None, **more: object) -> WorklistReader:
    told = {"title": "WORKLIST", "host": "127.0.0.1", "port": port, "tls": tls is not None, "timeout_s": 5, **more}
    return WorklistReader(store, Worklist.model_validate(told), tls)


def _listed(store: Store) -> list[Order]:
    with store.read() as connection:
        return orders.listed(connection)


@pytest.mark.needs("wlmscpfs")
def test_orders_are_read_kept_and_taken_off_the_list(
    store: Store, free_port: Callable[[], int], tmp_path: Path
) -> None:
    port = free_port()
    yesterday, next_week = (date.today() + timedelta(days=n) for n in (-1, 7))  # noqa: DTZ011 - the local day
    items = [item(1), item(2, description="Hand beidseits"), item(3, day=yesterday), item(4, day=next_week)]
    items.append(item(5))
    items[-1].ScheduledProcedureStepSequence[0].Modality = "CT"
    reader = _reader(store, port)
    with wlmscpfs(tmp_path, port, items) as folder:
        assert reader.refresh()
        found = _listed(store)
        assert [order.facts.accession_number for order in found] == ["A0003", "A0001", "A0002"]
        assert [order.facts.side for order in found] == ["L", "L", "B"]
        assert found[1].facts.scheduled.endswith("T09:15")
        (folder / "0.wl").unlink()
        assert reader.refresh()
        assert [order.facts.accession_number for order in _listed(store)] == ["A0003", "A0002"]
    assert not reader.refresh()  # nobody there: the list stays as it was, and says how old it is
    assert [order.facts.accession_number for order in _listed(store)] == ["A0003", "A0002"]
    with store.read() as connection:
        fresh = orders.freshness(connection)
        told = [event.detail["reason"] for event in events.after(connection, 0) if event.what == "worklist-read"]
    assert fresh.reason == "worklist-unreachable"
    assert fresh.answered_utc is not None
    assert told == [None, "worklist-unreachable"]
    assert desk.pick(store, _listed(store)[0].id, "technician")  # works without a network


@pytest.mark.needs("wlmscpfs", "openssl")
def test_over_tls(store: Store, free_port: Callable[[], int], tmp_path: Path) -> None:
    """DCMTK's worklist has no TLS: a wire that ends it stands before it, as a site would do."""
    authority = Authority.make(tmp_path / "ca")
    ours, theirs, port, secure = authority.node("calcedge"), authority.node("worklist"), free_port(), free_port()
    with wlmscpfs(tmp_path / "items", port, [item(1)]), Wire(secure, port, tls=server_context(theirs)):
        assert _reader(store, secure, ours).refresh()
    assert len(_listed(store)) == 1


@pytest.mark.needs("wlmscpfs")
def test_an_answer_that_breaks_off_takes_nothing_off_the_list(
    store: Store, free_port: Callable[[], int], tmp_path: Path
) -> None:
    port, bad = free_port(), free_port()
    with wlmscpfs(tmp_path, port, [item(n) for n in range(1, 6)]):
        assert _reader(store, port).refresh()
        for after in (50, 400, 1500):
            with Wire(bad, port, Fault("back", after)):
                assert not _reader(store, bad).refresh()
            assert len(_listed(store)) == 5
            bad = free_port()
        with Wire(bad, port, Fault("back", 400, "silence")):
            assert not _reader(store, bad, timeout_s=0.5).refresh()
    assert len(_listed(store)) == 5


@pytest.mark.needs("wlmscpfs")
@pytest.mark.requirement("identity")
@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 101", "Wałęsa^Łucja"),
        ("ISO_IR 144", "\u041b\u044e\u043a^\u0421\u0435\u043c"),
        ("ISO_IR 166", "นาย^สมชาย"),
        ("ISO_IR 192", "山田^太郎"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        (None, "Plain^Name"),
    ],
)
def test_names_come_byte_for_byte(
    store: Store, free_port: Callable[[], int], tmp_path: Path, charset: str | list[str] | None, name: str
) -> None:
    """From the worklist through the store into the message that tells what was done."""
    port, sent = free_port(), item(1, SpecificCharacterSet=charset, PatientName=name)
    if charset is None:
        del sent.SpecificCharacterSet
    write_item(tmp_path / "as-sent.dcm", sent)
    as_sent = dcmread(tmp_path / "as-sent.dcm")
    wire_bytes = as_sent.get_item("PatientName").value
    with wlmscpfs(tmp_path / "items", port, [sent]):
        assert _reader(store, port).refresh()
    (order,) = _listed(store)
    assert order.facts.patient_name == name
    assert item_of(order.facts).get_item("PatientName").value.rstrip() == wire_bytes.rstrip()
    desk.pick(store, order.id, "technician")
    with store.transaction() as tx:
        performed.begin(tx, order.id, "1.2.3", store.clock.now())
    system = System()
    with system.listening(port):
        assert _teller(store, port).step()
    (created,) = system.created.values()
    assert created.get_item("PatientName").value.rstrip() == wire_bytes.rstrip()
    assert created.get("SpecificCharacterSet") == as_sent.get("SpecificCharacterSet")


def test_an_item_that_is_none_is_left_out() -> None:
    assert read_item(Dataset(), SETTINGS) is None
    assert read_item(item(1, StudyInstanceUID=""), SETTINGS) is None


def test_a_person_can_ask_for_the_list_now(store: Store, free_port: Callable[[], int]) -> None:
    reader, stop = _reader(store, free_port(), every_s=3600), threading.Event()
    thread = threading.Thread(target=reader.run, args=(stop,))
    thread.start()
    wait_for(lambda: reader.reachable is False)
    reader.reachable = None
    desk.refresh(store)
    wait_for(lambda: reader.reachable is False)
    stop.set()
    thread.join()


@dataclass
class System:
    """A clinic's system that takes MPPS, with a script of statuses to answer before it does."""

    script: list[int] = field(default_factory=list)
    created: dict[str, Dataset] = field(default_factory=dict)
    ended: dict[str, Dataset] = field(default_factory=dict)

    def _create(self, event: Event) -> tuple[int, Dataset | None]:
        assert event.request is not None
        uid = str(event.request.AffectedSOPInstanceUID)  # type: ignore[union-attr]
        status = self.script.pop(0) if self.script else 0x0111 if uid in self.created else 0x0000
        if status == 0x0000:
            self.created[uid] = event.attribute_list
        return status, None

    def _set(self, event: Event) -> tuple[int, Dataset | None]:
        assert event.request is not None
        uid = str(event.request.RequestedSOPInstanceUID)  # type: ignore[union-attr]
        status = self.script.pop(0) if self.script else 0x0000 if uid in self.created else 0x0112
        if status == 0x0000:
            self.ended[uid] = event.modification_list
        return status, None

    @contextmanager
    def listening(self, port: int) -> Iterator[None]:
        """Listens until the end of the block."""
        with mpps.listening(port, self._create, self._set):
            yield


def _teller(store: Store, port: int) -> Teller:
    return Teller(store, PerformedSteps(title="RIS", host="127.0.0.1", port=port, timeout_s=5), None)


def _begin(store: Store, keep: Callable[[Dataset], int], number: int = 1) -> int:
    order_id = keep(item(number))
    desk.pick(store, order_id, "technician")
    with store.transaction() as tx:
        performed.begin(tx, order_id, f"1.2.3.{number}", store.clock.now())
    return order_id


def _step(store: Store, order_id: int) -> PerformedStep:
    with store.read() as connection:
        step = performed.of_order(connection, order_id)
    assert step is not None
    return step


def test_a_step_is_begun_and_ended(store: Store, keep: Callable[[Dataset], int], free_port: Callable[[], int]) -> None:
    port, system, order_id = free_port(), System(), _begin(store, keep)
    teller = _teller(store, port)
    with system.listening(port):
        assert teller.step()
        assert _step(store, order_id).state == "running"
        assert not teller.step()
        desk.finish(store, "technician")
        assert teller.step()
    assert _step(store, order_id).state == "ended"
    created, ended = system.created["1.2.3.1"], system.ended["1.2.3.1"]
    assert created.PerformedProcedureStepStatus == "IN PROGRESS"
    assert created.ScheduledStepAttributesSequence[0].StudyInstanceUID == item(1).StudyInstanceUID
    assert created.ScheduledStepAttributesSequence[0].AccessionNumber == "A0001"
    assert (created.PatientID, created.PatientName) == ("T0001", "Test^Patient 1")
    assert ended.PerformedProcedureStepStatus == "COMPLETED"
    assert len(ended.PerformedSeriesSequence) == 1


def test_what_can_t_be_told_now_is_told_later_in_order(
    store: Store, keep: Callable[[Dataset], int], free_port: Callable[[], int]
) -> None:
    port, system, order_id = free_port(), System(script=[0x0213]), _begin(store, keep)
    assert _teller(store, port).step()  # nobody there
    assert _step(store, order_id).reason == "destination-unreachable"
    desk.discontinue(store, "technician")
    teller = _teller(store, port)
    with system.listening(port):
        wait_for(lambda: teller.step() and _step(store, order_id).reason == "mpps-rejected")  # out of resources
        assert _step(store, order_id).state == "begin"
        wait_for(lambda: not teller.step() and _step(store, order_id).state == "ended", 30)
    assert system.ended["1.2.3.1"].PerformedProcedureStepStatus == "DISCONTINUED"


def test_a_step_that_was_taken_without_our_knowing_goes_on(
    store: Store, keep: Callable[[Dataset], int], free_port: Callable[[], int]
) -> None:
    """The answer to the N-CREATE was lost: the second one is a duplicate, and that is well."""
    port, order_id = free_port(), _begin(store, keep)
    system = System(created={"1.2.3.1": Dataset()})
    with system.listening(port):
        _teller(store, port).step()
    assert _step(store, order_id).state == "running"


def test_what_is_refused_is_held_and_the_next_goes_on(
    store: Store, keep: Callable[[Dataset], int], free_port: Callable[[], int]
) -> None:
    port, system = free_port(), System(script=[0x0106])
    first, second = _begin(store, keep, 1), _begin(store, keep, 2)
    with system.listening(port):
        _teller(store, port).step()
    assert (_step(store, first).state, _step(store, first).reason) == ("held", "mpps-rejected")
    assert "0x0106" in (_step(store, first).detail or "")
    assert _step(store, second).state == "running"
