"""A data set for which there is no room has no name that anybody could remove something by."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Never

import pytest

from edge.intake.arrival import Arrival


def test_an_arrival_without_room_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> Never:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(tempfile, "mkstemp", full)
    arrival = Arrival(suffix=".dcm")
    arrival.write(b"DICM")
    arrival.close()
    assert arrival.trouble is not None
    assert not Path(arrival.name).exists()  # the library unlinks it, whoever runs it
    with pytest.raises(NotADirectoryError):
        os.open(arrival.name, os.O_WRONLY | os.O_CREAT)


def test_an_arrival_with_room_keeps_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    arrival = Arrival(suffix=".dcm")
    arrival.write(b"DICM")
    arrival.close()
    assert arrival.trouble is None
    assert Path(arrival.name).read_bytes() == b"DICM"
