"""What the service manager is told, and the socket it hands over."""

from __future__ import annotations

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


def test_the_socket_that_was_handed_over_is_used() -> None:
    """As systemd does it: the listener is descriptor 3, and the environment names the process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        code = (
            "import os; os.environ['LISTEN_PID'] = str(os.getpid())\n"
            "from edge.services.manager import inherited_listeners\n"
            "print(inherited_listeners()[0].getsockname()[1])"
        )
        done = subprocess.run(
            [sys.executable, "-c", f"import os\nos.dup2({listener.fileno()}, 3)\n{code}"],
            env=os.environ | {"LISTEN_FDS": "1"},
            pass_fds=(listener.fileno(),),
            capture_output=True,
            text=True,
            check=True,
        )
        assert int(done.stdout) == listener.getsockname()[1]
