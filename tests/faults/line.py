"""The whole line in one process and one order, so that its n-th durable write is the same one in every run.

The stations are the product's own, put together as `edge.services` does; the analysis of each film was made once by the
real worker and is answered again. Whatever this process is made to suffer, the next one goes on from the same folder.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from edge.clock import Stamp, SystemClock
from edge.config import DEFAULT_RELEASE, Config, Worklist
from edge.errors import CalcedgeError
from edge.fleet.installed import Models
from edge.intake.admit import admit
from edge.intake.exposures import DurableSink
from edge.intake.folder import WatchedFolder
from edge.intake.pairing import pair
from edge.intake.receive import Reception
from edge.intake.scp import StoreScp
from edge.orders import desk
from edge.orders.item import read_item
from edge.orders.linking import link
from edge.orders.teller import Teller
from edge.outbox.drain import Drain
from edge.outbox.ledger import Ledger
from edge.outbox.wares import TWIN
from edge.report.build import warm_up
from edge.runtime import RunFolder
from edge.services.analyze import Analyze
from edge.services.dicom import destination
from edge.services.process import Beat, Context
from edge.services.worker import Settings, Worker
from edge.store import Store, images, orders, parcels
from edge.store.objects import PUT
from edge.store.orders import OrderState
from edge.store.parcels import ParcelState
from edge.types import Analysed, Header, NotAnalysed
from firmware_bridge.bridge import NotPersisted
from tests.faults.durable import Meter, Point
from tests.faults.outside import Outside
from tests.peers.waiting import patient

_LONGEST_S: Final = int(patient(280))
_ROUNDS: Final = 30
_STEP_S: Final = 400.0
"""More than any pause between two tries: waiting is done by the clock's hands."""


class HandClock(SystemClock):
    """The machine's clock, put forward by hand: waiting costs no time. `wall_s` moves the wall clock alone."""

    def __init__(self, ahead_s: float = 0.0, wall_s: float = 0.0) -> None:
        self.ahead_s = ahead_s
        self.wall_s = wall_s

    def now(self) -> Stamp:
        now = super().now()
        utc = now.utc + timedelta(seconds=self.ahead_s + self.wall_s)
        return replace(now, utc=utc, monotonic_ns=now.monotonic_ns + int(self.ahead_s * 1e9))

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.ahead_s


class Recorded(Worker):
    """Answers with what the real worker once said of the same image."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(Settings(DEFAULT_RELEASE, 30.0))
        self._answers = answers

    def admit(self, path: Path, source: str) -> Header | NotAnalysed:
        del source
        return admit(path)

    def analyse(self, path: Path, header: Header, source: str, **_wishes: object) -> Analysed:
        del path
        answer = self._answers[header.identity.sop_instance_uid]
        return replace(answer, analysis=replace(answer.analysis, source=source))


Answers = Mapping[str, Analysed]
"""What the worker says of each image, by SOP instance UID."""


def record(files: list[Path]) -> Answers:
    """What the real worker says of each file."""
    with Worker(Settings(DEFAULT_RELEASE, 250.0)) as worker:
        answers = {}
        for path in files:
            header = worker.admit(path, path.name)
            assert isinstance(header, Header)
            answers[header.identity.sop_instance_uid] = worker.analyse(path, header, path.name)
    warm_up()
    return answers


@dataclass
class Line:
    """One life of the appliance. `tell` reaches the world; `ask` waits until the world has done it."""

    root: Path
    world: Outside
    worker: Worker
    clock: HandClock
    tell: Callable[[str], None]
    ask: Callable[[str], None]

    def run(self) -> None:
        """Does all that there is to do."""
        archive = {"type": "dicom", "name": "archive", "title": "ARCHIVE", "host": "127.0.0.1", "commitment": True}
        mpps = {"title": "RIS", "host": "127.0.0.1", "port": self.world.clinic_port, "timeout_s": 10}
        folder = {"type": "folder", "name": "stick", "path": self.root / "stick", "originals": True}
        config = Config.model_validate(
            {
                "data": self.root / "data",
                "intake": {"reserve_mb": 0},
                "mpps": mpps,
                "destinations": [archive | {"port": self.world.archive_port, "timeout_s": 10}, folder],
            }
        )
        store = Store.open(config.data, self.clock)
        self._tidy(store)
        self._person_picks(store)
        self._hear(store)
        reception = Reception(store, 0)
        watched = WatchedFolder(self.world.drop, reception, store.objects)
        self._listen(config, store, reception)
        watched.look()
        watched.look()
        self._analyse(config, store)
        pair(store)
        link(store, tell=True)
        assert config.mpps is not None
        teller = Teller(store, config.mpps, None)
        teller.step()
        ledger = Ledger(store)
        drains = [Drain(store, destination(to, config, ledger), ledger) for to in config.destinations]
        self._deliver(store, drains)
        if _order_state(store) is OrderState.PICKED:
            desk.finish(store, "technician")
        for _ in range(_ROUNDS):
            teller.step()
            self._wait()
        store.close()

    def _tidy(self, store: Store) -> None:
        """What the services' bodies remove of an earlier life before they begin."""
        with store.read() as connection:
            referenced = images.referenced_objects(connection)
        store.objects.sweep_orphans(referenced)
        store.objects.sweep_incoming(PUT)
        store.objects.sweep_incoming(TWIN)

    def _person_picks(self, store: Store) -> None:
        facts = read_item(self.world.order, Worklist(title="RIS", host="127.0.0.1"))
        assert facts is not None
        if _order_state(store) is None:
            with store.transaction() as tx:
                orders.upsert(tx, facts, store.clock.now())
        if _order_state(store) is OrderState.OPEN:
            desk.pick(store, 1, "technician")

    def _hear(self, store: Store) -> None:
        sink = DurableSink(store, lambda _status: None)
        for event in self.world.exposures:
            if f"exposure {event.key.seq}" not in self.world.acknowledged:
                with contextlib.suppress(NotPersisted):
                    sink.persist([event])
                    self.tell(f"exposure {event.key.seq}")

    def _listen(self, config: Config, store: Store, reception: Reception) -> None:
        settings = config.dicom.model_copy(update={"port": 0})
        with StoreScp(settings, reception, store.objects) as scp:
            assert scp._porch is not None
            assert scp._porch.socket is not None
            self.ask(f"listening {scp._porch.socket.getsockname()[1]}")

    def _analyse(self, config: Config, store: Store) -> None:
        run = RunFolder(config.run_folder, self.clock)
        beat = Beat("analyze", run, self.clock)
        context = Context("analyze", config, store, run, threading.Event(), beat)
        analyze = Analyze(context, self.worker, Models(config.fleet_root, DEFAULT_RELEASE))
        while analyze.step():
            pass

    def _deliver(self, store: Store, drains: list[Drain]) -> None:
        for _ in range(_ROUNDS):
            while sum(drain.step() for drain in drains):
                pass
            with store.read() as connection:
                counts = parcels.count_by_state(connection)
            if not any(own[ParcelState.QUEUED] + own[ParcelState.SENT] for own in counts.values()):
                return
            self._wait()

    def _wait(self) -> None:
        self.clock.ahead_s += _STEP_S
        self.tell(f"ahead {self.clock.ahead_s}")


