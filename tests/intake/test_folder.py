"""The watched folder: only what has come to rest, durably first, and once."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.intake.folder import WatchedFolder
from edge.intake.receive import Reception
from edge.store import Store, images
from tests.peers.films import film, write


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    return tmp_path / "drop"


def _watch(store: Store, drop: Path, reserve_mb: int = 0) -> WatchedFolder:
    return WatchedFolder(drop, Reception(store, reserve_mb), store.objects)


def _count(store: Store) -> int:
    with store.read() as connection:
        return len(images.latest(connection, 100))


def test_a_file_is_taken_when_it_has_come_to_rest(store: Store, drop: Path) -> None:
    watched = _watch(store, drop)
    assert watched.look() == 0
    path = write(film(1), drop / "a.dcm")
    content = path.read_bytes()
    path.write_bytes(content[:1000])
    assert watched.look() == 0
    path.write_bytes(content)
    assert watched.look() == 0
    assert watched.look() == 1
    assert not path.exists()
    assert (drop / "received" / "a.dcm").read_bytes() == content
    with store.read() as connection:
        (image,) = images.latest(connection)
    assert store.objects.read(image.object) == content
    assert image.source == "folder"


def test_unfinished_names_are_left_alone(store: Store, drop: Path) -> None:
    watched = _watch(store, drop)
    for name in ("a.dcm.part", "b.tmp", ".hidden.dcm"):
        write(film(1), drop / name)
    watched.look()
    assert watched.look() == 0
    assert len([p for p in drop.iterdir() if p.is_file()]) == 3


@pytest.mark.requirement("nothing lost")
def test_a_plug_pulled_between_taking_and_clearing_makes_no_second_image(store: Store, drop: Path) -> None:
    path = write(film(1), drop / "a.dcm")
    content = path.read_bytes()
    first = _watch(store, drop)
    first.look()
    assert first.look() == 1
    path.write_bytes(content)  # as if the file had never been moved away
    after_restart = _watch(store, drop)
    after_restart.look()
    assert after_restart.look() == 0
    assert _count(store) == 1
    assert not path.exists()


def test_without_room_the_file_stays(store: Store, drop: Path) -> None:
    path = write(film(1), drop / "a.dcm")
    watched = _watch(store, drop, reserve_mb=10**9)
    watched.look()
    assert watched.look() == 0
    assert path.exists()
    assert _count(store) == 0


def test_a_folder_that_is_not_there_is_looked_for_again(store: Store, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way", encoding="ascii")
    watched = _watch(store, blocked / "drop")
    assert watched.look() == 0
    blocked.unlink()
    write(film(1), blocked / "drop" / "a.dcm")
    watched.look()
    assert watched.look() == 1


def test_a_file_that_can_t_be_moved_away_is_taken_once(
    store: Store, drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(film(1), drop / "a.dcm")
    watched = _watch(store, drop)
    watched.look()

    def read_only(_self: Path, _target: Path) -> Path:
        raise OSError(30, "read-only file system")

    with monkeypatch.context() as patch:
        real_rename = Path.rename
        patch.setattr(Path, "rename", lambda s, t: read_only(s, t) if s == path else real_rename(s, t))
        assert watched.look() == 1
    copies: list[object] = []
    monkeypatch.setattr("edge.intake.folder.shutil.copyfile", lambda *paths: copies.append(paths))
    assert watched.look() == 0
    assert copies == []
    assert path.exists()
    assert _count(store) == 1
