"""Backup and restore: everything, proven; and nothing half done."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from edge.errors import StoreError
from edge.store import Store, backup, images
from edge.store.objects import Digest


@pytest.fixture
def filled(store: Store) -> Store:
    for number in range(3):
        name = store.objects.put(b"film %d" % number)
        with store.transaction() as tx:
            images.add(tx, Digest(name, name, 6), "folder", None, store.clock.now())
    store.objects.put(b"an orphan that nobody names")
    (store.database.path.parent / "site.json").write_text("{}", encoding="ascii")
    return store


def test_what_goes_out_comes_back(filled: Store, tmp_path: Path) -> None:
    body = b"".join(backup.stream(filled))
    assert backup.restore(io.BytesIO(body), tmp_path / "new") == 3
    restored = Store.open(tmp_path / "new")
    with restored.read() as connection:
        found = images.latest(connection)
    assert [restored.objects.read(image.object) for image in found] == [b"film 2", b"film 1", b"film 0"]
    assert (tmp_path / "new" / "site.json").exists()
    assert not list((tmp_path / "new").glob("restore-*"))
    restored.close()


@pytest.mark.requirement("a damaged backup is never put in place")
def test_a_damaged_backup_leaves_no_store(filled: Store, tmp_path: Path) -> None:
    body = bytearray(b"".join(backup.stream(filled)))
    at = body.index(b"film 1")
    body[at : at + 4] = b"mess"
    for damaged in (bytes(body), bytes(body[: at - 600]), b"no tar at all" * 100):
        with pytest.raises(StoreError):
            backup.restore(io.BytesIO(damaged), tmp_path / "new")
        assert not (tmp_path / "new" / backup.DATABASE).exists()


def test_a_store_is_never_overwritten(filled: Store) -> None:
    body = b"".join(backup.stream(filled))
    with pytest.raises(StoreError) as caught:
        backup.restore(io.BytesIO(body), filled.database.path.parent)
    assert caught.value.reason.code == "store-unusable"


def test_a_backup_can_not_write_elsewhere(filled: Store, tmp_path: Path) -> None:
    body = io.BytesIO(b"".join(backup.stream(filled)))
    evil = io.BytesIO()
    with tarfile.open(fileobj=body) as source, tarfile.open(fileobj=evil, mode="w") as target:
        for member in source:
            target.addfile(member, source.extractfile(member))
        for name in ("../outside", "/tmp/outside-calcedge", "objects/aa/../../../outside"):
            entry = tarfile.TarInfo(name)
            entry.size = 4
            target.addfile(entry, io.BytesIO(b"evil"))
    evil.seek(0)
    try:
        backup.restore(evil, tmp_path / "new")
    except StoreError:
        assert not (tmp_path / "new" / backup.DATABASE).exists()
    assert not list(tmp_path.rglob("outside*"))


def test_a_missing_object_breaks_the_download_off(filled: Store) -> None:
    next(filled.objects.root.glob("*/*")).unlink()
    for path in filled.objects.root.glob("*/*"):
        path.unlink()
    with pytest.raises(StoreError):
        list(backup.stream(filled))
