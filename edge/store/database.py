"""One SQLite file, shared by the appliance's processes.

What always holds: WAL with `synchronous=FULL`, so that a committed transaction survives a pulled plug; every write
happens inside `transaction()`, which takes the write lock at its start; migrations run once, after a backup.

A migration is a file `schema/NNNN.sql`. The table `schema_steps` holds the numbers of those that ran, so that one that
comes late (two were written side by side) still runs; `user_version` is the highest of them.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
from importlib import resources
from typing import TYPE_CHECKING, Final

from edge.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BUSY_TIMEOUT_MS: Final = 10_000
_POOLED: Final = 8


class Database:
    """Connections to one database file. Threads may share it; each use takes a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # patients live here
            self._migrate()
        except (sqlite3.Error, OSError) as error:
            raise StoreError("store-unusable", type(error).__name__) from error

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading. Each statement sees the latest committed state.

        Raises:
            StoreError: `disk-full` or `store-unusable`: the database can't be opened, read or written.
        """
        with _told():
            connection = self._take()
            try:
                yield connection
            except BaseException:
                connection.close()  # rolls back; one that saw an error is not used again
                raise
            self._give(connection)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection that holds the write lock. Committed durably at the end, rolled back on any error.

        Raises:
            StoreError: `disk-full` or `store-unusable`: nothing of the transaction was kept.
        """
        with self.read() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def watch(self) -> Watch:
        """Something to ask whether anybody wrote since the last time it was asked."""
        with _told():
            return Watch(self._open())

    def close(self) -> None:
        """Closes the idle connections."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def backup(self, target: Path) -> None:
        """Copies the database, consistently, while it is in use."""
        with self.read() as source, contextlib.closing(sqlite3.connect(target)) as copy:
            source.backup(copy)

    def _take(self) -> sqlite3.Connection:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return self._open()

    def _give(self, connection: sqlite3.Connection) -> None:
        if self._idle.qsize() < _POOLED:
            self._idle.put(connection)
        else:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-4000"):
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self) -> None:
        steps = _migrations()
        with self.read() as connection:
            done = _done(connection)
        if done >= steps.keys():
            return
        if done:
            self.backup(self.path.with_suffix(f".before-{max(steps):04d}"))
        with self.transaction() as tx:
            done = _done(tx)  # another process may have been quicker
            tx.execute("CREATE TABLE IF NOT EXISTS schema_steps (number INTEGER PRIMARY KEY) STRICT")
            for number, script in sorted(steps.items()):
                if number not in done:
                    for statement in _statements(script):
                        tx.execute(statement)
            tx.executemany("INSERT OR IGNORE INTO schema_steps VALUES (?)", [(number,) for number in steps])
            tx.execute(f"PRAGMA user_version={max(steps)}")


class Watch:
    """Tells whether another connection has committed since the last call. Costs microseconds."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._seen = -1

    def changed(self) -> bool:
        """True on the first call, and whenever the database was written since the last one."""
        with _told():
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        changed = int(version) != self._seen
        self._seen = int(version)
        return changed

    def close(self) -> None:
        """Closes its connection."""
        self._connection.close()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Tells what a statement found wrong with the file or the disk. A broken rule is our own fault, and stays one."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if not isinstance(error, sqlite3.OperationalError) and type(error) is not sqlite3.DatabaseError:
            raise
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        detail = getattr(error, "sqlite_errorname", type(error).__name__)
        raise StoreError("disk-full" if full else "store-unusable", detail) from error


def _done(connection: sqlite3.Connection) -> set[int]:
    """The numbers of the migrations that ran. Stores older than the table that tells have seen all up to theirs."""
    try:
        return {int(row["number"]) for row in connection.execute("SELECT number FROM schema_steps")}
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return set(range(1, int(version) + 1))


def _migrations() -> dict[int, str]:
    folder = resources.files("edge.store") / "schema"
    scripts = (entry for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return {int(script.name.removesuffix(".sql")): script.read_text(encoding="utf-8") for script in scripts}


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
