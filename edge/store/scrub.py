"""Reads everything that is kept and names what the disk has damaged: rows, and objects that differ from their names.

What always holds: nothing is repaired in silence. A damaged object is moved to `quarantine/`, under its own name, so
that nobody takes it for what it was; what refers to it meets `object-missing` from then on, and says so.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge.errors import StoreError
from edge.store import events, images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.store import Store

QUARANTINE: Final = "quarantine"
_TABLES_FIRST: Final = ("exposures", "orders", "images", "analyses", "parcels")
"""Others refer to these: their rows come first."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is damaged: the code of `edge.errors`, what it is, and which images it belongs to."""

    code: str
    what: str
    images: tuple[int, ...] = ()
    original: bool = False
    """Whether it is a received image itself, which nobody can make again."""


def scrub(store: Store) -> Iterator[Damage]:
    """Looks at the database and at every object that a row names; damaged objects are in quarantine after."""
    names: list[str] = []
    try:
        with store.read() as connection:
            for check in ("integrity_check", "foreign_key_check"):
                for row in connection.execute(f"PRAGMA {check}").fetchall():
                    if row[0] != "ok":
                        yield Damage("store-unusable", f"database: {' '.join(str(part) for part in row)}")
            if (broken := events.broken_link(connection)) is not None:
                yield Damage("store-unusable", f"audit trail: broken at event {broken}")
            names = sorted(images.referenced_objects(connection))
    except StoreError as error:
        yield Damage(error.reason.code, f"database: {error.reason.text}")
    for name in names:
        try:
            store.objects.prove(name)
        except StoreError as error:
            with store.read() as connection:
                owners, original = _owners(connection, name)
            _set_apart(store, name)
            yield Damage(error.reason.code, f"object {name[:12]}", owners, original)


def _owners(connection: sqlite3.Connection, name: str) -> tuple[tuple[int, ...], bool]:
    originals = [row["id"] for row in connection.execute("SELECT id FROM images WHERE object = ?", (name,))]
    made = connection.execute(
        """SELECT image_id AS id FROM analyses WHERE picture = ?1 UNION SELECT image_id FROM parcels WHERE object = ?1
           UNION SELECT image_id FROM reports JOIN analyses ON analyses.id = analysis_id WHERE object = ?1""",
        (name,),
    )
    return tuple(sorted({*originals, *(row["id"] for row in made)})), bool(originals)


def _set_apart(store: Store, name: str) -> None:
    aside = store.objects.root.parent / QUARANTINE
    aside.mkdir(exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        store.objects.path(name).replace(aside / name)


def salvage(root: Path, database: str, fresh: Path) -> dict[str, int]:
    """Moves every row that can still be read from a damaged database into a fresh, empty one of the same schema.

    The damaged files are in `quarantine/` after, and the fresh one in their place.

    Returns:
        How many rows of each table were saved.
    """
    aside = root / QUARANTINE
    aside.mkdir(exist_ok=True)
    damaged = root / database
    with contextlib.closing(sqlite3.connect(fresh)) as target, contextlib.closing(sqlite3.connect(damaged)) as source:
        source.text_factory = bytes
        target.execute("PRAGMA foreign_keys=OFF")
        tables = [row[0] for row in target.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        plain = [name for name in tables if not _belongs_to_an_index(target, name)]
        saved = {table: _copy(source, target, table) for table in sorted(plain, key=_rank)}
        _drop_orphans(target)
        target.execute("UPDATE images SET header = header WHERE header IS NOT NULL")  # its words are looked up again
        target.commit()
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    number = len(list(aside.glob(f"{database}.*")))
    for end in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            damaged.with_name(database + end).replace(aside / f"{database}.{number}{end}")
    os.replace(fresh, damaged)  # noqa: PTH105 - the last step, alone
    return saved


def set_apart_unnamed(store: Store) -> int:
    """Moves the objects that no row names any more into quarantine, where nothing sweeps them. Returns how many."""
    with store.read() as connection:
        named = images.referenced_objects(connection)
    unnamed = [path.name for path in store.objects.root.glob("*/*") if path.name not in named]
    for name in unnamed:
        _set_apart(store, name)
    return len(unnamed)


def _rank(table: str) -> int:
    return _TABLES_FIRST.index(table) if table in _TABLES_FIRST else len(_TABLES_FIRST)


def _belongs_to_an_index(target: sqlite3.Connection, table: str) -> bool:
    """Search tables are kept by triggers; copying them would double them."""
    (kind,) = target.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    words = [row[0] for row in target.execute("SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL%'")]
    return (
        table.startswith("sqlite_")
        or kind.startswith("CREATE VIRTUAL")
        or any(table.startswith(f"{w}_") for w in words)
    )


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> int:
    columns = [row[1] for row in target.execute(f"PRAGMA table_info({table})")]
    if next(_rows(source, table, columns), None):
        target.execute(f"DELETE FROM {table}")  # noqa: S608 - what a fresh database has is older
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - names of our own schema
    for row in _rows(source, table, columns):
        with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):  # what breaks the schema's rules isn't whole
            values = [value.decode() if isinstance(value, bytes) and kind == "text" else value for value, kind in row]
            target.execute(insert, values)
    (saved,) = target.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - as above
    return int(saved)


def _rows(source: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[list[tuple[object, str]]]:
    """Every row that can be read: from both ends towards the damage."""
    wanted = ", ".join(f"{column}, typeof({column})" for column in columns)
    for direction in ("ASC", "DESC"):
        try:
            for row in source.execute(f"SELECT {wanted} FROM {table} ORDER BY rowid {direction}"):  # noqa: S608 - as above
                yield [(value, bytes(kind).decode()) for value, kind in zip(row[::2], row[1::2], strict=True)]
        except (sqlite3.Error, MemoryError):
            continue
        return


def _drop_orphans(target: sqlite3.Connection) -> None:
    """Rows whose owner was lost say nothing of anybody."""
    while lost := target.execute("PRAGMA foreign_key_check").fetchall():
        for table, rowid, *_ in lost:
            target.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))  # noqa: S608 - as above
