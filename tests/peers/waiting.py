"""Waiting for something to become true, without sleeping longer than needed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], within_s: float = 20.0) -> T:
    """Asks again and again until the answer is true, and returns it.

    Raises:
        AssertionError: if it is still not true after `within_s`.
    """
    within_s = patient(within_s)
    pause, end_s = threading.Event(), time.monotonic() + within_s
    while not (answer := condition()):
        assert time.monotonic() < end_s, f"still {answer!r} after {within_s} s"
        pause.wait(0.02)
    return answer


def patient(within_s: float) -> float:
    """A limit as this machine needs it: `CALCEDGE_PATIENCE` in the environment says how many times longer."""
    return within_s * float(os.environ.get("CALCEDGE_PATIENCE", "1"))
