"""What the faults share: films that the real worker has looked at once, and folders where a sync costs nothing."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.disk import Disk, disk
from tests.faults.line import Answers, record
from tests.faults.outside import Outside, outside

_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What the real analysis says of the films of `outside`."""
    folder = tmp_path_factory.mktemp("answers")
    outside(folder, (0, 0))
    return record([folder / "hand.dcm", folder / "drop" / "film.dcm"])


@pytest.fixture
def quick_path() -> Iterator[Path]:
    """A folder in memory where there is one: what is killed there finds what it wrote, synced or not."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None, prefix="faults-") as folder:
        yield Path(folder)


@pytest.fixture
def small(quick_path: Path) -> Iterator[Disk]:
    """A small ext4 of its own."""
    with disk(quick_path) as mounted:
        yield mounted


@pytest.fixture
def new_world() -> Callable[[Path], Outside]:
    """Makes the world around one appliance, in an empty folder."""
    return make_world


def make_world(folder: Path) -> Outside:
    """A fresh world; what was in the folder is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return outside(folder, (_port(), _port()))


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
