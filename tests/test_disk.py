"""A disk is asked aside: nobody who draws a page waits for it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edge import disk
from tests.peers.waiting import wait_for


def test_a_folder_that_takes_writes_and_one_that_is_not_there(tmp_path: Path) -> None:
    assert disk.writable(tmp_path)
    assert not disk.writable(tmp_path / "gone")
    assert disk.watched(tmp_path) is disk.watched(tmp_path)


def test_a_disk_that_answers_late_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_ASKED_EVERY_S", 0.0)
    asked, answers = threading.Semaphore(0), threading.Semaphore(1)

    def slow(folder: Path) -> bool:
        assert folder == tmp_path
        asked.release()
        answers.acquire()
        return len(told) == 0

    told: list[int] = []
    watched = disk.Watched(tmp_path, slow)
    told.append(1)
    assert asked.acquire(timeout=10)
    assert [watched.writable() for _ in range(5)] == [True] * 5  # it is being asked, once, and has not answered
    assert asked.acquire(timeout=10)
    assert not asked.acquire(blocking=False)
    answers.release()
    wait_for(lambda: not watched._answer)
    monkeypatch.setattr(disk, "_ASKED_EVERY_S", 60.0)
    answers.release(10)
