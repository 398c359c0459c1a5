"""The cable's faults, and the scenarios that call for them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from firmware_bridge.simulator import Scenario, ScenarioError, load, series
from firmware_bridge.simulator.faults import (
    BrownOut,
    Corrupt,
    Direction,
    Drop,
    Garbage,
    Reset,
    Silence,
    Unplug,
)
from firmware_bridge.simulator.line import Line, split_frames
from firmware_bridge.simulator.scenario import Expose, Settle, UnitFault, Wait

FRAMES = [b"\x03abc\x00", b"\x03def\x00", b"\x03ghi\x00"]
S = 1_000_000_000


@pytest.mark.parametrize(("direction", "other"), [("to-host", "to-unit"), ("to-unit", "to-host")])
def test_drop_takes_the_next_frames_of_one_direction(direction: Direction, other: Direction) -> None:
    line = Line(random.Random(1))
    line.arm(Drop(frames=2, direction=direction), 0)
    assert line.carry(FRAMES, other, 0) == b"".join(FRAMES)
    assert line.carry(FRAMES, direction, 0) == FRAMES[2]


def test_corrupt_flips_one_bit_of_each_of_the_next_frames() -> None:
    line = Line(random.Random(1))
    line.arm(Corrupt(frames=2), 0)
    carried = line.carry(FRAMES, "to-host", 0)
    flipped = [a ^ b for a, b in zip(carried, b"".join(FRAMES), strict=True)]
    assert [bits.bit_count() for bits in flipped if bits] == [1, 1]
    assert not any(flipped[10:])


def test_silence_swallows_both_ways_until_it_is_over() -> None:
    line = Line(random.Random(1))
    line.arm(Silence(s=2), 5 * S)
    assert line.carry(FRAMES, "to-host", 6 * S) == line.carry(FRAMES, "to-unit", 6 * S) == b""
    assert line.carry(FRAMES, "to-host", 7 * S) == b"".join(FRAMES)


def test_the_same_seed_makes_the_same_noise() -> None:
    assert Line(random.Random(3)).garbage(50) == Line(random.Random(3)).garbage(50)


@pytest.mark.parametrize(
    ("data", "pieces"),
    [
        (b"", []),
        (b"ab", [b"ab"]),
        (b"\0ab\0cd\0", [b"ab\0", b"cd\0"]),
        (b"ab\0cd", [b"ab\0", b"cd"]),
    ],
)
def test_bytes_from_the_host_are_cut_at_delimiters(data: bytes, pieces: list[bytes]) -> None:
    assert split_frames(data) == pieces


def test_a_scenario_file_is_read_in_order(tmp_path: Path) -> None:
    file = tmp_path / "storm.toml"
    file.write_text(
        """
        seed = 7
        speed = 5
        repeat = 2
        step = [
            { do = "expose", kv = 55, ma = 100, ms = 40, until = "exposing" },
            { do = "unplug", s = 1.5 },
            { do = "wait", s = 2 },
            { do = "settle" },
            { do = "reset" },
            { do = "fault", code = "arc", level = "error", text = "arc" },
            { do = "drop", frames = 3, direction = "to-unit" },
            { do = "corrupt" },
            { do = "garbage", size = 100 },
            { do = "silence", s = 3 },
            { do = "brownout" },
        ]
        """,
        encoding="utf-8",
    )
    scenario = load(file)
    expected = [
        Expose(kv=55, ma=100, ms=40, until="exposing"),
        Unplug(s=1.5),
        Wait(s=2),
        Settle(),
        Reset(),
        UnitFault(code="arc", level="error", text="arc"),
        Drop(frames=3, direction="to-unit"),
        Corrupt(),
        Garbage(size=100),
        Silence(s=3),
        BrownOut(),
    ]
    assert list(scenario.steps()) == expected * 2
    assert (scenario.seed, scenario.speed) == (7, 5)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("step = [{ do = 'explode' }]", "explode"),
        ("step = [{ do = 'expose', kv = 500 }]", "kv"),
        ("step = [{ do = 'expose', kvp = 50 }]", "kvp"),
        ("speed = 0", "speed"),
        ("sped = 2", "sped"),
        ("seed = ", "storm.toml"),
    ],
)
def test_a_scenario_that_says_something_unknown_is_refused_with_its_place(
    tmp_path: Path, text: str, complaint: str
) -> None:
    file = tmp_path / "storm.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=complaint):
        load(file)


def test_a_scenario_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"none\.toml"):
        load(tmp_path / "none.toml")


def test_a_series_is_that_many_exposures_of_hands_repeatable_by_seed() -> None:
    day = series(exposures=20, every_s=30, seed=4)
    exposures = [step for step in day.step if isinstance(step, Expose)]
    assert len(exposures) == 20
    assert [step.s for step in day.step if isinstance(step, Wait)] == [30] * 19
    assert all(45 <= step.kv < 60 and step.technique.mas <= 10.1 for step in exposures)
    assert day == series(20, 30, 4) != series(20, 30, 5)
    assert isinstance(day, Scenario)
