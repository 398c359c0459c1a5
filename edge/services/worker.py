"""The process that touches untrusted pixels: admission, decoding, the networks. No network, no store, no devices.

It shuts itself in before it loads anything (`edge.confine`): it can read files, and answer.

Its parent asks over a socket and waits no longer than a deadline on the monotonic clock; a worker that is late, or
died, is replaced. Messages are JSON and raw bytes, never pickles: what a hostile image might make of this process can't
reach further than a wrong answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import structlog
from pydantic import TypeAdapter

from edge import lean, log, wire
from edge.clock import SystemClock
from edge.confine import confine
from edge.errors import CalcedgeError, ModelError, Reason, Refused, reason
from edge.headroom import headroom
from edge.services.memory import REST_S, give_back
from edge.services.parent import child_environment, die_with_parent
from edge.types import Analysed, Analysis, Bounds, Header, ModelId, NotAnalysed, OperatingPoints

if TYPE_CHECKING:
    from edge.detector.analyse import Analyser  # loaded in the worker alone, once it is shut in

_HEADER: Final = TypeAdapter(Header)
_MODEL: Final = TypeAdapter(ModelId)
_BOUNDS: Final = TypeAdapter(Bounds | None)
_POINTS: Final = TypeAdapter(OperatingPoints | None)
_START_S: Final = 180.0
_SLICE_S: Final = 0.5

log_event = structlog.get_logger()


class WorkerDied(Exception):  # noqa: N818 - an event, not an error of the caller
    """The worker ended while it was asked. `killed`: by SIGKILL, from outside or for want of memory."""

    def __init__(self, returncode: int) -> None:
        super().__init__(f"worker ended with {returncode}")
        self.killed = returncode == -signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Settings:
    """What a worker needs to know."""

    release: Path
    deadline_s: float
    threads: int | None = None


class Worker:
    """The parent's side: one worker process, replaced when it dies or is late. Use as a context manager.

    Args:
        settings: the model release and the deadline.
        idle: called about twice a second while waiting for an answer.
    """

    def __init__(self, settings: Settings, idle: Callable[[], None] = lambda: None) -> None:
        self._settings = settings
        self._idle = idle
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._clock = SystemClock()
        self.model: ModelId | None = None
        self.bounds: Bounds | None = None
        """Within which the model lets a site move its operating points."""
        self.trouble: Reason | None = None
        """Why the model can't be used, when it can't: every analysis is then refused with this."""

    def __enter__(self) -> Self:
        """Starts the worker and waits until it has proven its model."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the worker."""
        self.stop()

    @property
    def pid(self) -> int | None:
        """The worker's process number while it lives."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts the worker and waits until it is ready.

        Raises:
            WorkerDied, TimeoutError: if it doesn't come up within three minutes.
        """
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Starts the worker, and doesn't wait."""
        self.stop()
        ours, theirs = socket.socketpair()
        threads = [str(self._settings.threads)] if self._settings.threads else []
        command = lean.command("edge.services.worker", str(theirs.fileno()), str(self._settings.release), *threads)
        with theirs:
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=child_environment())
        self._connection = Connection(ours.detach())

    def wait_ready(self) -> None:
        """Waits until the worker that was launched has proven its model, or can't.

        Raises:
            WorkerDied, TimeoutError: if it doesn't come up within three minutes.
        """
        ready = json.loads(self._answer(_START_S))
        self.model = _MODEL.validate_python(ready["model"]) if "model" in ready else None
        self.bounds = _BOUNDS.validate_python(ready.get("bounds"))
        self.trouble = Reason(**ready["trouble"]) if "trouble" in ready else None

    def use(self, release: Path) -> None:
        """Takes another model release into use. If it can't be loaded, `trouble` says so."""
        self._settings = replace(self._settings, release=release)
        self.model, self.bounds, self.trouble = None, None, None
        try:
            self.start()
        except (WorkerDied, TimeoutError) as error:
            log_event.error("model release can't be used", error=type(error).__name__)
            self.stop()
            self.trouble = reason("model-unavailable", detail="it ends the process that loads it")

    def stop(self) -> None:
        """Kills the worker. Nothing is lost: it keeps nothing."""
        if self._connection:
            self._connection.close()
            self._connection = None
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def admit(self, path: Path, source: str) -> Header | NotAnalysed:
        """Reads and judges the header of a file.

        Raises:
            WorkerDied: the worker ended meanwhile.
        """
        answer = self._ask({"do": "admit", "path": str(path), "source": source})
        if answer is None:
            return NotAnalysed(source, reason("deadline"))
        with self._understood():
            body = json.loads(answer)
            if "header" in body:
                return _HEADER.validate_python(body["header"])
            refusal = wire.from_json(json.dumps(body["refusal"]))
        assert isinstance(refusal, NotAnalysed)
        return refusal

    def analyse(
        self,
        path: Path,
        header: Header,
        source: str,
        *,
        all_scores: bool = False,
        points: OperatingPoints | None = None,
    ) -> Analysed:
        """Analyses an admitted file. Late or impossible analyses come back as `NotAnalysed`.

        `points`: the site's operating points; the release's own hold without them, or beyond its bounds.

        Raises:
            WorkerDied: the worker ended meanwhile.
        """
        request = {
            "do": "analyse",
            "path": str(path),
            "source": source,
            "header": asdict(header),
            "all_scores": all_scores,
            "points": asdict(points) if points else None,
        }
        answer = self._ask(request)
        if answer is None:
            late = NotAnalysed(source, reason("deadline"), header.identity.sop_instance_uid, self.model)
            return Analysed(late, None)
        with self._understood():
            picture = self._answer(self._settings.deadline_s)
            return Analysed(wire.from_json(answer), picture or None)

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        """An answer that makes no sense, or half of one, is as good as a death."""
        try:
            yield
        except (ValueError, KeyError, TimeoutError) as error:
            log_event.error("worker not understood", error=type(error).__name__)
            raise self._died() from None

    def _ask(self, request: dict[str, object]) -> bytes | None:
        if self._process is None or self._process.poll() is not None:
            self.start()
        assert self._connection is not None
        try:
            self._connection.send_bytes(json.dumps(request).encode())
        except OSError:
            raise self._died() from None
        try:
            return self._answer(self._settings.deadline_s)
        except TimeoutError:
            self.stop()
            return None

    def _answer(self, within_s: float) -> bytes:
        assert self._connection is not None
        end_s = self._clock.monotonic_s() + within_s
        try:
            while not self._connection.poll(min(_SLICE_S, max(0.0, end_s - self._clock.monotonic_s()))):
                if self._clock.monotonic_s() >= end_s:
                    raise TimeoutError
                self._idle()
            return self._connection.recv_bytes()
        except (EOFError, ConnectionError):
            raise self._died() from None

    def _died(self) -> WorkerDied:
        assert self._process is not None
        self._process.kill()
        code = self._process.wait()
        self.stop()
        return WorkerDied(code)


