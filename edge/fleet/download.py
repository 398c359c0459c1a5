"""Downloads a release's parts so that no byte is loaded twice if it can be helped.

What always holds: a download goes on where it broke; it never grows past its signed length; what the server refuses is
not asked again before the admin publishes something new; the day's budget of bytes is kept.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final

from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError

from edge.clock import Clock
from edge.errors import UpdateError
from edge.fleet.depot import Depot
from edge.fleet.documents import Blob
from edge.fleet.fetcher import Fetcher

SYNC_BYTES: Final = 8_000_000
"""So much may have to be loaded again after a power cut."""
MOST_TRIES: Final = 10
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_AGAIN: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class Budget:
    """How many bytes may still be loaded today. Kept in a small file; a power cut costs a little of it."""

    def __init__(self, path: Path, clock: Clock, daily_bytes: int) -> None:
        self._path = path
        self._clock = clock
        self._daily = daily_bytes
        day, spent = self._read()
        self._day = self._today()
        self._spent = spent if day == self._day else 0

    def spend(self, count: int) -> None:
        """Counts bytes.

        Raises:
            UpdateError: `update-budget` when there are no more.
        """
        if self._today() != self._day:
            self._day, self._spent = self._today(), 0
        self._spent += count
        if self._spent > self._daily:
            self.keep()
            raise UpdateError("update-budget", f"{self._daily // 1_000_000} MB a day")

    def keep(self) -> None:
        """Writes down what was spent."""
        self._path.write_text(json.dumps({"day": self._day, "bytes": self._spent}), encoding="ascii")

    def _today(self) -> str:
        return self._clock.now().utc.date().isoformat()

    def _read(self) -> tuple[str, int]:
        try:
            body = json.loads(self._path.read_bytes())
            return str(body["day"]), int(body["bytes"])
        except (OSError, ValueError, KeyError, TypeError):
            return "", 0


class Downloader:
    """Fills a depot.

    Args:
        depot: where blobs go.
        fetcher: brings bytes.
        budget: bounds them.
        wait: sleeps; returns True when told to stop.
    """

    def __init__(self, depot: Depot, fetcher: Fetcher, budget: Budget, wait: Callable[[float], bool]) -> None:
        self._depot = depot
        self._fetcher = fetcher
        self._budget = budget
        self._wait = wait

    def fetch(self, blob: Blob, urls: Sequence[str]) -> None:
        """Loads one blob from any of several mirrors and adopts it.

        Raises:
            UpdateError: `update-missing`, `update-unreachable`, `update-slow`, `update-damaged` or `update-budget`.
        """
        trouble = UpdateError("update-unreachable")
        try:
            for attempt in range(MOST_TRIES):
                try:
                    self._go_on(blob, urls[attempt % len(urls)])
                except DownloadHTTPError as error:
                    trouble = self._refused(blob, error)
                except SlowRetrievalError:
                    trouble = UpdateError("update-slow")
                except DownloadError:
                    trouble = UpdateError("update-unreachable")
                if self._size(blob) == blob.length:
                    self._depot.adopt(blob)
                    return
                if self._wait(pause_s(attempt)):
                    break
            raise trouble
        finally:
            self._budget.keep()

    def _go_on(self, blob: Blob, url: str) -> None:
        part, disk = self._depot.part(blob), self._depot.disk
        size = self._size(blob)
        if size > blob.length:
            disk.truncate(part, size := 0)
        if size == blob.length:
            return
        self._budget.spend(1)  # not even a question when there is nothing left to hear the answer
        body = self._fetcher.open(url, size)
        if body.start == 0 and size:
            disk.truncate(part, size := 0)  # a server that knows no ranges
        unsynced = 0
        for chunk in body.chunks:
            self._budget.spend(len(chunk))
            size += len(chunk)
            if size > blob.length:
                disk.unlink(part)
                raise UpdateError("update-damaged", "longer than signed")
            disk.append(part, chunk)
            unsynced += len(chunk)
            if unsynced >= SYNC_BYTES:
                disk.sync(part)
                unsynced = 0
            if size == blob.length:
                return

    def _refused(self, blob: Blob, error: DownloadHTTPError) -> UpdateError:
        if error.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._depot.disk.unlink(self._depot.part(blob))
        elif error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR and error.status_code not in _AGAIN:
            raise UpdateError("update-missing", str(error.status_code)) from error
        return UpdateError("update-unreachable", str(error.status_code))

    def _size(self, blob: Blob) -> int:
        try:
            return self._depot.part(blob).stat().st_size
        except FileNotFoundError:
            return 0


def pause_s(attempt: int) -> float:
    """Exponential, capped, with full jitter: boxes that lost one server together don't come back together."""
    return random.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt))  # noqa: S311 - not a secret
