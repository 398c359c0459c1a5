"""Runs a target on many inputs, each within a deadline, in a process that may die without taking the count with it.

The child works through the inputs' numbers and writes down which one it is at; the parent looks. A child that dies, or
stands at one number for too long, is replaced, and goes on behind the input that did it: that input is kept.
"""

from __future__ import annotations

import mmap
import os
import resource
import signal
import struct
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from edge.errors import REASONS, CalcedgeError
from tests.fuzz.mutate import Change, mutated

ACCEPTED: Final = "accepted"
_AT: Final = struct.Struct("<qd")
_LOOK_S: Final = 0.2
_PATIENCE: Final = 6
_SLICE: Final = 2500
_KEPT: Final = 40

Test = Callable[[bytes], str | None]


@dataclass(frozen=True, slots=True)
class Target:
    """What is tested.

    Attributes:
        test: takes an input and returns `accepted` or a code; None counts as accepted.
        seeds: sound inputs.
        changes: that know the format.
        deadline_s: for one input, in processor time: a busy machine makes no bug. Who waits for something that never
            comes is found by the parent, after `_PATIENCE` deadlines of the wall.
        codes: further answers that are listed, beside `REASONS`.
        knowing: the share of changes that know the format.
        memory_mb: address space of the child; None: unlimited (for targets that load the networks).
    """

    test: Test
    seeds: Sequence[bytes]
    changes: Sequence[Change] = ()
    deadline_s: float = 5.0
    codes: frozenset[str] = frozenset()
    memory_mb: int | None = None
    knowing: float = 0.5

    def input(self, seed: int, number: int) -> bytes:
        """The input of a number."""
        return mutated(self.seeds, seed, number, self.changes, self.knowing)


@dataclass(slots=True)
class Tally:
    """What came of the inputs."""

    codes: Counter[str] = field(default_factory=Counter)
    bugs: list[tuple[int, str]] = field(default_factory=list)
    """Number of the input, and what happened."""
    slowest_s: float = 0.0

    @property
    def inputs(self) -> int:
        """How many were tried."""
        return self.codes.total()


class Late(BaseException):
    """The input took longer than its deadline. No handler of the code under test may catch it."""


def judge(target: Target, data: bytes) -> str:
    """The outcome of one input: `accepted`, a listed code, or `BUG ...`."""

    def ring(*_: object) -> None:
        raise Late

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, target.deadline_s)
    try:
        code = target.test(data) or ACCEPTED
    except CalcedgeError as refusal:
        code = refusal.reason.code
    except Late:
        return "BUG hang"
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is a bug
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"BUG crash {type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return code if code == ACCEPTED or code in REASONS or code in target.codes else f"BUG unlisted {code}"


def run(
    target: Target,
    *,
    inputs: int,
    seconds: float,
    seed: int,
    first: int = 0,
    tell: Callable[[Tally], object] = lambda _: None,
) -> Tally:
    """Tries inputs `first` to `first + inputs`, or as many as `seconds` allow. A child takes `_SLICE` of them.

    `tell` is called with what came of it so far after each slice.
    """
    tally = Tally()
    end_s = time.monotonic() + seconds
    number, last = first, first + inputs
    while number < last and time.monotonic() < end_s:
        slice_ = range(number, min(last, number + _SLICE))
        died_at = _with_a_child(target, tally, slice_, seed, end_s)
        number = slice_.stop if died_at is None else died_at + 1
        tell(tally)
    return tally


def _with_a_child(target: Target, tally: Tally, numbers: range, seed: int, end_s: float) -> int | None:
    """Works through the numbers in a child. The number at which it died, or None when it came to an end."""
    note = mmap.mmap(-1, _AT.size)
    note[:] = _AT.pack(numbers.start, time.monotonic())
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _work(target, numbers, seed, end_s, note, writing)
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as answers:
        os.set_blocking(reading, False)
        status, pending = _watch(pid, target, note, answers, tally)
    number, _ = _AT.unpack(note[:])
    if pending is None and os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
        return None
    how = pending or (f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}")
    tally.codes[f"BUG {how}"] += 1
    tally.bugs.append((number, f"BUG {how}"))
    return int(number)


def _watch(pid: int, target: Target, note: mmap.mmap, answers: IO[bytes], tally: Tally) -> tuple[int, str | None]:
    received = b""
    hang: str | None = None
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        received += answers.read() or b""
        *lines, received = received.split(b"\n")
        for line in lines:
            _take(line.decode(), tally)
        if done:
            return status, hang
        _, since_s = _AT.unpack(note[:])
        if time.monotonic() - since_s > _PATIENCE * target.deadline_s + 5:
            hang = "hang"  # in C, where no signal handler runs, or waiting for ever
            os.kill(pid, signal.SIGKILL)
        time.sleep(_LOOK_S)


def _take(line: str, tally: Tally) -> None:
    number, took_s, code = line.split("\t", 2)
    tally.slowest_s = max(tally.slowest_s, float(took_s))
    if code.startswith("BUG"):
        tally.bugs.append((int(number), code))
    tally.codes[" ".join(code.split()[:3])] += 1


def _work(target: Target, numbers: range, seed: int, end_s: float, note: mmap.mmap, writing: int) -> None:
    """The child: never returns."""
    status = 1
    try:
        if target.memory_mb:
            resource.setrlimit(resource.RLIMIT_AS, (target.memory_mb << 20, target.memory_mb << 20))
        for number in numbers:
            began_s = time.monotonic()
            if began_s > end_s:
                break
            note[:] = _AT.pack(number, began_s)
            code = judge(target, target.input(seed, number))
            os.write(writing, f"{number}\t{time.monotonic() - began_s:.4f}\t{code}\n".encode())
        status = 0
    except BaseException:  # noqa: BLE001 - the runner's own fault: told, and seen by the exit status
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def keep(target: Target, tally: Tally, seed: int, folder: Path) -> list[Path]:
    """Writes the inputs that showed bugs, the first of each kind."""
    kinds: dict[str, int] = {}
    for number, code in tally.bugs:
        kinds.setdefault(code, number)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for code, number in list(kinds.items())[:_KEPT]:
        name = "-".join(code.removeprefix("BUG ").replace("/", "-").split())
        path = folder / f"{name}-{seed}-{number}".replace(":", "-")
        path.write_bytes(target.input(seed, number))
        paths.append(path)
    return paths
