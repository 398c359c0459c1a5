"""What every process of the appliance does alike: logging, signals, its status."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from edge import log, siteparts
from edge.clock import SystemClock
from edge.config import Config
from edge.errors import Reason, StoreError
from edge.headroom import headroom
from edge.runtime import RunFolder
from edge.services.manager import notify
from edge.services.parent import die_with_parent
from edge.signals import told_to_stop
from edge.store import Store, events

_BEAT_S: Final = 1.0
_READY: Final = ("READY=1", "WATCHDOG=1")
_STARTING: Final = ("EXTEND_TIMEOUT_USEC=30000000",)
"""Not `READY` yet, but alive: sd_notify(3)."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a service's body works with."""

    service: str
    config: Config
    store: Store
    run: RunFolder
    stop: threading.Event
    beat: Beat


class Beat:
    """Publishes the service's facts once a second and feeds the watchdog; called by the loop that does the work.

    No progress, no beat; and no memory, no process (`edge.headroom`).
    """

    def __init__(self, service: str, run: RunFolder, clock: SystemClock) -> None:
        self._service = service
        self._run = run
        self._clock = clock
        self._last_s = -_BEAT_S
        self._facts: dict[str, Any] = {}
        self.starting = False
        """While it is set, it says so: the service manager is to wait a little longer, and the supervisor too."""

    def __call__(self, facts: Mapping[str, Any] | None = None) -> None:
        """Publishes when the facts changed, or a second has passed."""
        now_s = self._clock.monotonic_s()
        changed = facts is not None and dict(facts) != self._facts
        if changed and facts is not None:
            self._facts = dict(facts)
        if changed or now_s - self._last_s >= _BEAT_S:
            if not headroom():
                with contextlib.suppress(MemoryError):
                    structlog.get_logger().critical("no memory left", service=self._service)
                os._exit(os.EX_OSERR)  # an end in good order would need some
            self._run.publish(self._service, os.getpid(), self._facts | ({"starting": True} if self.starting else {}))
            self._last_s = now_s
            notify(*(_STARTING if self.starting else _READY))


Closed = Callable[[Reason, Config, threading.Event, Beat], None]
"""What a service does instead while the store can't be opened: returns when it can, or when told to stop."""


def run_service(service: str, config: Config, body: Callable[[Context], None], closed: Closed | None = None) -> int:
    """Runs one service until SIGTERM, SIGINT or its parent's end. Returns the exit code.

    One that was `closed` ends when the store can be opened: whoever keeps it starts it again.

    Raises:
        StoreError: `store-unusable`, of a service that has nothing to do without a store.
    """
    die_with_parent()
    log.configure(service)
    stop = told_to_stop()
    clock = SystemClock()
    run = RunFolder(config.run_folder, clock)
    try:
        store = Store.open(config.data, clock)
    except StoreError as error:
        if closed is None:
            raise
        closed(error.reason, config, stop, Beat(service, run, clock))
        return 0
    try:
        with store.transaction() as tx:
            events.append(tx, clock.now(), service, "service-started", service)
    except StoreError as error:  # a disk that is full or can't be written: what can be done is done all the same
        structlog.get_logger().error("start not noted", code=error.reason.code)
    watcher = threading.Thread(target=_end_when_settings_change, args=(config, stop), name="settings", daemon=True)
    watcher.start()
    try:
        body(Context(service, config, store, run, stop, Beat(service, run, clock)))
    finally:
        store.close()
    return 0


def _end_when_settings_change(config: Config, stop: threading.Event) -> None:
    """Whoever keeps this process starts it again, with what the admin set."""
    began = siteparts.stamp(config.data)
    while not stop.wait(_BEAT_S):
        if siteparts.stamp(config.data) != began:
            stop.set()
