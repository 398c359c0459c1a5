"""The darkroom: a process of its own that develops received films for the viewer.

The page itself never decodes what came from outside (docs/decisions/0003). This process may die of a hostile film, or
be late and be replaced; the viewer then shows the analysed picture, and says so.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections import OrderedDict
from typing import IO, TYPE_CHECKING, Final

import structlog

from edge import lean
from edge.clock import SystemClock
from edge.confine import confine
from edge.errors import CalcedgeError, Refused, StoreError
from edge.headroom import headroom

if TYPE_CHECKING:
    from pathlib import Path

    from edge.store import Objects

log = structlog.get_logger()

DEADLINE_S: Final = 30.0
_KEPT: Final = 2
_CHUNK: Final = 1 << 20


class Darkroom:
    """The parent's side. Threads may share it; films are developed one at a time."""

    def __init__(self, objects: Objects, deadline_s: float = DEADLINE_S) -> None:
        self._objects = objects
        self._deadline_s = deadline_s
        self._clock = SystemClock()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._kept: OrderedDict[tuple[str, bool], bytes] = OrderedDict()

    def warm_up(self) -> None:
        """Starts the process, so that the first film needn't wait for it."""
        with self._lock:
            self._started()

    def plate(self, name: str, syntax: str, *, small: bool) -> bytes:
        """A stored object as `edge.web.plate.packed` makes it.

        Raises:
            StoreError: the object is missing or damaged.
            Refused: it can't be developed, or not in time.
        """
        with self._lock:
            key = name, small
            if key not in self._kept:
                self._objects.prove(name)
                self._kept[key] = self._ask({"path": str(self._objects.path(name)), "syntax": syntax, "small": small})
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def close(self) -> None:
        """Ends the process."""
        with self._lock:
            self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            command = lean.command("edge.web.darkroom")
            alone = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # what confines it holds for one thread and its own
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=alone)
            assert self._process.stdout
            with contextlib.suppress(OSError):  # more than this user may have: then a film comes in smaller pieces
                fcntl.fcntl(self._process.stdout, fcntl.F_SETPIPE_SZ, _CHUNK)
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
            self._process.wait()
            self._process = None

    def _ask(self, request: dict[str, object]) -> bytes:
        process = self._started()
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            return _answer(process.stdout, self._clock.monotonic_s() + self._deadline_s, self._clock)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            log.error("darkroom-failed", error=type(error).__name__)
            self._end()
            raise Refused("deadline" if isinstance(error, TimeoutError) else "damaged-pixels") from None


def _answer(pipe: IO[bytes], end_s: float, clock: SystemClock) -> bytes:
    """What the process says: one line, and as many bytes as that announces."""
    received = bytearray()
    wanted: int | None = None
    start = 0
    descriptor = pipe.fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while wanted is None or len(received) < start + wanted:
            if not selector.select(max(0.0, end_s - clock.monotonic_s())):
                raise TimeoutError
            chunk = os.read(descriptor, _CHUNK)
            if not chunk:
                raise EOFError
            received += chunk
            if wanted is None and b"\n" in received:
                start = received.index(b"\n") + 1
                head = json.loads(received[:start])
                if "trouble" in head:
                    raise Refused(str(head["trouble"]))
                wanted = int(head["bytes"])
    del received[:start]
    return bytes(received)


def main(_: list[str]) -> int:
    """The process's side: a request a line, until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    confine()
    from pydicom import dcmread  # noqa: PLC0415 - these are heavy, and the parent never needs them
    from pydicom.uid import UID  # noqa: PLC0415

    from edge.quiet import PARSER_ERRORS, reading  # noqa: PLC0415
    from edge.web import plate  # noqa: PLC0415

    out = sys.stdout.buffer
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            with reading():
                dataset = dcmread(_path(request), force=True)
                if "TransferSyntaxUID" not in dataset.file_meta:
                    dataset.file_meta.TransferSyntaxUID = UID(request["syntax"])
                body = plate.packed(plate.develop(dataset), small=request["small"])
            if request["small"]:
                body = plate.squeezed(body)
        except (CalcedgeError, *PARSER_ERRORS) as error:
            if not headroom():
                return os.EX_OSERR  # it may not be the film: the next one gets another process
            code = error.reason.code if isinstance(error, CalcedgeError) else "damaged-pixels"
            out.write(json.dumps({"trouble": code}).encode() + b"\n")
        else:
            out.write(json.dumps({"bytes": len(body)}).encode() + b"\n")
            out.write(body)
        out.flush()
    return 0


def _path(request: dict[str, str]) -> Path:
    from pathlib import Path as Of  # noqa: PLC0415 - the parent has no use for it

    found = Of(request["path"])
    if not found.is_file():
        raise StoreError("object-missing")
    return found
