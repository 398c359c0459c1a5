"""Dying with one's parent: nothing of the appliance is left behind that holds a port or a device."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

PARENT_VARIABLE: Final = "CALCEDGE_PARENT"
_PR_SET_PDEATHSIG: Final = 1


def die_with_parent() -> None:
    """Asks the kernel to kill this process when its parent dies, however that happens (prctl(2))."""
    expected = os.environ.get(PARENT_VARIABLE)
    if expected is None:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(expected):
        sys.exit("the parent is gone already")


def child_environment() -> dict[str, str]:
    """The environment for a child that shall die with this process."""
    return os.environ | {PARENT_VARIABLE: str(os.getpid())}
