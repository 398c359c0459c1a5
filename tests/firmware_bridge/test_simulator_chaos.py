"""Bad luck by seed: the same seed, the same faults at the same moments."""

from __future__ import annotations

import random
from pathlib import Path
from typing import get_args

import pytest

from firmware_bridge.simulator import ScenarioError, load
from firmware_bridge.simulator.chaos import DRAWN, Chaos, Kind, Storm
from firmware_bridge.simulator.faults import Corrupt, Drop, Fault, Silence
from firmware_bridge.simulator.scenario import STEPS, in_words, read_step

S = 1_000_000_000


def drawn(seed: int, chaos: Chaos, seconds: int = 3600) -> list[tuple[int, Fault]]:
    storm, faults = Storm(chaos, random.Random(seed), 0), []
    for now_s in range(seconds):
        faults += [(now_s, fault) for fault in storm.due(now_s * S)]
    return faults


def test_a_seed_repeats_its_storm_and_another_makes_another() -> None:
    assert drawn(3, Chaos()) == drawn(3, Chaos()) != drawn(4, Chaos())


def test_faults_come_as_often_as_asked_and_of_every_kind() -> None:
    faults = drawn(3, Chaos(every_s=4.0))
    assert len(faults) == pytest.approx(900, rel=0.1)
    assert {fault.do for _, fault in faults} == set(get_args(Kind)) == set(DRAWN)


def test_only_the_kinds_that_are_named() -> None:
    assert {type(fault) for _, fault in drawn(3, Chaos(kinds=("drop", "corrupt")))} == {Drop, Corrupt}


def test_time_given_seldom_gives_all_that_was_due() -> None:
    storm = Storm(Chaos(every_s=1.0), random.Random(1), 0)
    assert len(storm.due(60 * S)) > 30
    assert storm.due(60 * S) == []
    assert storm.next_due_ns() > 60 * S


def test_a_scenario_file_may_ask_for_chaos(tmp_path: Path) -> None:
    file = tmp_path / "chaos.toml"
    file.write_text("[chaos]\nevery_s = 2\nkinds = ['unplug', 'silence']\n", encoding="utf-8")
    assert load(file).chaos == Chaos(2.0, ("unplug", "silence"))
    file.write_text("[chaos]\nkinds = ['earthquake']\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match="chaos"):
        load(file)


def test_every_fault_that_chaos_draws_can_be_said_in_a_scenario_and_is_listed() -> None:
    listed = in_words()
    for kind in DRAWN:
        assert kind in STEPS
        assert f"\n{kind} " in "\n" + listed


def test_a_step_is_read_strictly_and_refused_with_a_sentence() -> None:
    assert read_step({"do": "silence", "s": 2}) == Silence(s=2.0)
    for said, complaint in (
        ({"do": "explode"}, "explode"),
        ({"do": "silence", "seconds": 2}, "seconds"),
        ({"do": "silence", "s": -1}, "s:"),
        ({}, "do"),
    ):
        with pytest.raises(ValueError, match=complaint):
            read_step(said)
