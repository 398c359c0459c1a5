"""The serial port on a pseudo-terminal: every way to fail is a PortLost with its reason."""

from __future__ import annotations

import os
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.link import LinkReason
from firmware_bridge.port import READ_WAIT_S, Backoff, ListeningPort, PortLost, PortOpener, SerialPort


@pytest.fixture
def ends() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(slave)
    try:
        os.close(master)
    except OSError:
        return  # the test pulled the plug


def test_bytes_go_both_ways_and_zeros_are_bytes_like_others(ends: tuple[int, str]) -> None:
    master, name = ends
    port = SerialPort(name)
    port.write(b"\x00\x11\x13\x0a\x0d\xff")
    assert os.read(master, 100) == b"\x00\x11\x13\x0a\x0d\xff"
    os.write(master, bytes(range(256)))
    received = b""
    while len(received) < 256:
        received += port.read()
    assert received == bytes(range(256))
    port.close()


either = pytest.mark.parametrize("open_port", [SerialPort, ListeningPort])


@either
def test_a_quiet_line_returns_nothing_after_the_wait(ends: tuple[int, str], open_port: PortOpener) -> None:
    port = open_port(ends[1])
    begun = time.monotonic()
    assert port.read() == b""
    assert READ_WAIT_S * 0.9 <= time.monotonic() - begun < 0.5
    port.close()


@either
def test_while_bytes_collect_their_coming_wakes_nobody(ends: tuple[int, str], open_port: PortOpener) -> None:
    port = open_port(ends[1])
    os.write(ends[0], b"one ")
    os.write(ends[0], b"two")
    begun = time.monotonic()
    port.collect(0.1)
    assert time.monotonic() - begun >= 0.09
    assert port.read() == b"one two"
    port.close()
    with pytest.raises(PortLost):
        port.collect(0.1)


@either
def test_a_pulled_plug_ends_the_collecting_at_once(open_port: PortOpener) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    port = open_port(os.ttyname(slave))
    os.close(slave)
    os.close(master)
    begun = time.monotonic()
    port.collect(10.0)
    assert time.monotonic() - begun < 2.0
    with pytest.raises(PortLost):
        port.read()
    port.close()


@either
def test_a_port_that_is_not_there_is_absent(tmp_path: Path, open_port: PortOpener) -> None:
    with pytest.raises(PortLost) as lost:
        open_port(str(tmp_path / "nothing"))
    assert lost.value.reason is LinkReason.PORT_ABSENT


@either
@pytest.mark.parametrize("holder", [SerialPort, ListeningPort])
def test_a_port_that_another_holds_is_busy(ends: tuple[int, str], open_port: PortOpener, holder: PortOpener) -> None:
    first = holder(ends[1])
    with pytest.raises(PortLost) as lost:
        open_port(ends[1])
    assert lost.value.reason is LinkReason.PORT_BUSY
    first.close()
    SerialPort(ends[1]).close()


@either
def test_a_file_is_no_port(tmp_path: Path, open_port: PortOpener) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PortLost) as lost:
        open_port(str(tmp_path / "file"))
    assert lost.value.reason is LinkReason.PORT_LOST


def test_a_pulled_plug_is_lost_at_once_for_reading_and_writing() -> None:
    for use in (SerialPort.read, lambda port: port.write(b"x")):
        master, slave = os.openpty()
        tty.setraw(slave)
        port = SerialPort(os.ttyname(slave))
        os.close(slave)
        os.close(master)
        begun = time.monotonic()
        with pytest.raises(PortLost) as lost:
            use(port)
        assert lost.value.reason is LinkReason.PORT_LOST
        assert time.monotonic() - begun < 0.5
        port.close()
        port.close()  # again does no harm
        with pytest.raises(PortLost):
            use(port)


def test_a_pulled_plug_is_lost_at_once_for_a_listener() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    port = ListeningPort(os.ttyname(slave))
    os.close(slave)
    os.close(master)
    begun = time.monotonic()
    with pytest.raises(PortLost) as lost:
        port.read()
    assert lost.value.reason is LinkReason.PORT_LOST
    assert time.monotonic() - begun < 0.5
    port.close()
    port.close()  # again does no harm
    for use in (port.read, port.fileno):
        with pytest.raises(PortLost):
            use()


def test_a_stalled_line_does_not_block_for_ever(ends: tuple[int, str]) -> None:
    port = SerialPort(ends[1])
    begun = time.monotonic()
    with pytest.raises(PortLost):
        for _ in range(100):
            port.write(b"x" * 4096)
    assert time.monotonic() - begun < 2.0
    port.close()


def test_waits_stay_short_for_five_seconds_then_grow_to_two() -> None:
    backoff = Backoff()
    waits = [backoff.next_s() for _ in range(200)]
    assert all(0.04 <= wait <= 0.05 for wait in waits[:100])
    assert 4.0 < sum(waits[:100]) <= 5.0
    assert all(1.6 <= wait <= 2.0 for wait in waits[110:])
    backoff.reset()
    assert backoff.next_s() <= 0.05
