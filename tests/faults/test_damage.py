"""Damaged databases and objects are found, named and set apart; what can be read is saved; nothing looks clean."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.errors import StoreError
from edge.store import Store, events, images
from edge.store.backup import DATABASE
from edge.store.scrub import QUARANTINE, salvage, scrub
from tests.outbox.conftest import queue_bytes

_IMAGES = 120
_TABLES = ("images", "parcels", "events")


@pytest.fixture
def sound(quick_path: Path) -> Path:
    """A store's folder with some images, parcels and events; closed, all in one file."""
    store = Store.open(quick_path / "sound")
    for number in range(_IMAGES):
        queue_bytes(store, "archive", f"image {number}".encode(), "1.2.840.10008.5.1.4.1.1.1", f"1.2.3.{number}")
        with store.transaction() as tx:
            events.append(tx, store.clock.now(), "intake", "image-received", f"image:{number + 1}", bytes=number)
    with store.read() as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    return quick_path / "sound"


def _rows(root: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(root / DATABASE)
    found = {table: connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall() for table in _TABLES}
    connection.close()
    return found


def _garble(path: Path, page: int, size: int, luck: random.Random) -> None:
    with path.open("r+b") as file:
        file.seek(page * size + luck.randrange(size // 2))
        file.write(luck.randbytes(size // 4))


@pytest.mark.requirement("failure is not a clean result")
def test_whatever_page_is_damaged_it_is_named_or_nothing_was_lost(sound: Path, quick_path: Path) -> None:
    """Every third page of the database, one after the other: found, and the rest is saved unaltered."""
    before, luck = _rows(sound), random.Random(3)
    size = 4096
    pages = (sound / DATABASE).stat().st_size // size
    harmless = lost = 0
    saved: list[float] = []
    for page in range(0, pages, 3):
        root = quick_path / f"page{page}"
        shutil.copytree(sound, root)
        _garble(root / DATABASE, page, size, luck)
        try:
            store = Store.open(root)
        except StoreError:
            found = ["at its start"]
        else:
            found = [damage.what for damage in scrub(store)]
            store.close()
        if not found:
            assert _rows(root) == before, f"page {page}"
            harmless += 1
            continue
        lost += found == ["at its start"]
        fresh = Store.open(quick_path / "fresh")
        fresh.close()
        salvage(root, DATABASE, quick_path / "fresh" / DATABASE)
        after = _rows(root)
        for table in _TABLES:
            assert set(after[table]) <= set(before[table]), f"page {page}: a row of {table} was altered"
        saved.append(sum(map(len, after.values())) / sum(map(len, before.values())))
        again = Store.open(root)
        with again.read() as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        again.close()
        assert list((root / QUARANTINE).glob(f"{DATABASE}.0"))
        shutil.rmtree(root)
        shutil.rmtree(quick_path / "fresh")
    readable = [share for share in saved if share]
    mean = sum(readable) / len(readable)
    print(
        f"{pages} pages: {harmless} harmless, {len(saved)} named, {lost} of them at the start; {mean:.1%} of rows saved"
    )
    assert len(saved) > pages // 12
    assert len(saved) - len(readable) <= lost  # the schema's own pages: only a backup helps
    assert mean > 0.9


_HARM: dict[str, Callable[[Path], object]] = {
    "a bit is another": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
    "the end is missing": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "it is empty": lambda path: path.write_bytes(b""),
    "it is gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("harm", _HARM)
@pytest.mark.requirement("failure is not a clean result")
def test_a_damaged_object_is_named_and_set_apart(sound: Path, harm: str) -> None:
    store = Store.open(sound)
    assert list(scrub(store)) == []
    with store.read() as connection:
        image = images.latest(connection, 1)[0]
    path = store.objects.path(image.object)
    _HARM[harm](path)
    (damage,) = scrub(store)
    assert damage.code == ("object-missing" if harm == "it is gone" else "object-corrupt")
    assert damage.images == (image.id,)
    assert damage.original
    assert not path.exists()
    assert (sound / QUARANTINE / image.object).exists() == (harm != "it is gone")
    with pytest.raises(StoreError, match="object-missing"):
        store.objects.prove(image.object)
    # The same image, sent again, makes it whole.
    assert store.objects.put(f"image {_IMAGES - 1}".encode()) == image.object
    assert list(scrub(store)) == []
    store.close()
