"""Every fault at random, by seed, for as many frames as asked: nothing lost, doubled, invented or taken for whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from firmware_bridge.simulator.chaos import DRAWN
from tests.hil.storm import World

_HOST = {"killed", "killed before disk", "killed after disk", "not kept"}


@pytest.mark.sim_only
@pytest.mark.requirement("no exposure is lost, doubled or invented")
@pytest.mark.requirement("a damaged record is never taken for a whole one")
@pytest.mark.parametrize(
    ("seed", "frames"),
    [
        (1, 15_000),
        pytest.param(2026, 1_000_000, marks=[pytest.mark.soak, pytest.mark.timeout(7200)]),
    ],
)
def test_every_fault_at_random_loses_and_invents_nothing(
    seed: int, frames: int, capsys: pytest.CaptureFixture[str], record_property: Callable[[str, object], None]
) -> None:
    world = World(seed)
    world.run(frames)
    world.settle()
    record_property("hil.seed", seed)
    record_property("hil.figures", world.figures())
    with capsys.disabled():
        print(f"\nseed {seed}: {world.figures()}")
    assert world.ring.lost == 0  # it had room: what is missing would be the link's fault
    assert (world.invented, world.changed, world.corrupt) == (0, 0, 0)
    assert world.disk == world.happened  # all of them, once each, as they were, and nothing else
    assert world.exposures > frames / 50
    assert set(world.faults) == set(DRAWN) | _HOST
