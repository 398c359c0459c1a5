"""Who may write into the watched folder is a sender: nothing of the appliance's own is reached through it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.intake import folder as watched
from edge.intake.folder import WatchedFolder
from edge.intake.receive import Reception
from edge.store import Store, images


def taken(store: Store) -> int:
    with store.read() as connection:
        return len(images.latest(connection))


@pytest.mark.requirement("only whom we know")
def test_links_pipes_and_folders_are_left_alone(store: Store, tmp_path: Path) -> None:
    drop, secret = tmp_path / "drop", tmp_path / "key.pem"
    drop.mkdir()
    secret.write_bytes(b"a private key")
    (drop / "link.dcm").symlink_to(secret)
    (drop / "folder.dcm").mkdir()
    (drop / "away.dcm").symlink_to(tmp_path / "nowhere")
    os.mkfifo(drop / "pipe.dcm")
    (drop / "film.dcm").write_bytes(b"a film")
    look = WatchedFolder(drop, Reception(store, 0), store.objects).look
    assert [look(), look(), look()] == [0, 1, 0]
    assert taken(store) == 1
    assert secret.exists()
    assert (drop / "link.dcm").is_symlink()


@pytest.mark.requirement("only whom we know")
def test_a_file_that_becomes_a_link_or_a_pipe_after_it_was_looked_at(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop, secret = tmp_path / "drop", tmp_path / "key.pem"
    drop.mkdir()
    secret.write_bytes(b"a private key")
    for name in ("one.dcm", "two.dcm"):
        (drop / name).write_bytes(b"a film")
    folder = WatchedFolder(drop, Reception(store, 0), store.objects)
    folder.look()
    copy = watched._copy

    def late(path: Path, target: Path) -> None:
        path.unlink()
        path.symlink_to(secret) if path.name == "one.dcm" else os.mkfifo(path)
        copy(path, target)

    monkeypatch.setattr(watched, "_copy", late)
    assert folder.look() == 0
    assert taken(store) == 0
    assert not list(store.objects.root.glob("*/*"))
