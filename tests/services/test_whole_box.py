"""The whole appliance as it stands on a box: READY means proven, small, sparing with the disk, closed to strangers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import box
from tests.bench.figure import Figure
from tests.peers.started import Started


def failing(figures: Iterator[Figure]) -> list[Figure]:
    return [figure for figure in figures if figure.holds is False]


@pytest.mark.requirement("a model that is not proven analyses nothing")
def test_ready_means_that_the_model_is_proven(tmp_path: Path) -> None:
    config = box.configuration(tmp_path)
    with Started(config, tmp_path) as started:
        assert list(started.ready_s)[-1] == "analyze"
        facts = json.loads((tmp_path / "data" / "run" / "analyze.json").read_text(encoding="utf-8"))["facts"]
        assert facts["ready"] is True
        assert facts["model"]["name"] == "hand-calcinosis"


@pytest.mark.requirement("all processes together fit into the memory that was stated")
def test_memory_of_all_processes_at_work(tmp_path: Path) -> None:
    idle, at_work = box.footprint(tmp_path, films=3)
    assert at_work.holds
    assert isinstance(idle.value, float)
    assert isinstance(at_work.value, float)
    assert idle.value < at_work.value


@pytest.mark.requirement("disk writes stay within the stated budget")
def test_what_an_image_writes(tmp_path: Path) -> None:
    assert failing(box.disk_writes(tmp_path, films=3, idle_s=5.0)) == []


@pytest.mark.needs("echoscu")
@pytest.mark.requirement("nothing is offered to strangers that the site didn't switch on")
def test_what_a_stranger_finds(tmp_path: Path) -> None:
    assert failing(box.ports(tmp_path)) == []
