"""A short run of each target, and every input that once showed a bug, again. The long runs: `make fuzz`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import engine, mutate, targets

CORPUS = Path(__file__).parent / "corpus"
_SHORT = {
    "worker": 0,
    "update-metadata": 8,
    "requests": 60,
    "backup": 30,
    "worklist": 80,
    "admission": 150,
    "decode": 60,
}
OURS = [name for name in targets.NAMES if not name.startswith("serial-")]
"""The serial link's have their own test."""


@pytest.mark.requirement("whatever arrives is taken or refused with a listed reason")
@pytest.mark.parametrize("name", [name for name in OURS if _SHORT.get(name, 1)])
def test_a_short_run_finds_nothing(name: str, tmp_path: Path) -> None:
    target = targets.make(name, tmp_path)
    tally = engine.run(target, inputs=_SHORT.get(name, 150), seconds=120, seed=8)
    assert tally.bugs == []
    assert tally.inputs > 0


@pytest.mark.requirement("whatever arrives is taken or refused with a listed reason")
@pytest.mark.parametrize(
    "path",
    [path for path in sorted(CORPUS.glob("*/*")) if path.parent.name in OURS],
    ids=lambda path: f"{path.parent.name}-{path.name}",
)
def test_what_once_showed_a_bug_is_taken_or_refused(path: Path, tmp_path: Path) -> None:
    target = targets.make(path.parent.name, tmp_path)
    assert not engine.judge(target, path.read_bytes()).startswith("BUG")


def test_the_same_number_is_the_same_input() -> None:
    seeds = (b"0123456789" * 20, b"abc")
    assert [mutate.mutated(seeds, 4, n) for n in range(50)] == [mutate.mutated(seeds, 4, n) for n in range(50)]
    assert len({mutate.mutated(seeds, 4, n) for n in range(50)}) > 25


def test_a_bug_of_each_kind_is_seen() -> None:
    """The engine itself: an exception, a code in no list, silence, and a death are each found and counted."""

    def test(data: bytes) -> str:
        if b"crash" in data:
            raise KeyError(data)
        if b"hang" in data:
            while True:
                pass
        if b"die" in data:
            import os

            os.abort()
        return "no-such-code" if b"odd" in data else engine.ACCEPTED

    for seed, found in (
        (b"crash", "BUG crash"),
        (b"hang", "BUG hang"),
        (b"odd", "BUG unlisted"),
        (b"die", "BUG signal"),
    ):
        target = engine.Target(test, [seed], deadline_s=0.2)
        tally = engine.run(target, inputs=12, seconds=60, seed=1)
        assert tally.inputs == 12
        assert any(kind.startswith(found) for _, kind in tally.bugs), tally
