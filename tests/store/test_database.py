"""The database: durable settings, migrations, transactions, watching."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from edge.errors import StoreError
from edge.store import Database


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
            assert connection.execute("PRAGMA user_version").fetchone()[0] == 1
        database.close()


def test_a_migration_is_preceded_by_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.sqlite"
    first = Database(path)
    with first.transaction() as tx:
        tx.execute("INSERT INTO unit_events VALUES (1, 'd', 1, 1, 'fault', '{}', 'now')")
    first.close()
    from edge.store import database as module

    steps = module._migrations()
    monkeypatch.setattr(module, "_migrations", lambda: [*steps, "ALTER TABLE unit_events ADD COLUMN note TEXT;"])
    second = Database(path)
    with second.read() as connection:
        assert connection.execute("SELECT note FROM unit_events").fetchone()[0] is None
    second.close()
    backup = sqlite3.connect(path.with_suffix(".before-0002"))
    assert backup.execute("PRAGMA user_version").fetchone()[0] == 1
    assert backup.execute("SELECT count(*) FROM unit_events").fetchone()[0] == 1
    backup.close()


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
