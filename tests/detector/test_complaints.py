"""What C code prints about damage is heard; what others print passes through."""

from __future__ import annotations

import os

import psutil
import pytest

from edge.detector.complaints import heard


def test_damage_is_heard_and_the_rest_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with heard() as damage:
        os.write(2, b"Corrupt JPEG data: bad Huffman code\n")
        os.write(2, b"something else\n")
    assert damage == [b"Corrupt JPEG data: bad Huffman code\n"]
    assert capfd.readouterr().err == "something else\n"


def test_silence_is_no_damage() -> None:
    with heard() as damage:
        pass
    assert damage == []


def test_standard_error_is_given_back_whatever_happens(capfd: pytest.CaptureFixture[str]) -> None:
    before = psutil.Process().num_fds()
    for _ in range(5):
        with pytest.raises(ValueError, match="within"), heard():
            raise ValueError("within")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
    assert psutil.Process().num_fds() == before
