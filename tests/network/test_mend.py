"""What is mended in the DICOM library."""

from __future__ import annotations

import socket
import time
import warnings
from collections.abc import Callable

import pytest
from pynetdicom.timer import Timer

from edge.config import DicomNode
from edge.errors import DeliveryError
from edge.network.calling import call, echo
from edge.network.mend import mend


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
