"""Twenty screens follow an hour of work: the page's own process, and clients that do what its script does.

An hour is 120 images, each in its steps (received, admitted, analysed, reported, sent, confirmed), with the unit's
states around them. `hour` takes an hour; `many` does the same work in five minutes. Every screen must show every
outcome, or something newer; now and then one goes away, misses an image and comes back.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import math
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image as Pixels

from edge.clock import SystemClock
from edge.people import site
from edge.runtime import RunFolder
from edge.store import events, parcels
from edge.store.images import Image
from edge.store.parcels import ParcelState
from edge.types import Analysed
from edge.web.access import COOKIE, REFRESH_HEADER
from edge.web.live import RETRY_MS, STREAMS_TOTAL
from tests.bench.figure import Figure, at_least, at_most, plain
from tests.web.appliance import Appliance, findings, lesion

SCREENS = 20
IMAGES = 120
HOUR_S = 3600.0
MANY_S = 300.0
_AWAY_EVERY = 8
"""Before every so many images one screen goes away; it comes back after the outcome."""
_PATIENCE_S = 20.0
_SAMPLE_S = 2.0
_VERSION = re.compile(r'data-version="([^"]*)"')
_SHOWN = re.compile(r'class="verdict ([a-z_-]+)" data-image="(\d+)"')
_PICTURE = re.compile(r'(/images/\d+/picture\.png\?[^"]*)"')


@dataclass
class Screen(threading.Thread):
    """One open Now page: fetches itself when told, fetches the picture of a new image, opens its stream again."""

    port: int
    number: int
    session: str
    shown: list[tuple[float, int, bool]] = field(default_factory=list)
    """What the page showed, and since when: an image, and whether with its outcome."""
    version: str = ""
    opened: int = 0
    away: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    failed: int = 0
    """Requests that failed or took longer than `_PATIENCE_S`, and were asked again."""
    line: socket.socket | None = None

    __hash__ = threading.Thread.__hash__

    def __post_init__(self) -> None:
        super().__init__(name=f"screen-{self.number}", daemon=True)

    def run(self) -> None:
        while not self.ended.is_set():
            if self.away.is_set():
                time.sleep(0.05)
                continue
            try:
                self._look()
                self._follow()
            except (OSError, http.client.HTTPException):
                if not self.away.is_set() and not self.ended.is_set():
                    self.failed += 1
                    time.sleep(RETRY_MS / 1000)

    def leave(self) -> None:
        """Goes away in the middle of everything, as a tablet does that leaves the Wi-Fi."""
        self.away.set()
        if self.line:
            with contextlib.suppress(OSError):  # it is just between two streams
                self.line.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        """Looks again."""
        self.away.clear()

    def delay_s(self, image: int, since_s: float) -> float | None:
        """How long after a moment the page showed an image's outcome or something newer; None: never."""
        fits = (at for at, shown, done in self.shown if shown > image or (shown == image and done))
        first = next(fits, None)
        return None if first is None else max(0.0, first - since_s)

    def _follow(self) -> None:
        """One stream, until it ends or the screen goes away."""
        with self._asked(f"/events?seen={self.version}", stays=True) as stream:
            self.opened += 1
            while line := stream.readline():
                if self.ended.is_set():
                    return
                if line.startswith(b"event: changed"):
                    self._look()
        if not self.away.is_set():
            time.sleep(RETRY_MS / 1000)  # the stream's life is over

    def _look(self) -> None:
        with self._asked("/") as answer:
            page = answer.read().decode()
        self.version = _VERSION.findall(page)[0]
        found = _SHOWN.search(page)
        if not found:
            return
        now = int(found[2]), found[1] != "pending"
        if not self.shown or self.shown[-1][1:] != now:
            self.shown.append((time.monotonic(), *now))
            picture = _PICTURE.search(page)
            if picture:
                with self._asked(picture[1].replace("&amp;", "&")) as answer:
                    answer.read()

    @contextlib.contextmanager
    def _asked(self, path: str, *, stays: bool = False) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_S)
        with contextlib.closing(connection):
            cookies = f"{COOKIE}={self.session}; calcedge_visitor={self.number:032d}"
            connection.request("GET", path, headers={"Cookie": cookies, REFRESH_HEADER: "1"})
            self.line = connection.sock if stays else self.line
            with connection.getresponse() as response:
                assert response.status == 200, response.status
                yield response


