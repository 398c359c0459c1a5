"""What an archive's status means."""

from __future__ import annotations

import pytest

from edge.outbox.policy import LONGEST_DELAY_S, delay_s, judge_store


@pytest.mark.parametrize("status", [0x0000, 0x0107, 0x0111, 0x0116, 0xB000, 0xB006, 0xB007])
def test_taken(status: int) -> None:
    assert judge_store(status) is None


@pytest.mark.parametrize(
    ("status", "code", "final"),
    [
        (0xA700, "destination-busy", False),
        (0xA7FF, "destination-busy", False),
        (0xA900, "destination-rejected", True),
        (0xC000, "destination-rejected", True),
        (0xC1FF, "destination-rejected", True),
        (0x0122, "destination-no-context", True),
        (0x0124, "destination-refused", False),
        (0x0110, "destination-rejected", True),
        (0xFE00, "destination-rejected", True),
        (None, "destination-broke-off", False),
    ],
)
def test_not_taken(status: int | None, code: str, final: bool) -> None:  # noqa: FBT001 - a column of the table
    error = judge_store(status)
    assert error is not None
    assert (error.reason.code, error.final) == (code, final)


def test_every_status_has_a_meaning() -> None:
    for status in range(0x10000):
        judge_store(status)


def test_delays_grow_and_end() -> None:
    delays = [delay_s(n) for n in range(40)]
    assert delays[0] == 1.0
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_DELAY_S
