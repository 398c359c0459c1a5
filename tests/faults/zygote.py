"""`calcedge run` whose processes are forked instead of started: what takes seconds of a processor takes milliseconds.

    python -m tests.faults.zygote CONFIG HOURS_PER_HOUR

One process loads and proves everything once, then forks the supervisor, again whenever it is killed; that forks the
services, those the worker. From there on each runs the product's own code. What differs from the product: the worker's
model was proven before the fork and not after it, its memory is not bounded (a fork has everybody's modules), and the
store's clock runs as many times faster as told.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

from edge import confine, log
from edge.clock import Clock, Stamp, SystemClock
from edge.config import load
from edge.detector import analyse as detector
from edge.detector.analyse import Analyser
from edge.intake.exposures import DurableSink
from edge.report.build import warm_up
from edge.runtime import RunFolder
from edge.services import bridge, worker
from edge.services.parent import PARENT_VARIABLE, die_with_parent
from edge.services.process import run_service
from edge.services.supervisor import SERVICES, Supervisor
from edge.signals import told_to_stop
from edge.store import Store
from edge.web.darkroom import Darkroom
from firmware_bridge.link import ReceivedEvent


class FastClock(SystemClock):
    """The machine's clock, faster from a moment on."""

    def __init__(self, began: Stamp, times: float) -> None:
        self._began = began
        self._times = times

    def now(self) -> Stamp:
        now = super().now()
        ns = self.fast_ns(now.monotonic_ns)
        return replace(now, utc=now.utc + timedelta(microseconds=(ns - now.monotonic_ns) / 1000), monotonic_ns=ns)

    def monotonic_s(self) -> float:
        return self.now().monotonic_ns / 1e9

    def fast_ns(self, monotonic_ns: int) -> int:
        """A moment of the machine's clock, on this one."""
        began_ns = self._began.monotonic_ns
        return began_ns + int((monotonic_ns - began_ns) * self._times)


class Forked:
    """As much of `subprocess.Popen` as the product uses, for its own commands."""

    def __init__(self, command: Sequence[str], *, pass_fds: Sequence[int] = (), env: dict[str, str]) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                os.setsid()  # as a service manager's: the kernel shares its time out by sessions
                os.environ[PARENT_VARIABLE] = env[PARENT_VARIABLE]
                code = _program(command[3:] if command[2] == "edge" else [command[2], *command[3:]], pass_fds)
            except BaseException:  # noqa: BLE001 - as the interpreter would
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        pause, left_s = threading.Event(), timeout if timeout is not None else 1e9
        while (code := self.poll()) is None:
            if left_s <= 0:
                raise subprocess.TimeoutExpired("forked", timeout or 0.0)
            pause.wait(0.02)
            left_s -= 0.02
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


CONFIG = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()


def _program(words: Sequence[str], kept: Sequence[int]) -> int:
    """What the command would have started. Descriptors of the parent are closed, as `exec` would."""
    os.closerange(3, min([*kept, 1 << 12]))
    for descriptor in kept:
        os.closerange(descriptor + 1, 1 << 12)
    if words[0] == "service":
        _named(words[1])
        return run_service(words[1], load(CONFIG), import_module(f"edge.services.{words[1]}").body)
    _named("worker")
    return worker.main([*words[2:]])


def _named(name: str) -> None:
    """What this process is called, so that others find it."""
    Path("/proc/self/comm").write_text(f"ce-{name}", encoding="ascii")


def _prepare(times: float) -> None:
    """Loads and proves what every process needs, and puts the forks and the clock in place."""
    config = load(CONFIG)
    analyser = Analyser(config.analysis.release, threads=1)
    analyser.self_test()
    warm_up()
    for service in SERVICES:
        import_module(f"edge.services.{service}")
    clock = FastClock(SystemClock().now(), times)
    opened = Store.open.__func__  # type: ignore[attr-defined]

    class Sink(DurableSink):
        def persist(self, arrived: Sequence[ReceivedEvent]) -> None:
            super().persist([replace(e, host_monotonic_ns=clock.fast_ns(e.host_monotonic_ns)) for e in arrived])

    def fast(cls: type[Store], root: Path, _clock: Clock | None = None) -> Any:
        return opened(cls, root, clock)

    mock.patch.object(Store, "open", classmethod(fast)).start()
    mock.patch.object(bridge, "DurableSink", Sink).start()
    mock.patch.object(detector, "Analyser", return_value=analyser).start()
    mock.patch.object(Analyser, "self_test").start()
    mock.patch.object(Darkroom, "warm_up").start()
    mock.patch.object(confine, "MEMORY_BYTES", 16 << 30).start()  # a fork has everybody's modules
    mock.patch.object(subprocess, "Popen", Forked).start()


def _supervise() -> None:
    """One supervisor's life."""
    die_with_parent()
    _named("supervisor")
    log.configure("supervisor")
    stop = told_to_stop()
    Supervisor(CONFIG, None, RunFolder(load(CONFIG).run_folder, SystemClock())).run(stop)


def main() -> None:
    """A supervisor, and another one whenever it is killed, until this process is told to stop."""
    _prepare(float(sys.argv[2]))
    print("ready", flush=True)
    told: list[int] = []
    supervisor = 0

    def stop(number: int, _frame: object) -> None:
        told.append(number)
        if supervisor:
            os.kill(supervisor, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    while not told:
        os.environ[PARENT_VARIABLE] = str(os.getpid())
        supervisor = os.fork()
        if supervisor == 0:
            try:
                _supervise()
            finally:
                os._exit(0)
        os.waitpid(supervisor, 0)


if __name__ == "__main__":
    main()
