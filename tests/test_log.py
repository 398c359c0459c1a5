"""No word of a library, a warning or an exception gets into the log: it may be a patient's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_SECRET = "Geheim^Patientin"
_SCRIPT = """
import logging, sys, threading, warnings
import structlog
from edge import log
from edge.types import Identity
from pydantic import TypeAdapter
log.configure("test", verbose=True)
name = sys.argv[1]
logging.getLogger("library").error(f"can't read {name}")
logging.getLogger("library").warning("can't read %s", name)
try:
    raise ValueError(name)
except ValueError as error:
    logging.getLogger("library").exception("it failed: %s", error)
    structlog.get_logger().exception("ours")
    structlog.get_logger().error("ours too", exc_info=error)
warnings.warn(f"invalid value {name}")
thread = threading.Thread(target=lambda: int(name), name="worker")
thread.start(); thread.join()
class Unraisable:
    def __del__(self): raise ValueError(name)
Unraisable()
TypeAdapter(Identity).validate_python({"patient_name": name})
"""


@pytest.mark.requirement("no patient data in any log")
def test_words_that_may_hold_values_are_not_logged() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT, _SECRET], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert _SECRET not in done.stderr + done.stdout
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == [
        "a library's words", "can't read %s", "it failed: %s", "ours", "ours too", "warning", "thread ends",
        "not raised", "process ends",
    ]  # fmt: skip
    assert lines[-1]["error"] == "ValidationError"
    assert [line["error"] for line in lines[2:5]] == ["ValueError"] * 3
    assert all(line["places"] for line in lines[6:])


_FULL = """
import logging
import structlog
from edge import log
log.configure("test")
for number in range(2000):
    structlog.get_logger().error("nobody hears this", number=number)
    logging.getLogger("library").error("nor %s", number)
print("it goes on")
"""


@pytest.mark.requirement("a disk that is full or broken ends no process")
def test_a_log_that_cannot_be_written_ends_nobody() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-c", _FULL], stdout=subprocess.PIPE, stderr=full, check=False)
    assert done.stdout == b"it goes on\n"
