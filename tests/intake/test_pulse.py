"""A node that can't answer itself says so."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import time

from edge.config import Dicom, DicomNode, Peer
from edge.intake.pulse import Pulse
from edge.intake.receive import Reception
from edge.intake.scp import StoreScp
from edge.store import Store
from tests.peers.waiting import wait_for


def _pulse(port: int, timeout_s: float = 15.0) -> Pulse:
    node = DicomNode(title="CALCEDGE", host="127.0.0.1", port=port, timeout_s=timeout_s)
    return Pulse(node, None, lambda: False)


def test_it_is_felt_behind_an_allow_list(store: Store, free_port: Callable[[], int]) -> None:
    settings = Dicom(port=free_port(), max_associations=1, peers=(Peer(title="UNIT"),))
    with StoreScp(settings, Reception(store, 0), store.objects):
        pulse = _pulse(settings.port)
        assert [_after_feeling(pulse) for _ in range(3)] == [True] * 3


def test_no_sender_gives_way_to_it(store: Store, free_port: Callable[[], int]) -> None:
    settings = Dicom(port=free_port(), max_associations=1)
    with StoreScp(settings, Reception(store, 0), store.objects) as scp:
        node = DicomNode(title="CALCEDGE", host="127.0.0.1", port=settings.port, timeout_s=15)
        pulse = Pulse(node, None, lambda: scp.associations >= 1)
        unit = AE(ae_title="UNIT")
        unit.add_requested_context(Verification)
        association = unit.associate("127.0.0.1", settings.port, ae_title="CALCEDGE")
        assert association.is_established
        wait_for(lambda: scp.associations == 1)
        time.sleep(1.1)  # idle for long enough to give way
        assert _after_feeling(pulse)
        assert association.send_c_echo().Status == 0x0000
        association.release()


@pytest.mark.requirement("a failure is said")
def test_a_node_that_hangs_is_told_after_two_misses_and_forgiven_after_one_answer(
    store: Store, free_port: Callable[[], int]
) -> None:
    settings = Dicom(port=free_port())
    pulse = _pulse(settings.port, timeout_s=3)
    with socket.create_server(("127.0.0.1", settings.port)):  # it accepts, and does no more
        felt = [_after_feeling(pulse) for _ in range(3)]
    with StoreScp(settings, Reception(store, 0), store.objects):
        felt.append(_after_feeling(pulse))
    assert felt == [True, False, False, True]


def _after_feeling(pulse: Pulse) -> bool:
    pulse.feel()
    return pulse.felt
