"""The simulated port: a link that always names a live terminal, and hosts that come, go or never read."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.link import LinkReason
from firmware_bridge.port import PortLost, SerialPort
from firmware_bridge.simulator.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path / "unit")
    terminal.plug()
    yield terminal
    terminal.unplug()


def test_bytes_go_both_ways_raw(terminal: Terminal, tmp_path: Path) -> None:
    port = SerialPort(str(tmp_path / "unit"))
    everything = bytes(range(256))
    terminal.write(everything)
    received = b""
    while len(received) < 256:
        received += port.read()
    assert received == everything
    port.write(everything)
    assert terminal.read(1.0) == everything
    port.close()


def test_nobody_reading_neither_blocks_nor_fails(terminal: Terminal) -> None:
    begun = time.monotonic()
    for _ in range(200):
        terminal.write(b"x" * 1000)
        terminal.read(0.0)
    assert time.monotonic() - begun < 5.0


def test_waiting_for_nobody_waits(terminal: Terminal) -> None:
    begun = time.monotonic()
    assert terminal.read(0.05) == b""
    assert 0.045 <= time.monotonic() - begun < 0.5
    terminal.unplug()
    assert terminal.read(0.05) == b""
    assert time.monotonic() - begun >= 0.095


def test_a_host_may_go_and_come_back(terminal: Terminal, tmp_path: Path) -> None:
    for _ in range(5):
        port = SerialPort(str(tmp_path / "unit"))
        port.write(b"hello")
        assert terminal.read(1.0) == b"hello"
        port.close()
        terminal.write(b"nobody there")
        assert terminal.read(0.0) == b""


def test_replugging_gives_the_host_an_error_and_then_another_terminal(terminal: Terminal, tmp_path: Path) -> None:
    link = tmp_path / "unit"
    port = SerialPort(str(link))
    terminal.unplug()
    assert not link.exists()
    assert not link.is_symlink()
    with pytest.raises(PortLost):
        port.read()
    port.close()
    terminal.write(b"lost")
    terminal.plug()
    port = SerialPort(str(link))
    terminal.write(b"again")
    assert port.read() == b"again"
    port.close()


def test_the_link_of_a_killed_simulator_leads_nowhere(tmp_path: Path) -> None:
    link = tmp_path / "killed"
    program = f"""
import pathlib, time
from firmware_bridge.simulator.terminal import Terminal
Terminal(pathlib.Path({str(link)!r})).plug()
print("plugged", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as simulator:
        assert simulator.stdout is not None
        assert simulator.stdout.readline() == "plugged\n"
        SerialPort(str(link)).close()
        simulator.kill()
    strangers = [os.openpty() for _ in range(3)]  # one of them has the number that the dead one had
    assert link.is_symlink()
    with pytest.raises(PortLost) as lost:
        SerialPort(str(link))
    assert lost.value.reason is LinkReason.PORT_ABSENT
    for master, slave in strangers:
        os.close(master)
        os.close(slave)


def test_the_link_of_another_simulator_is_left_alone(terminal: Terminal, tmp_path: Path) -> None:
    other = Terminal(tmp_path / "unit")
    other.plug()
    theirs = (tmp_path / "unit").readlink()
    terminal.unplug()
    assert (tmp_path / "unit").readlink() == theirs
    other.unplug()
    assert not (tmp_path / "unit").is_symlink()


def test_no_descriptor_is_left_behind(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    terminal = Terminal(tmp_path / "again")
    for _ in range(20):
        terminal.plug()
        terminal.unplug()
        terminal.unplug()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_file_in_the_link_s_place_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("thesis", encoding="utf-8")
    with pytest.raises(FileExistsError):
        Terminal(tmp_path / "precious").plug()
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "thesis"


def test_a_reenumerated_port_is_another_device_at_once(terminal: Terminal, tmp_path: Path) -> None:
    link = tmp_path / "unit"
    port, before = SerialPort(str(link)), os.path.realpath(link)
    terminal.reenumerate()
    assert os.path.realpath(link) != before
    with pytest.raises(PortLost):
        port.read()
    port.close()
    port = SerialPort(str(link))
    terminal.write(b"here")
    assert port.read() == b"here"
    port.close()


def test_a_seized_port_is_busy_until_it_is_let_go(terminal: Terminal, tmp_path: Path) -> None:
    link = str(tmp_path / "unit")
    terminal.seize(held=True)
    with pytest.raises(PortLost) as lost:
        SerialPort(link)
    assert lost.value.reason is LinkReason.PORT_BUSY
    terminal.seize(held=False)
    SerialPort(link).close()


def test_a_port_that_a_host_holds_can_t_be_seized(terminal: Terminal, tmp_path: Path) -> None:
    port = SerialPort(str(tmp_path / "unit"))
    with pytest.raises(BlockingIOError):
        terminal.seize(held=True)
    port.close()
