"""Who runs the application's processes: the launcher, as one session, or systemd, as units. Standard library only.

What always holds: after `stop` or `kill` none of the processes that ran is left. Under systemd the next ones come by
themselves, and each starts what the state names then (`edge.fleet.start`).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol

from edge.fleet.attempt import kill_all, limit_memory
from edge.fleet.installed import Application

PARENT_VARIABLE: Final = "CALCEDGE_PARENT"
_LOOK_S: Final = 0.05


class Crew(Protocol):
    """The processes of one start of the application."""

    def ended(self) -> int | None:
        """The exit code, once the application ended by itself."""

    def stop(self, seconds: float) -> bool:
        """Tells all to stop, and ends what is left after `seconds`. Whether that was nothing."""

    def kill(self) -> None:
        """Ends all at once."""


class Session:
    """One child and all that it starts."""

    def __init__(self, application: Application, arguments: Iterable[str]) -> None:
        self.process = subprocess.Popen(
            application.command("run", *arguments),
            env=application.environment() | {PARENT_VARIABLE: str(os.getpid())},
            start_new_session=True,
        )
        limit_memory(self.process.pid, application.memory_mb)

    def ended(self) -> int | None:
        """See `Crew`."""
        return self.process.poll()

    def stop(self, seconds: float) -> bool:
        """See `Crew`."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        else:
            return True
        finally:
            kill_all(self.process)

    def kill(self) -> None:
        """See `Crew`."""
        kill_all(self.process)


class Units:
    """Processes that systemd keeps, under the same account. What runs another release than asked is ended."""

    def __init__(self, application: Application, run_folder: Path, seconds: float) -> None:
        self._run_folder = run_folder
        self._names = application.pulses
        running = self._running()
        _end({pid for pid, release in running.items() if release != application.release}, seconds)

    def ended(self) -> int | None:
        """See `Crew`: units never end as one."""
        return None

    def stop(self, seconds: float) -> bool:
        """See `Crew`."""
        return _end(set(self._running()), seconds)

    def kill(self) -> None:
        """See `Crew`."""
        _end(set(self._running()), 0.0)

    def _running(self) -> Mapping[int, str]:
        """The release of each process that lives."""
        found = {}
        for name in self._names:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                body = json.loads(_note(self._run_folder, name).read_bytes())
                if _lives(int(body["pid"])):
                    found[int(body["pid"])] = str(body["release"])
        return found


def remember(run_folder: Path, name: str, release: str) -> None:
    """Writes down which release the calling process is about to become; it starts even where nothing can be written."""
    temporary = run_folder / f".{name}.{os.getpid()}.release"
    with contextlib.suppress(OSError):
        run_folder.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps({"pid": os.getpid(), "release": release}), encoding="ascii")
        temporary.replace(_note(run_folder, name))


def _note(run_folder: Path, name: str) -> Path:
    return run_folder / f"{name}.release"


def _end(pids: set[int], seconds: float) -> bool:
    """Ends these processes, by force after `seconds`. Whether force was not needed."""
    _signal(pids, signal.SIGTERM)
    end_s = time.monotonic() + seconds
    while (left := {pid for pid in pids if _lives(pid)}) and time.monotonic() < end_s:
        time.sleep(_LOOK_S)
    _signal(left, signal.SIGKILL)
    return not left


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # another account's: the number was given away
    return True
