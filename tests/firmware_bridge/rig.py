"""A bench for tests: a simulated unit on a pseudo-terminal, bridges beside it, and a disk to keep events on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from firmware_bridge.bridge import Bridge, EventKey, LinkReason, LinkState, LinkStatus, NotPersisted, ReceivedEvent
from firmware_bridge.messages import Exposure
from firmware_bridge.simulator import Bench, Scenario, UnitOptions
from tests.peers.waiting import patient

PATIENCE_S = patient(15.0)


class Disk:
    """An idempotent sink: keeps one of each key. `refuse` makes it unable to keep for a while."""

    def __init__(self) -> None:
        self.events: dict[EventKey, ReceivedEvent] = {}
        self.calls: list[EventKey] = []
        self.statuses: list[LinkStatus] = [LinkStatus(LinkState.DOWN, LinkReason.NONE)]
        self.refuse = False
        self.changed = threading.Condition()

    def persist(self, arrived: Sequence[ReceivedEvent]) -> None:
        with self.changed:
            self.calls += [event.key for event in arrived]
            self.changed.notify_all()
            if self.refuse:
                raise NotPersisted("disk full")
            for event in arrived:
                self.events.setdefault(event.key, event)

    def status(self, status: LinkStatus) -> None:
        with self.changed:
            self.statuses.append(status)
            self.changed.notify_all()

    @property
    def now(self) -> LinkStatus:
        return self.statuses[-1]

    @property
    def exposures(self) -> list[ReceivedEvent]:
        return [event for event in self.events.values() if isinstance(event.message, Exposure)]

    @property
    def techniques(self) -> list[Exposure]:
        return [event.message for event in self.events.values() if isinstance(event.message, Exposure)]

    def wait_for_exposures(self, count: int) -> None:
        self.wait_for(lambda: len(self.exposures) >= count)

    def wait_for(self, met: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(met, PATIENCE_S), f"did not come about; last: {self.now}"


class Rig:
    """The simulated unit, turning in its own thread."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.lines: list[str] = []
        self.said = threading.Condition()
        self._stop = threading.Event()
        self._threads: list[tuple[threading.Thread, threading.Event]] = []
        self.bench: Bench | None = None

    def simulate(self, scenario: Scenario, **options: object) -> Bench:
        bench = self.bench = Bench(UnitOptions(self.link, scenario, **options), self._say)  # type: ignore[arg-type]

        def turn() -> None:
            try:
                while not self._stop.is_set():
                    bench.turn()
            finally:
                bench.close()

        self._start(turn, self._stop)
        return bench

    def connect(self, disk: Disk) -> Callable[[], None]:
        """Starts a bridge; the answer stops it and shows that it stopped in time."""
        stop = threading.Event()
        thread = self._start(lambda: Bridge(str(self.link), disk).run(stop), stop)

        def disconnect() -> None:
            begun = time.monotonic()
            stop.set()
            thread.join(PATIENCE_S)
            assert time.monotonic() - begun < 2.0  # 0.5 s on a machine with nothing else to do
            assert not thread.is_alive()

        return disconnect

    def wait_for_line(self, word: str, count: int = 1) -> None:
        with self.said:
            found = self.said.wait_for(lambda: sum(word in line for line in self.lines) >= count, PATIENCE_S)
            assert found, f"{word!r} not said in {self.lines}"

    def close(self) -> None:
        for thread, stop in self._threads:
            stop.set()
            thread.join(PATIENCE_S)

    def _start(self, work: Callable[[], None], stop: threading.Event) -> threading.Thread:
        thread = threading.Thread(target=work)
        self._threads.append((thread, stop))
        thread.start()
        return thread

    def _say(self, line: str) -> None:
        with self.said:
            self.lines.append(line)
            self.said.notify_all()
