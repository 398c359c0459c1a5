"""A node that can't answer itself says so."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import time

from edge.config import Dicom, DicomNode, Peer
from edge.intake.pulse import Pulse
from edge.intake.receive import Reception
from edge.intake.scp import StoreScp
from edge.store import Store


def _pulse(port: int) -> Pulse:
    node = DicomNode(title="CALCEDGE", host="127.0.0.1", port=port, timeout_s=1)
    return Pulse(node, None)


def test_it_is_felt_behind_an_allow_list_and_when_all_places_are_taken(
    store: Store, free_port: Callable[[], int]
) -> None:
    settings = Dicom(port=free_port(), max_associations=1, peers=(Peer(title="UNIT"),))
    with StoreScp(settings, Reception(store, 0), store.objects):
        pulse = _pulse(settings.port)
        pulse.feel()
        pulse.feel()
        assert pulse.felt
        unit = AE(ae_title="UNIT")
        unit.add_requested_context(Verification)
        association = unit.associate("127.0.0.1", settings.port, ae_title="CALCEDGE")
        assert association.is_established
        for _ in range(3):
            pulse.feel()
            assert pulse.felt
        association.release()


@pytest.mark.requirement("a failure is said")
def test_a_node_that_hangs_is_told_after_two_misses_and_forgiven_after_one_answer(
    store: Store, free_port: Callable[[], int]
) -> None:
    settings = Dicom(port=free_port())
    pulse = _pulse(settings.port)
    with socket.create_server(("127.0.0.1", settings.port)):  # it accepts, and does no more
        felt = [_after_feeling(pulse) for _ in range(3)]
    with StoreScp(settings, Reception(store, 0), store.objects):
        felt.append(_after_feeling(pulse))
    assert felt == [True, False, False, True]


def _after_feeling(pulse: Pulse) -> bool:
    pulse.feel()
    return pulse.felt
