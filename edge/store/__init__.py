"""The durable state: one SQLite file and the object files beside it.

`Store` opens both. The modules `images`, `parcels`, `exposures` and `events` hold the statements: functions that
read take a connection, functions that write take a transaction, so that what belongs together commits together.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

from edge.clock import Clock, SystemClock
from edge.store.database import Database, Watch
from edge.store.objects import Objects

__all__ = ["Database", "Objects", "Store", "Watch"]


@dataclass(frozen=True, slots=True)
class Store:
    """One appliance's durable state, and the clock that stamps it."""

    database: Database
    objects: Objects
    clock: Clock

    @classmethod
    def open(cls, root: Path, clock: Clock | None = None) -> Store:
        """Opens the store in a folder, making it (and migrating it) where needed.

        Raises:
            StoreError: `store-unusable`.
        """
        return cls(Database(root / "calcedge.sqlite"), Objects(root), clock or SystemClock())

    def read(self) -> AbstractContextManager[Connection]:
        """A connection for reading."""
        return self.database.read()

    def transaction(self) -> AbstractContextManager[Connection]:
        """A connection that holds the write lock."""
        return self.database.transaction()

    def close(self) -> None:
        """Closes the idle connections."""
        self.database.close()