@dataclass
class Gauge(threading.Thread):
    """The page's process, looked at every two seconds: memory of its own, threads, descriptors."""

    process: psutil.Process
    ended: threading.Event = field(default_factory=threading.Event)
    megabytes: list[float] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    __hash__ = threading.Thread.__hash__

    def __post_init__(self) -> None:
        super().__init__(name="gauge", daemon=True)

    def run(self) -> None:
        while not self.ended.wait(_SAMPLE_S):
            self.megabytes.append(self.process.memory_full_info().uss / 1e6)
            self.threads.append(self.process.num_threads())
            self.descriptors.append(self.process.num_fds())

    def fifths(self) -> list[float]:
        """The middle of what was needed in each fifth of the time, megabytes. In the first two caches may fill."""
        count = len(self.megabytes)
        parts = [sorted(self.megabytes[part * count // 5 : (part + 1) * count // 5]) for part in range(5)]
        return [part[len(part) // 2] for part in parts]


def hour(folder: Path) -> Iterator[Figure]:
    """An hour's work in an hour."""
    return _crowd(folder, HOUR_S)


def many(folder: Path) -> Iterator[Figure]:
    """An hour's work in five minutes."""
    return _crowd(folder, MANY_S)


def _crowd(folder: Path, wall_s: float) -> Iterator[Figure]:
    appliance = Appliance(folder)
    appliance.run = RunFolder(appliance.config.run_folder, SystemClock())
    appliance.app()  # sets it up
    site.change(appliance.store, {"screen_lock_minutes": 120}, "bench")
    with _web_process(folder) as (port, process):
        screens = [Screen(port, number, appliance.session()) for number in range(SCREENS)]
        gauge = Gauge(psutil.Process(process.pid))
        with _speaking(appliance):
            for screen in screens:
                screen.start()
            gauge.start()
            before_s = _worked_s(gauge.process)
            made, durable_s, away = _work(appliance, screens, wall_s)
            newest = made[-1].id
            end_s = time.monotonic() + _PATIENCE_S
            while time.monotonic() < end_s and any(one.delay_s(newest, 0.0) is None for one in screens):
                time.sleep(0.05)
            gauge.ended.set()
            worked_s = _worked_s(gauge.process) - before_s
            for screen in screens:
                screen.ended.set()
            appliance.receive(b"wakes every stream")
            for screen in screens:
                screen.join(_PATIENCE_S)
            free = _free_places(port, appliance)
    appliance.close()
    delays = [
        screen.delay_s(image.id, durable_s[image.id])
        for screen in screens
        for image in made
        if (screen.number, image.id) not in away
    ]
    returns = [screens[number].delay_s(image, back_s) for (number, image), back_s in away.items()]
    late = [delay for delay in delays if delay is not None]
    caught = [delay for delay in returns if delay is not None]
    how = f"{SCREENS} screens, {len(made)} images in {wall_s:.0f} s, the page in a process of its own, {_load()}"
    yield at_most("outcomes that an open screen did not show", delays.count(None), "", 0, how)
    yield at_most("screens that came back and didn't show what they had missed", returns.count(None), "", 0, how)
    yield plain("a screen that comes back shows what it missed after, slowest", max(caught), "s", how)
    yield at_most("outcome on each of 20 screens after it is durable, p95", 1000 * _p95(late), "ms", 300, how)
    yield plain("outcome on each of 20 screens after it is durable, slowest", 1000 * max(late), "ms", how)
    each_ms = 1000 * worked_s / (len(made) * SCREENS)
    yield plain("processor time of the page, each image on each screen with all its steps", each_ms, "ms", how)
    fifths = gauge.fifths()
    told = ", ".join(f"{megabytes:.0f}" for megabytes in fifths)
    yield at_most(
        "memory of the page, last fifth / third fifth", fifths[4] / fifths[2], "x", 1.05, f"fifths: {told} MB"
    )
    yield plain("memory of the page, most", max(gauge.megabytes), "MB", how)
    yield at_most("threads at the end, more than after the start", gauge.threads[-1] - gauge.threads[1], "", 0, how)
    settled = gauge.descriptors[len(gauge.descriptors) // 5 :]
    yield at_most("descriptors at the end, more than at most in the first half", _grown(settled), "", 4, how)
    yield at_least("places for streams that are free when all have gone", free, "", STREAMS_TOTAL, how)
    yield plain("streams opened", sum(screen.opened for screen in screens), "", how)
    yield plain("requests that were asked again", sum(screen.failed for screen in screens), "", how)


def _work(
    appliance: Appliance, screens: list[Screen], wall_s: float
) -> tuple[list[Image], dict[int, float], dict[tuple[int, int], float]]:
    """The images, when each outcome was durable, and when which screen came back that was away for which image."""
    chance = random.Random(20261122)
    made: list[Image] = []
    durable_s: dict[int, float] = {}
    away: dict[tuple[int, int], float] = {}
    start_s = time.monotonic() + 2.0
    step_s = wall_s / IMAGES

    def at(image: int, part: float) -> None:
        time.sleep(max(0.0, start_s + (image + part) * step_s - time.monotonic()))

    for number in range(IMAGES):
        gone = screens[chance.randrange(SCREENS)] if number % _AWAY_EVERY == 1 else None
        at(number, 0.0)
        if gone:
            gone.leave()
        uid = f"1.9.{number}"
        appliance.speak(bridge={"unit_state": "exposing"})
        at(number, 0.1)
        appliance.speak(bridge={"unit_state": "standby"})
        image = appliance.receive(b"DICOM %d" % number, uid)
        at(number, 0.2)
        image = appliance.admit(image, uid=uid)
        at(number, 0.4)
        outcome = findings(lesion(), uid=uid) if number % 3 else findings(uid=uid)
        appliance.flow.analysed(image, Analysed(outcome, _film(number)))
        durable_s[image.id] = time.monotonic()
        image = appliance.report(appliance.image(image.id))
        for part, state in ((0.6, ParcelState.SENT), (0.7, ParcelState.CONFIRMED)):
            at(number, part)
            _settled(appliance, image, state)
        at(number, 0.8)
        if gone:
            away[gone.number, image.id] = time.monotonic()
            gone.come_back()
        made.append(image)
    return made, durable_s, away


def _settled(appliance: Appliance, image: Image, state: ParcelState) -> None:
    with appliance.store.transaction() as tx:
        for parcel in parcels.of_image(tx, image.id):
            parcels.settle(tx, parcel.id, state, appliance.clock.now())
            what: events.What = "parcel-sent" if state is ParcelState.SENT else "parcel-confirmed"
            events.append(tx, appliance.clock.now(), "dicom", what, f"parcel:{parcel.id}")


def _film(number: int) -> bytes:
    """Another picture each time, with the grain of a film."""
    grain = np.random.default_rng(number).normal(90, 12, (1280, 1024)).clip(0, 255).astype(np.uint8)
    out = io.BytesIO()
    Pixels.fromarray(grain).save(out, "PNG", compress_level=1)
    return out.getvalue()


@contextlib.contextmanager
def _web_process(folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = int(probe.getsockname()[1])
    config = folder / "bench.toml"
    config.write_text(f'data = "{folder}"\n[serial]\nport = "unit"\n[web]\nport = {port}\n', encoding="utf-8")
    command = [sys.executable, "-m", "edge", "service", "web", "--config", str(config)]
    process = subprocess.Popen(command, stderr=(folder / "web.log").open("wb"))
    try:
        end_s = time.monotonic() + 60
        while time.monotonic() < end_s:
            with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=5):
                break
            time.sleep(0.1)
        yield port, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@contextlib.contextmanager
def _speaking(appliance: Appliance) -> Iterator[None]:
    """The other processes go on saying that all is well; `appliance.speak` changes what they say."""
    said: dict[str, dict[str, object]] = {}
    ended = threading.Event()
    publish, lock = appliance.run.publish, threading.Lock()

    def say(service: str, pid: int, facts: dict[str, object]) -> None:
        with lock:
            said[service] = facts
            publish(service, pid, facts)

    def repeat() -> None:
        while not ended.wait(1.0):
            for service, facts in list(said.items()):
                say(service, os.getpid(), facts)

    appliance.run.publish = say  # type: ignore[method-assign, assignment]
    appliance.speak()
    thread = threading.Thread(target=repeat, name="parts")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _free_places(port: int, appliance: Appliance) -> int:
    """How many streams open at once when everybody has gone: none hangs in its thread."""
    time.sleep(6.0)  # a stream learns at its next beat that nobody listens
    session = appliance.session()
    with contextlib.ExitStack() as stack:
        opened = 0
        for number in range(STREAMS_TOTAL):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            stack.callback(connection.close)
            connection.request(
                "GET", "/events", headers={"Cookie": f"{COOKIE}={session}; calcedge_visitor={number:032d}"}
            )
            opened += connection.getresponse().status == 200
        page = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        stack.callback(page.close)
        page.request("GET", "/", headers={"Cookie": f"{COOKIE}={session}"})
        assert page.getresponse().status == 200
        return opened


def _worked_s(process: psutil.Process) -> float:
    """Processor time of a process until now."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _grown(values: list[int]) -> int:
    half = len(values) // 2
    return max(values[half:]) - max(values[:half])


def _p95(values: list[float]) -> float:
    return sorted(values)[max(0, math.ceil(len(values) * 0.95) - 1)]


def _load() -> str:
    return f"load {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores"
