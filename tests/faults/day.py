"""A day at the clinic, faster than a day: exposures and images, an archive that is away, a link that drops, kills.

    python -m tests.faults.day [--images 2000] [--minutes 24] [--kills 50] [--drops 200] [--folder PATH]

The processes are the product's (`zygote.py`), the unit is the simulated one on a pseudo-terminal, the archive is a
double that remembers. Most films are small and show no hand, which the first network says, so that the line is what is
loaded; every `HAND_EVERY`-th is a hand with lesions.
"""

from __future__ import annotations

import argparse
import os
import queue
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from edge.store import Store, events, exposures, images, parcels
from edge.store.images import Image, State
from edge.store.parcels import ParcelState
from edge.types import NotAnalysed
from firmware_bridge.simulator import Bench, Scenario, UnitOptions
from firmware_bridge.simulator.faults import Unplug
from firmware_bridge.simulator.scenario import Expose
from tests.bench.box import IMAGE_BUDGET_MB
from tests.faults.conftest import make_world
from tests.faults.outside import Outside
from tests.peers.films import film
from tests.peers.waiting import patient, wait_for

HAND_EVERY: Final = 40
PROCESSES: Final = ("supervisor", "bridge", "dicom", "analyze", "worker", "web")
AWAY: Final = (1 / 3, 2 / 3)
"""From when to when the archive is away, as shares of the day."""
KILLING: Final = 1 / 2
"""Until when there are kills: what never lives long can't show that it doesn't grow."""
_TENTHS: Final = 10
_ROOM: Final = {"rss_mb": 20.0, "descriptors": 4.0, "threads": 4.0}
"""How much more than before the last tenth of the day may show and be called flat."""
_LOOK_S: Final = 1.0
_KINDS: Final = {"findings": 6, "not_analysed": 3}
_NO_HAND: Final = ("not_analysed", "not-a-hand")
_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything, and how long it takes."""

    images: int = 2000
    seconds: float = 24 * 60
    kills: int = 50
    drops: int = 200
    patience_s: float = 900.0
    """How long, after the day, what is left may take."""


@dataclass
class Day:
    """One day: what happened, and what was wrong in the end."""

    plan: Plan
    folder: Path
    killed: Counter[str] = field(default_factory=Counter)
    drops: int = 0
    pressed: int = 0
    matched: int = 0
    highest: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """For each process: RSS (MB), descriptors and threads, the highest of each tenth of the day."""
    written: dict[tuple[str, int], int] = field(default_factory=dict)
    used_s: dict[tuple[str, int], float] = field(default_factory=dict)
    """The processor that each process used, as far as it was seen."""
    taken_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world: Outside = make_world(self.folder)
        self.world.archive.promises = "none"
        self.port = self.world.clinic_port
        self._hand = self.world.images.pop()
        self._config = self.folder / "calcedge.toml"
        self._config.write_text(
            f'data = "{self.folder / "data"}"\n[serial]\nport = "{self.folder / "unit"}"\n'
            f"[analysis]\nthreads = 1\ndeadline_s = 300\n[dicom]\nport = {self.port}\n[web]\nport = {_free_port()}\n"
            f'[intake]\nreserve_mb = 0\n[[destinations]]\ntype = "dicom"\nname = "archive"\ntitle = "ARCHIVE"\n'
            f'host = "127.0.0.1"\nport = {self.world.archive_port}\n',
            encoding="utf-8",
        )
        self._times = _DAY_S / self.plan.seconds
        self._due: queue.Queue[Dataset | None] = queue.Queue()
        self._all_killed = threading.Event()
        self._over = threading.Event()
        self._began_s = 0.0

    # -- what happens --

    def live(self) -> None:
        """Lets the day pass, waits until all is done, and looks at what is there."""
        command = [sys.executable, "-m", "tests.faults.zygote", str(self._config), str(self._times)]
        alone = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # one thread: it can be forked
        with (self.folder / "log").open("wb") as log:
            zygote = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=os.environ | alone)
        assert zygote.stdout is not None
        with zygote, ExitStack() as stack:
            stack.callback(zygote.send_signal, signal.SIGTERM)
            assert zygote.stdout.readline() == b"ready\n", (self.folder / "log").read_text(encoding="utf-8")
            self._began_s = time.monotonic()
            work = [self._unit, self._send, self._archive, lambda: self._kill(zygote.pid)]
            threads = [threading.Thread(target=each) for each in work]
            for thread in threads:
                thread.start()
            try:
                threads[0].join()
                self._all_killed.wait()
                self._due.put(None)
                threads[1].join()
                self._wait_done()
            finally:
                self._over.set()
            self.taken_s = time.monotonic() - self._began_s
            for thread in threads[2:]:
                thread.join()
            self._examine()

    def _share(self) -> float:
        return (time.monotonic() - self._began_s) / self.plan.seconds

    def _unit(self) -> None:
        """The unit is pressed at even pace, and its port unplugged now and then."""
        bench = Bench(UnitOptions(self.folder / "unit", Scenario(seed=5, speed=60.0)), lambda _: None)
        with closing(bench):
            while not (self._share() >= 1 and self.pressed >= self.plan.images and bench.settled):
                now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
                if self.pressed < min(self.plan.images, self._share() * self.plan.images):
                    with suppress(ValueError):  # busy with the one before
                        bench.do(Expose(kv=_kv(self.pressed), ma=100, ms=25), now_ns)
                        self._due.put(self._image(self.pressed))
                        self.pressed += 1
                if self.drops < min(self.plan.drops, self._share() * self.plan.drops):
                    bench.do(Unplug(s=0.2), now_ns)
                    self.drops += 1
                bench.turn()
                if self._over.is_set() or self._share() > 1 + self.plan.patience_s / self.plan.seconds:
                    return

    def _send(self) -> None:
        """The sender's store-and-forward: oldest first, until each is acknowledged."""
        while (image := self._due.get()) is not None:
            self.world.images.append(image)
            while not self._due.empty() and len(self.world.images) < 8:
                if (more := self._due.get()) is None:
                    return
                self.world.images.append(more)
            while self.world.images:
                self.world.send(self.port)
                self.world.images = [i for i in self.world.images if i.SOPInstanceUID not in self.world.acknowledged]
                if self.world.images and self._over.wait(0.2):
                    return

    def _archive(self) -> None:
        for begins, ends in ((0.0, AWAY[0]), (AWAY[1], float("inf"))):
            while self._share() < begins:
                if self._over.wait(0.1):
                    return
            with self.world.archive.listening(self.world.archive_port):
                while self._share() < ends:
                    if self._over.wait(0.1):
                        return

    def _kill(self, zygote: int) -> None:
        """Kills every process as often as planned, in a random order at even pace; looks at all, until all is done."""
        rng = random.Random(9)
        order = [name for name in PROCESSES for _ in range(self.plan.kills)]
        rng.shuffle(order)
        done = 0
        while not self._over.is_set():
            if done == len(order):
                self._all_killed.set()
            living = _family(zygote)
            self._look(living)
            due = self._share() / KILLING * len(order)
            if done < min(len(order), due) and order[done] in living:
                with suppress(psutil.NoSuchProcess):
                    living[order[done]].kill()
                    self.killed[order[done]] += 1
                    done += 1
            self._over.wait(0.1 if due > done + 1 and done < len(order) else _LOOK_S)

    def _look(self, living: dict[str, psutil.Process]) -> None:
        tenth = min(_TENTHS - 1, int(self._share() * _TENTHS))
        for name in set(living) & set(PROCESSES):
            process = living[name]
            try:
                seen = (process.memory_info().rss / 1e6, process.num_fds(), process.num_threads())
                if name != "supervisor":  # it writes nothing, and proc(5) adds to a parent what its dead children did
                    self.written[name, process.pid] = process.io_counters().write_bytes
                self.used_s[name, process.pid] = sum(process.cpu_times()[:2])
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            kept = self.highest.setdefault(name, {what: [0.0] * _TENTHS for what in _ROOM})
            for what, value in zip(kept, seen, strict=True):
                kept[what][tenth] = max(kept[what][tenth], value)

    def _image(self, number: int) -> Dataset:
        """The image of an exposure, its time on the day's fast clock."""
        image = deepcopy(self._hand) if number % HAND_EVERY == 0 else film(number % 7, rows=300, columns=260)
        now = datetime.now(UTC).timestamp() + (time.monotonic() - self._began_s) * (self._times - 1)
        at = datetime.fromtimestamp(now)  # noqa: DTZ006 - the unit's local time, as it writes it
        for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
            setattr(image, keyword, generate_uid(entropy_srcs=["day", keyword, str(number)]))
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.PatientID, image.PatientName = f"D{number:05d}", f"Day^Patient {number}"
        image.AcquisitionDate, image.AcquisitionTime = f"{at:%Y%m%d}", f"{at:%H%M%S.%f}"
        image.KVP, image.XRayTubeCurrent, image.ExposureTime, image.Exposure = f"{_kv(number):.1f}", "100", "25", "3"
        return image

    # -- what there is in the end --

    def _wait_done(self) -> None:
        store = Store.open(self.folder / "data")
        with closing(store):
            try:
                wait_for(lambda: self._done(store), self.plan.patience_s)
            except AssertionError:  # what there is by now is looked at all the same
                self.wrong.append(f"not all was done {patient(self.plan.patience_s):.0f} s after the day")

    def _done(self, store: Store) -> bool:
        with store.read() as connection:
            (kept,) = connection.execute("SELECT count(*) FROM images").fetchone()
            states = images.count_by_state(connection)
            ways = parcels.count_by_state(connection).values()
        reported = states[State.REPORTED] == kept == len(self.world.acknowledged)
        return reported and not any(way[ParcelState.QUEUED] + way[ParcelState.SENT] for way in ways)

    def _examine(self) -> None:
        store = Store.open(self.folder / "data")
        with closing(store), store.read() as connection:
            everything = images.latest(connection, 1_000_000)
            told = exposures.latest(connection, 1_000_000)
            if (broken := events.broken_link(connection)) is not None:
                self.wrong.append(f"audit trail broken at {broken}")
            seen = Counter(image.sop_instance_uid for image in everything)
            self.wrong += [f"lost: {uid}" for uid in self.world.acknowledged - set(seen)]
            self.wrong += [f"kept {n} times: {uid}" for uid, n in seen.items() if n != 1]
            if len(told) != self.pressed or len({(e.device_boot, e.seq) for e in told}) != self.pressed:
                self.wrong.append(f"{self.pressed} exposures made, {len(told)} kept")
            of = {exposure.id: exposure for exposure in told}
            mine: set[str] = set()
            for image in everything:
                self.wrong += [f"image {image.id}: {what}" for what in self._wrong_with(connection, image)]
                mine |= {parcel.sop_instance_uid for parcel in parcels.of_image(connection, image.id)}
                if image.exposure_id is not None and image.header is not None:
                    self.matched += 1
                    if abs(of[image.exposure_id].kvp - (image.header.technique.kvp or 0)) > 0.06:
                        self.wrong.append(f"image {image.id} is matched to another exposure")
            there = {uid for uid in self.world.archive.content if not uid.startswith("whole ")}
            self.wrong += [f"at the archive and nobody's: {uid}" for uid in there - mine]
        self.wrong += self._growing()
        if self._each_kb() > IMAGE_BUDGET_MB * 1000:
            self.wrong.append(f"{self._each_kb():.0f} kB written for each image")

    def _wrong_with(self, connection: sqlite3.Connection, image: Image) -> Iterator[str]:
        """Whether it was analysed once and rightly, and all of it is at the archive in its own name."""
        if image.header is None:
            yield f"it is {image.state}"
            return
        identity = image.header.identity
        stored = images.latest_analysis(connection, image.id)
        (times,) = connection.execute("SELECT count(*) FROM analyses WHERE image_id = ?", (image.id,)).fetchone()
        outcome = stored.outcome if stored else "none"
        why = stored.analysis.reason.code if stored and isinstance(stored.analysis, NotAnalysed) else ""
        if times != 1 or (outcome, why) != (("findings", "") if image.header.rows > 400 else _NO_HAND):
            yield f"{outcome} {why}, {times} times"
        own = parcels.of_image(connection, image.id)
        if len(own) != _KINDS.get(outcome) or any(p.state is not ParcelState.CONFIRMED for p in own):
            yield f"{Counter((p.kind, p.state) for p in own)}"
        for parcel in own:
            seen = self.world.archive.identities.get(parcel.sop_instance_uid)
            if seen != (identity.study_instance_uid, identity.patient_id):
                yield f"its {parcel.kind} is somebody else's: {seen}"

    def _growing(self) -> Iterator[str]:
        """What was higher at the end of the day than in the rest of its calm part."""
        calm = slice(int(KILLING * _TENTHS), _TENTHS - 1)
        for name, kept in self.highest.items():
            for what, tenths in kept.items():
                if tenths[-1] > max(tenths[calm]) + _ROOM[what]:
                    yield f"{name} grows: {what} {tenths}"

    def _each_kb(self) -> float:
        """Written to the disk for each image, all processes, all else that they write included."""
        return sum(self.written.values()) / max(1, len(self.world.acknowledged)) / 1e3

    def told(self) -> Iterator[str]:
        """The day in words."""
        sent = len(self.world.acknowledged)
        yield f"{self.plan.seconds / 60:.1f} minutes for 24 hours, {self.taken_s / 60:.1f} until all was done"
        yield f"{self.pressed} exposures, {sent} images acknowledged, {self.matched} matched, {self.drops} link drops"
        yield f"kills: {dict(self.killed)}"
        resent = sum(self.world.archive.times().values()) - len(self.world.archive.times())
        yield f"{len(self.world.archive.times())} objects at the archive, {resent} offered again with the same bytes"
        yield f"written to the disk by all processes (proc(5), write_bytes): {self._each_kb():.0f} kB an image"
        yield f"of these, MB: {_by_name(self.written, 1e6)}"
        yield f"processor, s: {_by_name(self.used_s, 1)}"
        for name, kept in self.highest.items():
            for what, tenths in kept.items():
                yield f"{name} {what}, the highest of each tenth: {' '.join(f'{v:.0f}' for v in tenths)}"
        yield f"{len(self.wrong)} wrong: {self.wrong[:20]}"


def _by_name(each: Mapping[tuple[str, int], float], unit: float) -> str:
    sums: dict[str, float] = defaultdict(float)
    for (name, _), value in each.items():
        sums[name] += value / unit
    return ", ".join(f"{name} {value:.0f}" for name, value in sums.items())


def _kv(number: int) -> float:
    return 40 + (number * 37 % 400) / 10


def _family(pid: int) -> dict[str, psutil.Process]:
    """What lives below the zygote, by name."""
    living = {}
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if process.status() != psutil.STATUS_ZOMBIE:
                    living[process.name().removeprefix("ce-")] = process
    return living


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    """A day as told; 0 when nothing was wrong."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--images", type=int, default=2000)
    arguments.add_argument("--minutes", type=float, default=24.0)
    arguments.add_argument("--kills", type=int, default=50)
    arguments.add_argument("--drops", type=int, default=200)
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "calcedge-day"))
    told = arguments.parse_args()
    day = Day(Plan(told.images, told.minutes * 60, told.kills, told.drops), told.folder)
    day.live()
    print("\n".join(day.told()))
    return 1 if day.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
