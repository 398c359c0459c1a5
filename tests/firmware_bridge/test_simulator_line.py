"""The cable: what each fault does to bytes, and when they come out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.simulator.faults import Drop, Duplicate, Partial, Silence, Slow, WrongBaud
from firmware_bridge.simulator.line import Line, at_other_speed, split_frames

FRAMES = [b"\x03abc\x00", b"\x03def\x00", b"\x03ghi\x00"]
MS = 1_000_000
S = 1_000 * MS


def line(*, paced: bool = False) -> Line:
    return Line(random.Random(1), paced=paced)


def test_duplicate_says_each_of_the_next_frames_twice() -> None:
    cable = line()
    cable.arm(Duplicate(frames=2), 0)
    assert cable.carry(FRAMES, "to-host", 0) == FRAMES[0] * 2 + FRAMES[1] * 2 + FRAMES[2]


def test_a_partial_frame_comes_in_two_parts_and_later_frames_wait_behind_it() -> None:
    cable = line()
    cable.arm(Partial(frames=1, rest_s=0.1), 0)
    first = cable.carry(FRAMES, "to-host", 0)
    assert FRAMES[0].startswith(first)
    assert len(first) < len(FRAMES[0])
    assert cable.next_due_ns() == 100 * MS
    assert cable.carry([], "to-host", 99 * MS) == b""
    assert first + cable.carry([], "to-host", 100 * MS) == b"".join(FRAMES)
    assert cable.next_due_ns() is None


def test_the_rest_of_a_partial_frame_may_never_come() -> None:
    cable = line()
    cable.arm(Partial(frames=1, rest_s=0), 0)
    carried = cable.carry(FRAMES, "to-host", 0)
    assert carried.endswith(FRAMES[1] + FRAMES[2])
    assert len(carried) < 15
    assert cable.next_due_ns() is None


def test_a_slow_line_holds_bytes_and_then_gives_them_at_its_rate() -> None:
    cable = line()
    cable.arm(Slow(s=5, hold_ms=200, bytes_per_s=100), 0)
    assert cable.carry(FRAMES, "to-host", 0) == b""
    assert cable.carry([], "to-host", 249 * MS) == b""
    assert cable.carry([], "to-host", 250 * MS) == FRAMES[0]
    assert cable.carry([], "to-host", 349 * MS) == FRAMES[1]
    assert cable.carry([], "to-host", 350 * MS) == FRAMES[2]
    assert cable.carry(FRAMES, "to-host", 6 * S) == b"".join(FRAMES)


def test_a_paced_line_takes_the_time_of_a_real_one() -> None:
    cable = line(paced=True)
    whole = [b"x" * 1151 + b"\x00"]
    assert cable.carry(whole * 2, "to-host", 0) == b""
    assert cable.carry([], "to-host", 100 * MS) == whole[0]
    assert cable.carry([], "to-host", 200 * MS) == whole[0]


def test_silence_takes_what_was_under_way() -> None:
    cable = line(paced=True)
    cable.carry(FRAMES, "to-host", 0)
    cable.arm(Silence(s=1), 0)
    assert cable.carry([], "to-host", 2) == b""
    assert cable.carry([], "to-host", 2 * S) == b""


def test_a_pulled_cable_loses_what_was_under_way() -> None:
    cable = line(paced=True)
    cable.carry(FRAMES, "to-host", 0)
    cable.cut()
    assert cable.carry([], "to-host", S) == b""


def test_faults_of_frames_happen_one_after_the_other() -> None:
    cable = line()
    cable.arm(Drop(frames=1), 0)
    cable.arm(Duplicate(frames=1), 0)
    assert cable.carry(FRAMES, "to-host", 0) == FRAMES[1] * 2 + FRAMES[2]


@pytest.mark.parametrize("direction", ["to-host", "to-unit"])
def test_another_speed_garbles_until_it_is_over(direction: str) -> None:
    cable = line()
    cable.arm(WrongBaud(s=2, baud=57_600), 0)
    heard = cable.carry(FRAMES, direction, S, host_baud=115_200)  # type: ignore[arg-type]
    assert heard
    assert not any(frame in heard for frame in FRAMES)
    assert cable.carry(FRAMES, direction, 3 * S, host_baud=115_200) == b"".join(FRAMES)  # type: ignore[arg-type]


def test_a_host_at_another_speed_hears_noise_and_one_within_three_percent_does_not() -> None:
    assert line().carry(FRAMES, "to-host", 0, host_baud=9600) != b"".join(FRAMES)
    assert line().carry(FRAMES, "to-host", 0, host_baud=113_000) == b"".join(FRAMES)


@given(st.binary(max_size=200))
def test_the_same_speed_is_heard_as_said(data: bytes) -> None:
    assert at_other_speed(data, 115_200, 115_200) == data


@pytest.mark.parametrize(
    ("said", "heard", "data", "expected"),
    [
        (115_200, 57_600, "ff", "ff"),  # the start bit is long enough to be seen, and all else is high
        (57_600, 115_200, "ff", "fe"),  # the start bit is seen as start and first bit
        (57_600, 115_200, "0f", "fe80"),  # 00 11111111 | 00000000 11 in fast bits: two bytes
        (57_600, 115_200, "00", "00"),  # low for longer than a byte: no edge to begin another at
    ],
)
def test_bits_are_sampled_as_a_receiver_does(said: int, heard: int, data: str, expected: str) -> None:
    assert at_other_speed(bytes.fromhex(data), said, heard).hex() == expected


@given(st.binary(max_size=100), st.sampled_from([300, 9600, 57_600, 230_400, 4_000_000]))
def test_any_speed_gives_some_bytes_and_never_fails(data: bytes, baud: int) -> None:
    heard = at_other_speed(data, 115_200, baud)
    assert bool(heard) == bool(data)


def test_spellman_frames_are_counted_by_their_etx() -> None:
    assert split_frames(b"\x0222,p\x03\x0260,n\x03\x02", b"\x03") == [b"\x0222,p\x03", b"\x0260,n\x03", b"\x02"]
