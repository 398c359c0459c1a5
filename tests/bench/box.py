"""The whole appliance on its box: cold start, memory, disk writes, ports, hardening; with the real processes.

`tests/services/test_whole_box.py` holds the appliance to the same figures.
"""

from __future__ import annotations

import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from tests.bench.figure import Figure, at_most, plain
from tests.bench.latency import ten_megabytes
from tests.peers.appliance import Appliance
from tests.peers.scan import free_port, open_tcp
from tests.peers.sender import one_association
from tests.peers.started import Started, pss_mib, written_bytes
from tests.peers.stranger import answers, echo_as
from tests.systemd.units import MOST_EXPOSED, exposure

_STARTS: Final = 3
_FILMS: Final = 8
_MIB: Final = 1 << 20
_WAITING: Final = (psutil.CONN_LISTEN, psutil.CONN_NONE)
"""States of sockets that strangers can reach: TCP, and UDP."""
IMAGE_BUDGET_MB: Final = 50.0
"""What a film of 10.5 MB may write with one folder as destination: itself and its results, each once into the store and
once into the folder, and what the database and its journal need. Stated in docs/install.md."""
IDLE_BUDGET_MB: Final = 1.0
"""What an hour without images may write. Stated in docs/install.md."""


def demo(folder: Path) -> Iterator[Figure]:
    """What `make demo ONCE=1` runs once everything is set up: one exposure, its results, the end."""
    began_s = time.monotonic()
    command = [sys.executable, "-m", "edge", "demo", "--once", "--data", str(folder / "demo")]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-300:]
    yield at_most("the demo, once", time.monotonic() - began_s, "s", 20.0, "`calcedge demo --once`, set-up not counted")


def hardening(_folder: Path) -> Iterator[Figure]:
    """How exposed each unit is, of 10."""
    for service, most in MOST_EXPOSED.items():
        how = "systemd-analyze security --offline"
        yield at_most(f"exposure of calcedge-{service}", exposure(service), "of 10", most, how)


def cold_start(folder: Path) -> Iterator[Figure]:
    """All processes at once, as systemd starts them, until the last said READY: its model is proven by then."""
    walls, works = [], []
    for number in range(_STARTS):
        place = folder / str(number)
        place.mkdir()
        with Started(configuration(place), place) as started:
            walls.append(max(started.ready_s.values()))
            works.append(started.cpu_s())
    how = f"all processes started at once, files in the page cache, least of {_STARTS}"
    yield at_most("cold start to READY, golden test included", min(walls), "s", 4.0, how)
    yield plain("cold start, median", statistics.median(walls), "s", "the same starts")
    yield plain("cold start, processor time of all processes", min(works), "s", "the same starts, least")


def footprint(folder: Path, films: int = _FILMS) -> Iterator[Figure]:
    """Memory of all processes together: after a quiet moment, and the most while films of 10.5 MB come and are seen."""
    with running(folder, images=0) as appliance:
        time.sleep(5)
        idle = _memory(appliance)
        most, stop = [idle], threading.Event()

        def watch() -> None:
            while not stop.wait(0.2):
                most.append(_memory(appliance))

        watcher = threading.Thread(target=watch)
        watcher.start()
        for number, _ in enumerate(one_association(appliance.dicom_port, map(ten_megabytes, range(films)))):
            appliance.get(f"/images/{number + 1}/film")
        appliance.wait_delivered(films, 300)
        stop.set()
        watcher.join()
    how = "sum of the proportional set sizes (PSS) of all processes of `calcedge run`"
    yield at_most("memory of all processes, idle", idle, "MiB", 450.0 * 1e6 / _MIB, f"{how}; asked: 450 MB")
    how = f"{how}; most of {len(most)} samples, {films} films of 10.5 MB come and are looked at; asked: 900 MB"
    yield at_most("memory of all processes, at work", max(most), "MiB", 900.0 * 1e6 / _MIB, how)


