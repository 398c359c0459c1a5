"""Telling open pages that something changed, by server-sent events.

One thread looks at the database (a pragma, every 50 ms) and at the run folder (once a second) and counts a version.
A stream says `changed` with each new version, and `beat` while nothing happens; the page then fetches itself again.

What always holds: streams are fewer than the server's threads, so that a page can always be had; a stream ends by
itself after five minutes; and it beats only while the watching thread is alive, so that a dead watcher looks dead.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Final

import structlog

from edge.errors import StoreError
from edge.web import parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.config import Config
    from edge.runtime import RunFolder
    from edge.store import Store, Watch

log = structlog.get_logger()

LOOK_S: Final = 0.05
LOOK_AT_PARTS_S: Final = 1.0
BEAT_S: Final = 4.0
LIFE_S: Final = 300.0
STALE_S: Final = 5.0
"""A watcher that has not looked for this long is taken for dead."""
RETRY_MS: Final = 1000
STREAMS_TOTAL: Final = 24
STREAMS_PER_CLIENT: Final = 4


class Live:
    """The version of what can be seen, and the streams that follow it."""

    def __init__(
        self, store: Store, run: RunFolder, config: Config, *, life_s: float = LIFE_S, beat_s: float = BEAT_S
    ) -> None:
        self._store = store
        self._run = run
        self._config = config
        self._life_s = life_s
        self._beat_s = beat_s
        self._name = secrets.token_hex(4)
        self._condition = threading.Condition()
        self._version = 0
        self._looked_s = store.clock.monotonic_s()
        self._clients: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.started = threading.Event()

    @property
    def version(self) -> str:
        """Names the present version; read it before reading what is shown."""
        return f"{self._name}-{self._version}"

    @property
    def streams(self) -> int:
        """How many streams are open."""
        with self._condition:
            return self._clients.total()

    def start(self) -> None:
        """Begins to watch. What was written before doesn't count as a change."""
        watch = self._store.database.watch()
        _written(watch)
        known = parts.read(self._run, self._config)
        self._thread = threading.Thread(target=self._watch, args=(watch, known), name="web-live")
        self._thread.start()
        self.started.set()

    def close(self) -> None:
        """Ends the watching and every stream."""
        self._stop.set()
        with self._condition:
            self._condition.notify_all()
        if self._thread:
            self._thread.join()

    def enter(self, client: str) -> bool:
        """Takes a place for a stream. False when there is none: the page then asks by itself every few seconds."""
        with self._condition:
            full = self._clients.total() >= STREAMS_TOTAL or self._clients[client] >= STREAMS_PER_CLIENT
            if not full and not self._stop.is_set():
                self._clients[client] += 1
                return True
            return False

    def leave(self, client: str) -> None:
        """Gives the place back."""
        with self._condition:
            self._clients -= Counter({client: 1})
            self._condition.notify_all()

    def stream(self, seen: str, gone: Callable[[], bool]) -> Iterator[str]:
        """The events for one page that shows the version `seen`, until its life ends or `gone` says so."""
        clock = self._store.clock
        end_s = clock.monotonic_s() + self._life_s
        yield f"retry: {RETRY_MS}\n\n"
        while clock.monotonic_s() < end_s and not self._stop.is_set() and not gone():
            newest = self._wait(seen)
            if newest != seen:
                seen = newest
                yield f"id: {seen}\nevent: changed\ndata: {seen}\n\n"
            elif clock.monotonic_s() - self._looked_s < STALE_S:
                yield f"event: beat\ndata: {seen}\n\n"
            else:
                return

    def _wait(self, seen: str) -> str:
        with self._condition:
            self._condition.wait_for(lambda: self._stop.is_set() or self.version != seen, timeout=self._beat_s)
            return self.version

    def _watch(self, watch: Watch, known: parts.Parts) -> None:
        with closing(watch):
            due_s = 0.0
            while not self._stop.wait(LOOK_S):
                now_s = self._store.clock.monotonic_s()
                changed = _written(watch)
                if now_s >= due_s:
                    due_s = now_s + LOOK_AT_PARTS_S
                    before, known = known, parts.read(self._run, self._config)
                    changed = changed or before != known
                with self._condition:
                    self._looked_s = now_s
                    if changed:
                        self._version += 1
                        self._condition.notify_all()


def _written(watch: Watch) -> bool:
    """Whether the database was written. When it can't be asked, pages must look for themselves."""
    try:
        return watch.changed()
    except StoreError as error:
        log.error("watch-failed", code=error.reason.code)
        return True
