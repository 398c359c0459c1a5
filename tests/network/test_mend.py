"""What is mended in the DICOM library."""

from __future__ import annotations

import socket
import threading
import time
import warnings
from collections.abc import Callable
from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pynetdicom import build_context, build_role, evt
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import time
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)
from pynetdicom.timer import Timer

from edge.config import DicomNode
from edge.errors import DeliveryError
from edge.network.calling import call, echo
from edge.network.mend import mend
from tests.peers.archive import ScriptedArchive
from tests.peers.waiting import wait_for


@pytest.mark.requirement("a clock that is set changes nothing")
def test_timers_don_t_see_the_clock_being_set(monkeypatch: pytest.MonkeyPatch) -> None:
    mend()
    timer = Timer(30)
    timer.start()
    monkeypatch.setattr(time, "time", lambda: 9e9)  # somebody sets the clock to the year 2255
    assert not timer.expired
    assert 29 < timer.remaining <= 30
    short = Timer(0.01)
    short.start()
    monkeypatch.setattr(time, "time", lambda: 0.0)  # and back
    time.sleep(0.02)
    assert short.expired


def test_a_call_to_nobody_leaves_no_socket(free_port: Callable[[], int]) -> None:
    node = DicomNode(title="A", host="127.0.0.1", port=free_port())
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with pytest.raises(DeliveryError) as caught:
            echo(node, None)
    assert caught.value.reason.code == "destination-unreachable"


def test_a_name_that_nobody_knows_is_said() -> None:
    with pytest.raises(DeliveryError) as caught, call(DicomNode(title="A", host="no.such.name.invalid"), [], None):
        pass
    assert caught.value.reason.code == "destination-unreachable"


def test_a_peer_that_accepts_and_says_nothing_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        node = DicomNode(title="A", host="127.0.0.1", port=silent.getsockname()[1], timeout_s=0.5)
        began_s = time.monotonic()
        with pytest.raises(DeliveryError):
            echo(node, None)
        assert time.monotonic() - began_s < 10


@pytest.mark.requirement("nothing lost")
def test_a_report_that_comes_while_we_part_doesn_t_hold_us_for_ever(free_port: Callable[[], int]) -> None:
    port = free_port()
    node = DicomNode(title="ARCHIVE", host="127.0.0.1", port=port, timeout_s=5)
    report = N_EVENT_REPORT()
    report.MessageID, report.EventTypeID = 1, 1
    report.AffectedSOPClassUID = StorageCommitmentPushModel
    report.AffectedSOPInstanceUID = StorageCommitmentPushModelInstance
    told = Dataset()
    told.TransactionUID = "1.2.3"
    report.EventInformation = BytesIO(encode(told, is_implicit_vr=True, is_little_endian=True) or b"")
    served = threading.Event()

    def serve(_: evt.Event) -> tuple[int, None]:
        served.set()
        return 0x0000, None

    handlers = [(evt.EVT_N_EVENT_REPORT, serve)]
    role = build_role(StorageCommitmentPushModel, scu_role=True)

    def part() -> None:
        contexts = [build_context(StorageCommitmentPushModel)]
        with call(node, contexts, None, handlers=handlers, roles=[role]) as line:
            association = line.association
            association._reactor_checkpoint.clear()  # as a release begins
            wait_for(lambda: association._is_paused)
            serving = threading.Thread(target=association._serve_request, args=(report, 1))  # as dimse.py does
            serving.start()
            serving.join()

    with ScriptedArchive(promises="silent").listening(port):
        parting = threading.Thread(target=part, daemon=True)
        parting.start()
        parting.join(30)
        assert not parting.is_alive()
    assert served.is_set()
