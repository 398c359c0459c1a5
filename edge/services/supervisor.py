"""All processes under one parent, on one machine, with no systemd: for the demo, for tests and for small sites.

A process that ends is started again, after a pause that grows while it keeps ending soon; one whose loop stands still
is killed and started again, as systemd's watchdog would. A start that is slow is no hang: as long as it uses the
processor it gets on. When the supervisor dies, however that happens, the kernel takes its children with it: nothing is
left behind that holds a port.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from edge.clock import Clock, SystemClock
from edge.runtime import RunFolder
from edge.services.parent import child_environment

SERVICES: Final = ("bridge", "dicom", "analyze", "web")
_POLL_S: Final = 0.05
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_STEADY_S: Final = 10.0
_PATIENCE_S: Final = 8.0
"""Of all together, from the word to stop until those that are left are killed: less than systemd's."""
SILENT_S: Final = 30.0
"""A process that has not said anything for so long hangs: the watchdog of the units in systemd/."""
STALLED_S: Final = 90.0
"""One that starts, and has used no processor for so long, hangs."""
STARTING_S: Final = 900.0
"""So long may a start take on a machine that has other things to do."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Child:
    service: str
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    due_s: float = 0.0
    pause_s: float = _FIRST_PAUSE_S
    heard: bool = False
    used_s: float = 0.0
    moved_s: float = 0.0
    killed: bool = False


class Supervisor:
    """Starts the services and keeps them going until `stop` is set. `run`: where they say that they live."""

    def __init__(self, config_path: Path | None, data: Path | None, run: RunFolder, clock: Clock | None = None) -> None:
        self._run = run
        self._arguments = [
            *(["--config", str(config_path)] if config_path else []),
            *(["--data", str(data)] if data else []),
        ]
        self._clock = clock or SystemClock()
        self._children = [_Child(service) for service in SERVICES]

    def run(self, stop: threading.Event) -> None:
        """Blocks until `stop` is set, then ends the services in good order."""
        try:
            while True:
                self._look_after()
                if stop.wait(_POLL_S):
                    return
        finally:
            self._end()

    def _look_after(self) -> None:
        now_s = self._clock.monotonic_s()
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                log.warning("process ended", service=child.service, code=child.process.returncode)
                steady = now_s - child.started_s > _STEADY_S
                child.pause_s = _FIRST_PAUSE_S if steady else min(_LONGEST_PAUSE_S, child.pause_s * 2)
                child.process, child.due_s = None, now_s + child.pause_s
            if child.process is None and now_s >= child.due_s:
                self._start(child, now_s)
            elif child.process is not None and not child.killed and self._hangs(child, child.process.pid, now_s):
                log.error("process hangs", service=child.service)
                child.process.kill()
                child.killed = True

    def _start(self, child: _Child, now_s: float) -> None:
        command = [sys.executable, "-m", "edge", "service", child.service, *self._arguments]
        try:
            child.process = subprocess.Popen(command, env=child_environment())
        except OSError as error:  # no memory, or no more processes: the others go on, and this one is tried again
            log.error("process can't be started", service=child.service, error=type(error).__name__)
            child.pause_s = min(_LONGEST_PAUSE_S, child.pause_s * 2)
            child.due_s = now_s + child.pause_s
        child.started_s, child.heard, child.used_s, child.moved_s, child.killed = now_s, False, 0.0, now_s, False

    def _hangs(self, child: _Child, pid: int, now_s: float) -> bool:
        """Whether its word is too old. Nobody is judged by the silence of a status that can't be written."""
        if now_s - child.started_s < SILENT_S or not self._run.writable:
            return False
        status = self._run.read(child.service)
        silent_s = status.age_s if status is not None and status.pid == pid else None
        if status is not None and silent_s is not None and not status.facts.get("starting"):
            child.heard = True
            return silent_s > SILENT_S
        return not child.heard and self._stalls(child, pid, now_s)

    @staticmethod
    def _stalls(child: _Child, pid: int, now_s: float) -> bool:
        """Whether one that starts gets on no more."""
        used_s = processor_s(pid)
        if used_s > child.used_s:
            child.used_s, child.moved_s = used_s, now_s
        return now_s - child.moved_s > STALLED_S or now_s - child.started_s > STARTING_S

    def _end(self) -> None:
        living = [(child.service, child.process) for child in self._children if child.process is not None]
        for _, process in living:
            process.send_signal(signal.SIGTERM)
        until_s = self._clock.monotonic_s() + _PATIENCE_S
        for service, process in living:
            try:
                process.wait(max(0.0, until_s - self._clock.monotonic_s()))
            except subprocess.TimeoutExpired:
                log.error("process doesn't end", service=service)
                process.kill()
                process.wait()


def processor_s(pid: int) -> float:
    """What a process of ours has used of the processors (proc(5), stat); nothing, when it has just ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
