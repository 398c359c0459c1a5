"""The node among port scans, half-open and forgotten connections: a real sender always gets in."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import time

from edge.config import Dicom
from edge.intake import porch
from edge.intake.receive import Reception
from edge.intake.scp import StoreScp
from edge.store import Store
from tests.peers.dcmtk import echoscu, storescu
from tests.peers.films import film, write
from tests.peers.waiting import wait_for

HALF_OPEN = 50


@pytest.fixture
def node(store: Store, free_port: Callable[[], int]) -> Iterator[tuple[StoreScp, int]]:
    settings = Dicom(port=free_port(), max_associations=4, idle_s=3)
    with StoreScp(settings, Reception(store, 0), store.objects) as scp:
        yield scp, settings.port


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def _associate(port: int) -> Association:
    entity = AE(ae_title="IDLER")
    entity.add_requested_context(Verification)
    return entity.associate("127.0.0.1", port, ae_title="CALCEDGE")


def _closed(connection: socket.socket) -> bool:
    connection.settimeout(0.0)
    try:
        while data := connection.recv(1024):
            assert data[0] in (0x03, 0x07)  # rejected or aborted, never accepted
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@pytest.mark.needs("storescu")
@pytest.mark.requirement("a real sender always gets in")
def test_half_open_connections_and_a_port_scan_starve_nobody(node: tuple[StoreScp, int], tmp_path: Path) -> None:
    scp, port = node
    sent = write(film(1), tmp_path / "a.dcm")
    silent = [_connect(port) for _ in range(HALF_OPEN)]
    for number, connection in enumerate(silent):  # some say nothing, some a part of a request, some nonsense
        with contextlib.suppress(OSError):
            connection.send(
                [b"", b"\x01", b"\x01\x00\x00\x00\x10\x00", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01"][number % 5]
            )
    for _ in range(100):  # a port scan: connect, and away
        _connect(port).close()
    began_s = time.monotonic()
    assert storescu(port, sent) == 0
    took_s = time.monotonic() - began_s
    print(f"a real send among {HALF_OPEN} half-open connections and a port scan: {took_s:.2f} s")
    assert took_s < 2.0
    wait_for(lambda: scp.associations == 0)
    for connection in silent:
        connection.close()


@pytest.mark.needs("storescu")
def test_forgotten_associations_give_way(node: tuple[StoreScp, int], tmp_path: Path) -> None:
    """All places are taken by associations that do nothing: the longest idle one is ended for a sender."""
    scp, port = node
    idle = [_associate(port) for _ in range(4)]
    assert all(association.is_established for association in idle)
    wait_for(lambda: scp.associations == 4)
    time.sleep(1.1)  # what was heard of within a second counts as at work
    began_s = time.monotonic()
    assert storescu(port, write(film(1), tmp_path / "a.dcm")) == 0
    assert time.monotonic() - began_s < 2.0
    for association in idle:
        association.abort()


def test_at_the_limit_a_newcomer_is_told(node: tuple[StoreScp, int]) -> None:
    _, port = node
    busy = [_associate(port) for _ in range(4)]
    late = _associate(port)
    assert late.is_rejected
    answer = late.acceptor.primitive
    assert answer is not None
    assert (answer.result_source, answer.diagnostic) == (3, 2)  # local limit exceeded
    for association in busy:
        association.release()
    wait_for(lambda: _associate_and_release(port))


def _associate_and_release(port: int) -> bool:
    association = _associate(port)
    established = association.is_established
    association.release()
    return established


def test_whoever_says_nothing_is_sent_away(node: tuple[StoreScp, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(porch, "PATIENCE_S", 0.3)
    _, port = node
    silent = [_connect(port) for _ in range(5)]
    silent[1].send(b"\x01\x00")
    wait_for(lambda: all(_closed(connection) for connection in silent), 5)
    for connection in silent:
        connection.close()


def test_an_idle_association_is_ended(node: tuple[StoreScp, int]) -> None:
    scp, port = node
    association = _associate(port)
    assert association.is_established
    wait_for(lambda: scp.associations == 1)
    wait_for(lambda: not association.is_established, 8)
    wait_for(lambda: scp.associations == 0, 8)


def test_one_that_stops_within_a_message_is_cut_off(node: tuple[StoreScp, int]) -> None:
    """The library would read on forever: half a PDU, then silence."""
    scp, port = node
    association = _associate(port)
    line = association.dul.socket
    assert line is not None
    assert line.socket is not None
    line.socket.send(b"\x04\x00\x00\x00\xff\xff\x00")
    wait_for(lambda: scp.associations == 0, 15)
    association.abort()


@pytest.mark.parametrize(
    "request_bytes", [b"\x02\x00\x00\x00\x00\x04\x00\x00\x00\x00", b"\x01\x00\xff\xff\xff\xff", b"SSH-2.0-x\r\n"]
)
def test_what_is_no_request_is_answered_with_an_abort(node: tuple[StoreScp, int], request_bytes: bytes) -> None:
    _, port = node
    connection = _connect(port)
    connection.send(request_bytes)
    answer = connection.recv(10)
    assert answer[:1] == b"\x07"
    connection.close()


def test_a_request_that_drips_gets_in_and_wakes_nobody(node: tuple[StoreScp, int]) -> None:
    """A slow link may take seconds for one request; each byte is not a reason to look."""
    _, port = node
    captured = _capture_request()
    connection = _connect(port)
    used_before_s = psutil.Process().cpu_times().user
    for byte in captured:
        connection.send(bytes((byte,)))
        time.sleep(0.002)
    assert connection.recv(1) == b"\x02"  # A-ASSOCIATE-AC
    assert psutil.Process().cpu_times().user - used_before_s < 2.0
    connection.close()


def _capture_request() -> bytes:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        caller = threading.Thread(target=_associate, args=(listener.getsockname()[1],))
        caller.start()
        connection, _ = listener.accept()
        request = connection.recv(65536)
        connection.close()
        caller.join()
    return request


def _record(port: int) -> list[bytes]:
    """What a whole association with one C-ECHO sends: request, question, release."""
    sent: list[bytes] = []

    def note(event: Event) -> None:
        sent.append(event.data)

    entity = AE(ae_title="REPLAY")
    entity.add_requested_context(Verification)
    handlers = [(evt.EVT_DATA_SENT, note)]
    association = entity.associate("127.0.0.1", port, ae_title="CALCEDGE", evt_handlers=handlers)  # type: ignore[arg-type]
    association.send_c_echo()
    association.release()
    assert [pdu[0] for pdu in sent] == [0x01, 0x04, 0x05]
    return sent


def _replay(port: int, sent: list[bytes]) -> None:
    """The same association again, without a library on this side."""
    with _connect(port) as connection, connection.makefile("rb") as answers:
        for pdu, expected in zip(sent, (0x02, 0x04, 0x06), strict=True):
            connection.sendall(pdu)
            head = answers.read(6)
            assert head[0] == expected
            answers.read(int.from_bytes(head[2:6]))


def _leaks(port: int, scp: StoreScp, times: int) -> tuple[float, int, int]:
    """Growth of memory (MB), descriptors and threads over so many associations of every kind."""
    process = psutil.Process()
    gauges = []
    whole = _record(port)
    for number in range(times):
        match number % 10:
            case 7:
                connection = _connect(port)
                connection.send(b"\x01\x00\x00\x00\x00")
                connection.close()
            case 8:
                _associate(port).abort()
            case 9:
                _connect(port).close()
            case _:
                _replay(port, whole)
        if number in (times // 4, times - 1):
            wait_for(lambda: scp.associations == 0, 15)
            gc.collect()
            memory = process.memory_full_info()
            gauges.append((memory.uss / 1e6, process.num_fds(), process.num_threads()))
    (memory_before, *before), (memory_after, *after) = gauges
    return memory_after - memory_before, after[0] - before[0], after[1] - before[1]


def test_associations_leave_nothing_behind(store: Store, free_port: Callable[[], int]) -> None:
    """The short version of 10,000 associations; some released, some aborted, some cut off."""
    settings = Dicom(port=free_port())
    with StoreScp(settings, Reception(store, 0), store.objects) as scp:
        memory_mb, descriptors, threads = _leaks(settings.port, scp, 200)
    print(f"150 associations: {memory_mb:+.1f} MB, {descriptors:+d} descriptors, {threads:+d} threads")
    assert descriptors <= 1
    assert threads <= 0
    assert memory_mb < 8


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_ten_thousand_associations_leave_nothing_behind(store: Store, free_port: Callable[[], int]) -> None:
    settings = Dicom(port=free_port())
    with StoreScp(settings, Reception(store, 0), store.objects) as scp:
        memory_mb, descriptors, threads = _leaks(settings.port, scp, 13_334)
    print(f"10,000 associations: {memory_mb:+.1f} MB, {descriptors:+d} descriptors, {threads:+d} threads")
    assert descriptors <= 1
    assert threads <= 0
    assert memory_mb < 8


@pytest.mark.needs("echoscu")
def test_a_node_that_closes_leaves_nothing_behind(store: Store, free_port: Callable[[], int]) -> None:
    before = {thread.name for thread in threading.enumerate()}
    settings = Dicom(port=free_port())
    with StoreScp(settings, Reception(store, 0), store.objects):
        assert echoscu(settings.port) == 0
        forgotten, silent = _associate(settings.port), _connect(settings.port)
    wait_for(lambda: {t.name for t in threading.enumerate() if "Acceptor" in t.name or "porch" in t.name} <= before)
    forgotten.abort()
    silent.close()
