"""The database: durable settings, migrations, transactions, watching."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from edge.errors import StoreError
from edge.store import Database
from edge.store import database as module


def test_a_commit_is_durable_by_its_settings(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite")
    with database.read() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
        assert connection.execute("PRAGMA foreign_keys").fetchone()[0] == 1
    database.close()


def test_an_error_rolls_everything_back(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite")
    with pytest.raises(ZeroDivisionError), database.transaction() as tx:
        tx.execute("CREATE TABLE t (x)")
        _ = 1 / 0
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 't'").fetchone()[0] == 0
    database.close()


def test_a_full_database_is_told_as_disk_full_and_keeps_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite")
    with database.transaction() as tx:
        tx.execute("CREATE TABLE t (x)")
    with pytest.raises(StoreError) as caught, database.transaction() as tx:
        pages = tx.execute("PRAGMA page_count").fetchone()[0]
        tx.execute(f"PRAGMA max_page_count={pages + 1}")
        tx.execute("INSERT INTO t VALUES (zeroblob(1000000))")
    assert caught.value.reason.code == "disk-full"
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone()[0] == 0
    database.close()


def test_migrating_twice_changes_nothing_and_two_may_open_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    opened: list[Database] = []
    threads = [threading.Thread(target=lambda: opened.append(Database(path))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 6
    for database in opened:
        with database.read() as connection:
            newest = max(module._migrations())
            assert connection.execute("PRAGMA user_version").fetchone()[0] == newest
        database.close()


def test_a_migration_is_preceded_by_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.sqlite"
    first = Database(path)
    with first.transaction() as tx:
        tx.execute("INSERT INTO unit_events VALUES (1, 'd', 1, 1, 'fault', '{}', 'now')")
    first.close()
    steps = module._migrations()
    newest = max(steps)
    more = {newest + 1: "ALTER TABLE unit_events ADD COLUMN note TEXT;"}
    monkeypatch.setattr(module, "_migrations", lambda: steps | more)
    second = Database(path)
    with second.read() as connection:
        assert connection.execute("SELECT note FROM unit_events").fetchone()[0] is None
    second.close()
    backup = sqlite3.connect(path.with_suffix(f".before-{newest + 1:04d}"))
    assert backup.execute("PRAGMA user_version").fetchone()[0] == newest
    assert backup.execute("SELECT count(*) FROM unit_events").fetchone()[0] == 1
    backup.close()


def test_a_migration_that_comes_late_still_runs_and_none_runs_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.sqlite"
    early, late = "CREATE TABLE early (x);", "CREATE TABLE late (x);"
    for steps in ({1: "CREATE TABLE first (x);"}, {1: "-", 3: early}, {1: "-", 2: late, 3: "-"}):
        monkeypatch.setattr(module, "_migrations", lambda steps=steps: steps)
        Database(path).close()
    with sqlite3.connect(path) as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        assert {"first", "early", "late"} <= names
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 3


def test_a_store_from_before_the_table_of_steps_is_known_by_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=1")
    monkeypatch.setattr(module, "_migrations", lambda: {1: "CREATE TABLE again (x);", 2: "CREATE TABLE new (x);"})
    Database(path).close()
    with sqlite3.connect(path) as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    assert "new" in names
    assert "again" not in names


def test_a_file_that_is_no_database_is_unusable(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError) as caught:
        Database(tmp_path / "a.sqlite")
    assert caught.value.reason.code == "store-unusable"


def test_the_watch_sees_others_writing_and_is_quiet_otherwise(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite")
    watch = database.watch()
    assert watch.changed()
    assert not watch.changed()
    with database.transaction() as tx:
        tx.execute("INSERT INTO unit_events VALUES (1, 'd', 1, 1, 'fault', '{}', 'now')")
    assert watch.changed()
    assert not watch.changed()
    watch.close()
    database.close()
