"""Encryption at rest on a real ext4: nothing can be read without the key, and the line works as before with it."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge.cli import cli
from edge.errors import StoreError
from edge.store import Store, events, vault
from edge.store.vault import State

SECRET = b"Xiphosura^Quillonia"
pytestmark = pytest.mark.needs("mkfs.ext4", "losetup")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small ext4 with encryption switched on, mounted. Needs root."""
    image, where = tmp_path / "disk.img", tmp_path / "mounted"
    where.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-O", "encrypt", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(where)], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


@pytest.fixture
def key(tmp_path: Path) -> bytes:
    path = tmp_path / "key"
    vault.new_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return vault.read_key(path)


def _filled(folder: Path) -> str:
    store = Store.open(folder)
    name = store.objects.put(SECRET * 1000)
    with store.transaction() as tx:
        events.append(tx, store.clock.now(), "test", "image-received", "image:1", patient=SECRET.decode())
    store.close()
    return name


def _raw(disk: Path) -> bytes:
    """What lies on the disk."""
    os.sync()
    return (disk.parent / "disk.img").read_bytes()


@pytest.mark.requirement("encryption at rest")
def test_without_the_key_nothing_can_be_read_or_added(disk: Path, key: bytes) -> None:
    folder = disk / "store"
    folder.mkdir()
    assert vault.state(folder) is State.PLAIN
    vault.encrypt(folder, key)
    assert vault.state(folder) is State.OPEN
    name = _filled(folder)
    assert SECRET not in _raw(disk)
    assert name.encode() not in _raw(disk), "file names are encrypted too"
    vault.lock(folder)
    assert vault.state(folder) is State.LOCKED
    assert not any(path.name in {"calcedge.sqlite", "objects"} for path in folder.iterdir())
    with pytest.raises(StoreError, match="store-unusable"):
        Store.open(folder)
    with pytest.raises(OSError):  # noqa: PT011 - ENOKEY has no class
        (folder / "plain").write_bytes(b"in the clear")
    with pytest.raises(StoreError, match="not the store's key"):
        vault.unlock(folder, bytes(64))
    assert vault.state(folder) is State.LOCKED
    vault.unlock(folder, key)
    store = Store.open(folder)
    assert store.objects.read(name) == SECRET * 1000
    with pytest.raises(StoreError, match="still open"):
        vault.lock(folder)
    store.close()


@pytest.mark.requirement("encryption at rest")
def test_a_store_that_is_there_is_taken_along(disk: Path, key: bytes) -> None:
    folder = disk / "store"
    folder.mkdir(mode=0o700)
    os.chown(folder, 1234, 1234)
    name = _filled(folder)
    os.chown(folder / "calcedge.sqlite", 1234, 1234)
    vault.encrypt(folder, key)
    assert vault.state(folder) is State.OPEN
    assert folder.stat().st_uid == (folder / "calcedge.sqlite").stat().st_uid == 1234
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    store = Store.open(folder)
    assert store.objects.read(name) == SECRET * 1000
    with store.read() as connection:
        assert len(events.latest(connection)) == 1
    store.close()
    assert sorted(path.name for path in disk.iterdir()) == ["lost+found", "store"]
    with pytest.raises(StoreError, match="the folder is open"):
        vault.encrypt(folder, key)


@pytest.mark.requirement("encryption at rest")
@pytest.mark.parametrize("cut_at", ["_copy", "_exchange", "_sync", "_remove_tree"])
def test_a_power_cut_while_it_is_encrypted_loses_nothing(
    disk: Path, key: bytes, monkeypatch: pytest.MonkeyPatch, cut_at: str
) -> None:
    folder = disk / "store"
    folder.mkdir()
    name = _filled(folder)

    class PowerCut(Exception):  # noqa: N818 - an event
        pass

    def cut(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(vault, cut_at, cut)
        with pytest.raises(PowerCut):
            vault.encrypt(folder, key)
    store = Store.open(folder)
    assert store.objects.read(name) == SECRET * 1000
    store.close()
    vault.encrypt(folder, key)  # goes on, or removes the plain one that was left
    assert vault.state(folder) is State.OPEN
    assert sorted(path.name for path in disk.iterdir()) == ["lost+found", "store"]


def test_a_file_system_that_can_t_says_so(tmp_path: Path, key: bytes) -> None:
    folder = Path("/dev/shm") / tmp_path.name  # a tmpfs has no encryption
    folder.mkdir()
    try:
        assert vault.state(folder) is State.UNABLE
        with pytest.raises(StoreError, match="unable"):
            vault.encrypt(folder, key)
    finally:
        folder.rmdir()


def test_a_key_that_others_may_read_or_that_is_none_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(StoreError, match="can't be read"):
        vault.read_key(path)
    path.write_bytes(bytes(64))
    path.chmod(0o640)
    with pytest.raises(StoreError, match="others may read"):
        vault.read_key(path)
    path.chmod(0o600)
    assert vault.read_key(path) == bytes(64)
    path.write_bytes(bytes(65))
    with pytest.raises(StoreError, match="64 bytes"):
        vault.read_key(path)


def test_from_the_terminal(disk: Path, tmp_path: Path) -> None:
    folder, key = disk / "store", tmp_path / "vault-key"
    folder.mkdir()

    def vaulted(*arguments: object) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["vault", *map(str, arguments)])
        return done.exit_code, done.output

    assert vaulted("key", key)[0] == 0
    assert vaulted("key", key)[0] == 1, "a key is never overwritten"
    assert vaulted("state", folder) == (0, "plain\n")
    assert vaulted("encrypt", folder, "--key", key)[0] == 0
    assert vaulted("lock", folder)[0] == 0
    assert vaulted("state", folder) == (0, "locked\n")
    assert vaulted("unlock", folder, "--key", key)[0] == 0
    assert vaulted("state", folder) == (0, "open\n")