def _order_state(store: Store) -> OrderState | None:
    with store.read() as connection:
        order = orders.get(connection, 1)
    return order.state if order else None


@dataclass
class Life:
    """How one life ended: 0, a signal as in `Popen.returncode`, and what it said when it fell over."""

    code: int
    complaint: str


def live(
    root: Path,
    world: Outside,
    answers: Answers,
    prepare: Callable[[], object] = lambda: None,
    clock: HandClock | None = None,
    born: Callable[[int], object] = lambda _pid: None,
    look: Callable[[str], object] | None = None,
) -> Life:
    """Runs the line in a child until it has nothing left to do or is ended; the world answers from here.

    `prepare` is called in the child first: what it shall suffer. `clock` is carried forward for the next life. `born`
    is told the child's process number. With `look` the child stands still before and after each of its durable writes,
    and `look` is told which.
    """
    clock = clock or HandClock()
    said, says = os.pipe()
    hears, hear = os.pipe()
    looked, go_on = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(said)
        os.close(hear)
        os.close(go_on)
        if look:
            Meter(_standing_still(says, looked)).installed()
        _child(Line(root, world, Recorded(answers), clock, _teller(says), _asker(says, hears)), says, prepare)
    born(child)
    os.close(says)
    os.close(hears)
    os.close(looked)
    complaint: list[str] = []
    sender: threading.Thread | None = None
    with os.fdopen(said, encoding="utf-8") as lines:
        for line in lines:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "exposure":
                world.acknowledged.add(f"{word} {rest}")
            elif word == "ahead":
                clock.ahead_s = float(rest)
            elif word == "listening":
                sender = threading.Thread(target=_send, args=(world, int(rest), hear))
                sender.start()
            elif word == "point" and look:
                look(rest)
                os.write(go_on, b".")
            else:
                complaint.append(line)
    if sender:
        sender.join()
    os.close(hear)
    os.close(go_on)
    _, status = os.waitpid(child, 0)
    return Life(os.waitstatus_to_exitcode(status), "".join(complaint))


def _send(world: Outside, port: int, hear: int) -> None:
    """The sender works beside everything else; then the line goes on."""
    world.send(port)
    with contextlib.suppress(BrokenPipeError):
        os.write(hear, b".")


def _standing_still(says: int, looked: int) -> Callable[[Point, str], None]:
    def at(point: Point, what: str) -> None:
        _say(says, f"point {point.when} write {point.number}, {what}")
        os.read(looked, 1)

    return at


def _teller(says: int) -> Callable[[str], None]:
    return lambda text: _say(says, text)


def _asker(says: int, hears: int) -> Callable[[str], None]:
    def ask(text: str) -> None:
        _say(says, text)
        select.select([hears], [], [], 60)
        os.read(hears, 1)

    return ask


def _say(says: int, text: str) -> None:
    os.write(says, f"{text}\n".encode())


def _child(line: Line, says: int, prepare: Callable[[], object]) -> None:
    """Never returns."""
    code = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_LONGEST_S)
        faulthandler.dump_traceback_later(_LONGEST_S - 5, file=says)
        os.setsid()
        prepare()
        line.run()
        code = 0
    except CalcedgeError as error:
        _say(says, f"refused {error.reason.code}")
        code = 3
    except BaseException:  # noqa: BLE001 - whatever it was is told
        _say(says, f"fell {traceback.format_exc()}")
    finally:
        sys.stdout.flush()
        os._exit(code)
