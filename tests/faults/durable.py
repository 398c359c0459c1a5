"""Counts what a process makes durable, and kills it there: before or after the n-th.

What counts: fsync, rename, replace, unlink and mkdir of files, and each COMMIT of a database. SQLite's own promise (a
commit is whole or nothing) is not taken apart here; the power cuts on a real file system are for that.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal
from unittest import mock

When = Literal["before", "after"]
_CALLS: Final = ("fsync", "rename", "replace", "unlink", "mkdir")


@dataclass(frozen=True, slots=True)
class Point:
    """One moment in the life of a process: just before, or just after, its n-th durable write."""

    number: int
    when: When


class Meter:
    """Calls `at` before and after every durable write, with what it is: for instance `rename 5ab...`, `COMMIT`."""

    def __init__(self, at: Callable[[Point, str], None]) -> None:
        self._at = at
        self._lock = threading.Lock()
        self.count = 0

    def installed(self) -> contextlib.ExitStack:
        """In place for as long as the block lasts, or the process."""
        stack = contextlib.ExitStack()
        for name in _CALLS:
            stack.enter_context(mock.patch.object(os, name, partial(self._call, name, getattr(os, name))))
        connect = partial(sqlite3.connect, factory=self._connection())
        stack.enter_context(mock.patch.object(sqlite3, "connect", connect))
        return stack

    def _call(self, name: str, real: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        return self._measured(f"{name} {arguments[0]}", lambda: real(*arguments, **more))

    def _measured(self, what: str, do: Callable[[], Any]) -> Any:
        with self._lock:
            self.count += 1
            number = self.count
        self._at(Point(number, "before"), what)
        try:
            return do()
        finally:  # also one that failed: what is not there needn't be removed
            self._at(Point(number, "after"), what)

    def _connection(self) -> type[sqlite3.Connection]:
        meter = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
                if sql == "COMMIT":
                    done: sqlite3.Cursor = meter._measured(sql, lambda: super(Connection, self).execute(sql))
                    return done
                return super().execute(sql, *arguments)

        return Connection


def kill_at(point: Point) -> Callable[[Point, str], None]:
    """For a `Meter`: ends this process by SIGKILL at a point."""

    def at(now: Point, _what: str) -> None:
        if now == point:
            os.kill(os.getpid(), signal.SIGKILL)

    return at
