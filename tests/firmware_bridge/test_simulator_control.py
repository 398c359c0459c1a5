"""The control socket: what is said there happens, and no client can harm the unit."""

from __future__ import annotations

import contextlib
import json
import socket
import stat
import threading
from pathlib import Path

import pytest

from firmware_bridge.simulator import Scenario
from firmware_bridge.simulator.control import Control, ask, read_words, watch
from tests.firmware_bridge.rig import PATIENCE_S, Disk, Rig


@pytest.fixture
def control(rig: Rig, tmp_path: Path) -> Path:
    path = tmp_path / "control"
    rig.simulate(Scenario(speed=20), control=path)
    rig.wait_for_line("STANDBY")
    return path


def test_the_status_tells_how_the_unit_is(control: Path) -> None:
    status = ask(control, {"do": "status"})
    expected = {"ok": True, "state": "STANDBY", "plugged": True, "connected": False, "events": 1, "sets_received": 0}
    assert expected.items() <= status.items()


def test_what_is_said_happens(rig: Rig, disk: Disk, control: Path) -> None:
    rig.connect(disk)
    assert ask(control, {"do": "expose", "kv": 52, "ms": 20}) == {"ok": True, "did": "expose"}
    disk.wait_for_exposures(1)
    assert (disk.techniques[0].kvp, disk.techniques[0].exposure_time_ms) == (52.0, 20.0)
    assert ask(control, {"do": "unplug", "s": 0.05})["ok"]
    rig.wait_for_line("plugged")
    assert ask(control, {"do": "warm", "percent": 90})["ok"]
    assert ask(control, {"do": "status"})["heat_percent"] > 80


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"do": "explode"}, "explode"),
        ({"do": "drop", "frames": 0}, "frames"),
        ({"do": "settle"}, "scenario files"),
        ({"do": "expose", "kv": 155}, "technique"),
        ({}, "do"),
    ],
)
def test_what_can_t_be_done_is_said_to_be_so(control: Path, said: dict[str, object], complaint: str) -> None:
    answer = ask(control, said)
    assert not answer["ok"]
    assert complaint in answer["error"]


def test_a_second_press_is_refused_with_its_reason(control: Path) -> None:
    assert ask(control, {"do": "expose"})["ok"]
    assert "busy" in ask(control, {"do": "expose"})["error"]


def test_who_watches_is_told_what_the_unit_says(control: Path) -> None:
    heard: list[str] = []
    watching = threading.Event()

    def listen() -> None:
        lines = watch(control)
        watching.set()
        for line in lines:
            heard.append(line)
            if line.startswith("exposure"):
                return

    listener = threading.Thread(target=listen)
    listener.start()
    assert watching.wait(PATIENCE_S)
    while not heard:  # the watcher's own request may still be on its way: say something until it is heard
        ask(control, {"do": "fault", "code": "arc"})
    ask(control, {"do": "expose"})
    listener.join(PATIENCE_S)
    assert not listener.is_alive()
    assert any("READY" in line for line in heard)


@pytest.mark.parametrize("noise", [b"\n\n", b"{", b"[1]\n", b"\xff\xfe\n", b'"do"\n', b"x" * 200_000])
def test_no_noise_harms_it(control: Path, noise: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(control))
        connection.settimeout(PATIENCE_S)
        with contextlib.suppress(OSError):  # it may hang up on too much
            connection.sendall(noise)
    assert ask(control, {"do": "status"})["ok"]


def test_many_clients_and_one_that_never_reads_leave_the_unit_alone(control: Path) -> None:
    idle = []
    for _ in range(40):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(str(control))
        idle.append(connection)
    idle[0].sendall(b'{"do": "status"}\n' * 2000)
    for connection in idle[1:]:
        connection.close()
    status = {"ok": False}
    while not status["ok"]:
        try:
            status = ask(control, {"do": "status"})
        except OSError:
            continue  # still full of those that just left
    idle[0].close()


def test_only_its_owner_may_use_it_and_it_is_gone_afterwards(rig: Rig, control: Path) -> None:
    assert stat.S_IMODE(control.stat().st_mode) == 0o600
    rig.close()
    assert not control.exists()


def test_the_socket_of_a_killed_simulator_is_replaced_and_a_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / "control"
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(path))
    left.close()
    Control(path, lambda _: {}).close()
    path.write_text("precious", encoding="utf-8")
    with pytest.raises(OSError, match="in use"):
        Control(path, lambda _: {})
    assert path.read_text(encoding="utf-8") == "precious"


def test_words_are_read_as_json_where_they_are_and_as_words_else() -> None:
    words = ("fault", "code=arc", "active=false", "text=no one", "s=2.5")
    assert read_words(words) == {"do": "fault", "code": "arc", "active": False, "text": "no one", "s": 2.5}
    with pytest.raises(ValueError, match="NAME=VALUE"):
        read_words(("unplug", "2"))


def test_nobody_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ask(tmp_path / "nobody", {"do": "status"})


def test_no_descriptor_is_left_behind(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        Control(tmp_path / "control", lambda _: {}).close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_an_answer_is_one_line_of_json(control: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(str(control))
        connection.sendall(b'{"do": "corrupt"}\n{"do": "status"}\n')
        data = b""
        while data.count(b"\n") < 2:
            data += connection.recv(4096)
    assert [json.loads(line)["ok"] for line in data.splitlines()] == [True, True]
