"""Runs a release's test program with limits on time and memory, and says how it ended. Standard library only."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_MEGABYTE: Final = 1_000_000
_TAIL: Final = 4000


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended. `why`: empty when all is well, else `failed`, `crashed` or `hung`."""

    why: str
    said: str = ""
    """The end of what it said. For service on this box only: it may hold anything."""


def attempt(
    command: Sequence[str], environment: Mapping[str, str], *, seconds: float, memory_mb: int | None = None
) -> Ended:
    """Runs a program to its end, at most `seconds` long; it and all it started are gone on return."""
    process = subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    limit_memory(process.pid, memory_mb)
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill_all(process)
        return Ended("hung")
    finally:
        kill_all(process)
    said = output[-_TAIL:].decode(errors="replace")
    if process.returncode < 0:
        return Ended("crashed", f"{signal.Signals(-process.returncode).name} {said}")
    return Ended("failed" if process.returncode else "", said)


def limit_memory(pid: int, memory_mb: int | None) -> None:
    """Bounds the private memory of a process and of all it will start (setrlimit(2), RLIMIT_DATA)."""
    if memory_mb is not None:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_DATA, (memory_mb * _MEGABYTE, memory_mb * _MEGABYTE))


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """Kills a process and its whole session, and waits for it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdout:
        process.stdout.close()
    process.wait()
