"""A fleet of one box for each test that asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.fleet import FleetOfOne


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[FleetOfOne]:
    made = FleetOfOne(tmp_path)
    yield made
    made.close()