def main(arguments: list[str]) -> int:
    """The worker's side: `FD RELEASE [THREADS]`."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    log.configure("worker")
    log_event.info("confined", **asdict(confine()))  # before anything is loaded that starts threads
    from edge.detector.analyse import Analyser  # noqa: PLC0415 - heavy, and the parent never needs it
    from edge.intake.admit import admit  # noqa: PLC0415

    connection: Connection[Any, Any] = Connection(int(arguments[0]))
    analyser: Analyser | None = None
    trouble: Reason | None = None
    try:
        analyser = Analyser(Path(arguments[1]), threads=int(arguments[2]) if len(arguments) > 2 else None)
        analyser.self_test(thorough=False)
        bounds = asdict(analyser.bounds) if analyser.bounds else None
        connection.send_bytes(json.dumps({"model": asdict(analyser.model), "bounds": bounds}).encode())
    except ModelError as error:
        analyser, trouble = None, error.reason
        connection.send_bytes(json.dumps({"trouble": asdict(trouble)}).encode())

    def do_admit(request: dict[str, Any]) -> None:
        try:
            body: dict[str, object] = {"header": asdict(admit(Path(request["path"])))}
        except Refused as refusal:
            body = {"refusal": wire.to_dict(_meant(NotAnalysed(request["source"], refusal.reason)))}
        connection.send_bytes(json.dumps(body).encode())

    def do_analyse(request: dict[str, Any]) -> None:
        header = _HEADER.validate_python(request["header"])
        if analyser is None:
            assert trouble is not None
            result = Analysed(NotAnalysed(request["source"], trouble, header.identity.sop_instance_uid), None)
        else:
            result = analyser.analyse(
                Path(request["path"]),
                header,
                source=request["source"],
                all_scores=request["all_scores"],
                points=_POINTS.validate_python(request["points"]),
            )
        connection.send_bytes(wire.to_json(_meant(result.analysis)).encode())
        connection.send_bytes(result.picture_png or b"")

    tasks: dict[str, Callable[[dict[str, Any]], None]] = {"admit": do_admit, "analyse": do_analyse}
    while True:
        try:
            if not connection.poll(REST_S):
                _rest(analyser)
            request = json.loads(connection.recv_bytes())
        except EOFError:
            return 0
        try:
            tasks[request["do"]](request)
        except CalcedgeError as error:
            log_event.error("task failed", code=error.reason.code)
            return os.EX_SOFTWARE


def _meant(analysis: Analysis) -> Analysis:
    """What looks like an image's fault may be want of memory, which tells nothing of it: another worker tries again.

    Raises:
        MemoryError: it is.
    """
    if isinstance(analysis, NotAnalysed) and not headroom():
        raise MemoryError
    return analysis


def _rest(analyser: Analyser | None) -> None:
    """Nobody has asked for anything for a moment."""
    if not headroom():
        raise MemoryError
    if analyser is not None:
        with contextlib.suppress(ModelError):  # the next image tells, if it lasts
            analyser.rest()
    give_back()
