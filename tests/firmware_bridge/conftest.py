"""A simulated unit on a pseudo-terminal and a bridge beside it, each in its thread, both gone after the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.firmware_bridge.rig import Disk, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path / "unit")
    yield rig
    rig.close()


@pytest.fixture
def disk() -> Disk:
    return Disk()
