"""The appliance's processes as systemd starts them: each is its own, and says READY over a socket of its own."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import psutil

from edge.services.supervisor import SERVICES


class Started:
    """The services of one configuration, all started at once. Use as a context manager.

    Attributes:
        ready_s: after how many seconds each said READY, in the order in which they did.
    """

    def __init__(self, config: Path, folder: Path) -> None:
        self._config, self._folder = config, folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ready_s: dict[str, float] = {}

    def __enter__(self) -> Self:
        """Starts all, and waits until the last is ready."""
        began_s = time.monotonic()
        with selectors.DefaultSelector() as waiting, (self._folder / "log").open("ab") as log:
            for service in SERVICES:
                line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                line.bind(str(self._folder / service))
                waiting.register(line, selectors.EVENT_READ, service)
                command = [sys.executable, "-m", "edge", "service", service, "--config", str(self._config)]
                told = os.environ | {"NOTIFY_SOCKET": str(self._folder / service)}
                self._processes[service] = subprocess.Popen(command, env=told, stdout=log, stderr=log)
            while len(self.ready_s) < len(SERVICES):
                for key, _ in waiting.select():
                    assert isinstance(key.fileobj, socket.socket)
                    if b"READY=1" in key.fileobj.recv(4096) and key.data not in self.ready_s:
                        self.ready_s[key.data] = time.monotonic() - began_s
            for key in list(waiting.get_map().values()):
                waiting.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]  # a socket
        return self

    def __exit__(self, *_: object) -> None:
        """Ends all."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(30)

    def processes(self) -> list[psutil.Process]:
        """All that run, with those that they started."""
        found = [psutil.Process(process.pid) for process in self._processes.values()]
        return found + [child for process in found for child in process.children(recursive=True)]

    def cpu_s(self) -> float:
        """Processor seconds that all of them have used."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes())


def pss_mib(process: psutil.Process) -> float:
    """Proportional set size: a page that n processes share counts 1/n in each (proc(5), smaps_rollup)."""
    rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024


def written_bytes(process: psutil.Process) -> int:
    """What the process caused to be written to the disk (proc(5), io)."""
    told = Path(f"/proc/{process.pid}/io").read_text(encoding="ascii").split()
    return int(told[told.index("write_bytes:") + 1])