def disk_writes(folder: Path, films: int = _FILMS, idle_s: float = 30.0) -> Iterator[Figure]:
    """What the processes cause to be written, per image and in an idle hour; the run folder in memory, as on a box."""
    with running(folder, images=1) as appliance:
        before, began_s = _written(appliance), time.monotonic()
        time.sleep(idle_s)
        hourly = (_written(appliance) - before) / (time.monotonic() - began_s) * 3600
        before = _written(appliance)
        send(appliance, range(1, films + 1))
        each = (_written(appliance) - before) / films
    how = f"write_bytes of all processes (proc(5)), {films} films of 10.5 MB, one folder as destination"
    yield at_most("disk writes for each image", each / 1e6, "MB", IMAGE_BUDGET_MB, how)
    yield at_most(
        "disk writes in an idle hour", hourly / 1e6, "MB", IDLE_BUDGET_MB, f"from {idle_s:g} s without images"
    )


def ports(folder: Path) -> Iterator[Figure]:
    """Every port of a running appliance that listens, and what each tells somebody without credentials."""
    with running(folder, images=1, more='peers = [{ title = "UNIT" }]') as appliance:
        switched_on = {appliance.dicom_port, appliance.web_port}
        sockets = [one for process in appliance.processes() for one in process.net_connections("inet")]
        taken = [(one.type, one.laddr.port) for one in sockets if one.status in _WAITING]
        strange = [port for kind, port in taken if kind != socket.SOCK_STREAM or port not in switched_on]
        answered = set(open_tcp("127.0.0.1", [port for _, port in taken]))
        told = answers(appliance)
        echoes = echo_as(appliance.dicom_port, "STRANGER"), echo_as(appliance.dicom_port, "UNIT")
    how = "sockets of all processes, TCP and UDP, IPv4 and IPv6; each connected to"
    yield at_most("ports that nobody switched on", len(strange), "", 0, how)
    yield plain("ports that answer", len(answered), "", f"{how}; DICOM and the page")
    how = f"each of {told.asked} addresses of the page, asked without a session; open: {', '.join(told.open)}"
    yield at_most("addresses that tell a stranger more than health and the way in", len(told.more), "", 0, how)
    how = "C-ECHO by a title that is not on the list of peers, and by one that is"
    yield at_most("associations that a stranger gets", int(echoes[0]) + int(not echoes[1]), "", 0, how)


def send(appliance: Appliance, numbers: range) -> None:
    """Sends films of 10.5 MB and waits until everything of them was delivered."""
    for _ in one_association(appliance.dicom_port, map(ten_megabytes, numbers)):
        pass
    appliance.wait_delivered(numbers.stop, 300)


def configuration(folder: Path) -> Path:
    """A configuration with ports of its own."""
    path = folder / "calcedge.toml"
    ports = [free_port(), free_port()]
    path.write_text(f'data = "{folder}/data"\n[dicom]\nport = {ports[0]}\n[web]\nport = {ports[1]}\n', encoding="utf-8")
    return path


@contextmanager
def running(folder: Path, *, images: int, more: str = "") -> Iterator[Appliance]:
    """An appliance that has taken so many images, with its run folder in memory."""
    run = Path("/dev/shm") / f"calcedge-{folder.name}"  # in memory, as /run is on a box
    try:
        with Appliance(folder / "appliance", f'run = "{run}"\n[intake]\nreserve_mb = 1', dicom=more) as appliance:
            if images:
                send(appliance, range(images))
            yield appliance
    finally:
        shutil.rmtree(run, ignore_errors=True)


def _memory(appliance: Appliance) -> float:
    total = 0.0
    for process in appliance.processes():
        try:
            total += pss_mib(process)
        except (FileNotFoundError, ProcessLookupError, StopIteration):
            continue  # it has just ended
    return total


def _written(appliance: Appliance) -> int:
    return sum(written_bytes(process) for process in appliance.processes())
