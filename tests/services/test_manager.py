"""What the service manager is told, and the socket it hands over."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.runtime import RunFolder
from edge.services.manager import inherited_listeners, notify
from edge.services.process import Beat


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    line.bind(str(tmp_path / "notify"))
    line.settimeout(5)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    return line


def test_a_beat_of_the_working_loop_feeds_the_watchdog(manager: socket.socket, tmp_path: Path) -> None:
    with manager:
        Beat("web", RunFolder(tmp_path / "run", SystemClock()), SystemClock())({"serving": True})
        assert manager.recv(200) == b"READY=1\nWATCHDOG=1"


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify("READY=1")
    assert inherited_listeners() == []


def test_the_sockets_that_were_handed_over_are_used_by_their_names() -> None:
    """As systemd does it: descriptors from 3 on, in any order, and the environment names them and the process."""
    with socket.create_server(("127.0.0.1", 0)) as tls, socket.create_server(("127.0.0.1", 0)) as plain:
        code = (
            "import os; os.environ['LISTEN_PID'] = str(os.getpid())\n"
            "from edge.services.manager import inherited_listeners\n"
            "print(*((name, one.getsockname()[1]) for name, one in inherited_listeners()))"
        )
        ends = [fcntl.fcntl(one, fcntl.F_DUPFD, 50) for one in (tls, plain)]
        done = subprocess.run(
            [sys.executable, "-c", f"import os\nos.dup2({ends[0]}, 3)\nos.dup2({ends[1]}, 4)\n{code}"],
            env=os.environ | {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "tls:plain"},
            pass_fds=ends,
            capture_output=True,
            text=True,
            check=True,
        )
        for end in ends:
            os.close(end)
        assert done.stdout == f"{('tls', tls.getsockname()[1])} {('plain', plain.getsockname()[1])}\n"
