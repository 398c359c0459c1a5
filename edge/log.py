"""Logs are events with identifiers, one JSON object a line on standard error. No patient data, ever.

Call `structlog.get_logger()` anywhere; `configure` is called once by each process.

What always holds after it: what libraries log, what they warn of, and how an exception ends a thread or the process is
told by names and places in the code, never by its words. Words hold values, and values may be a patient's.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import threading
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog

if TYPE_CHECKING:
    from types import TracebackType

_DEEPEST: Final = 12
"""So many places are told, the innermost."""


def configure(service: str, *, verbose: bool = False) -> None:
    """Sends structured events of this process to standard error, marked with the service's name."""
    level = logging.DEBUG if verbose else logging.INFO
    stream: Any = _Whatever(sys.stderr)
    foreign = logging.StreamHandler(stream)
    foreign.setFormatter(_Foreign())
    logging.basicConfig(level=logging.WARNING, handlers=[foreign])
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _exception_by_name,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    log = structlog.get_logger()
    sys.excepthook = lambda kind, _, trace: log.critical("process ends", service=service, **told(kind, trace))
    threading.excepthook = lambda end: log.error(
        "thread ends",
        service=service,
        thread=end.thread.name if end.thread else "",
        **told(end.exc_type, end.exc_traceback),
    )
    sys.unraisablehook = lambda found: log.error(
        "not raised", service=service, **told(found.exc_type, found.exc_traceback)
    )
    warnings.showwarning = lambda _, category, filename, line, *__: log.debug(
        "warning", kind=category.__name__, place=f"{Path(filename).name}:{line}"
    )


def told(kind: type[BaseException] | None, trace: TracebackType | None) -> dict[str, Any]:
    """An exception by its name and its places in the code: who reads it can find it, and learns of nobody."""
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(trace)]
    return {"error": kind.__name__ if kind else "", "places": places[-_DEEPEST:]}


def _exception_by_name(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    elif isinstance(info, BaseException):
        info = type(info), info, info.__traceback__
    if isinstance(info, tuple) and info[0] is not None:
        event.update(told(info[0], info[2]))
    return event


class _Whatever:
    """A stream that may fail, as a file on a disk that is full: what can't be told ends nobody."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes, or lets it be."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flushes, or lets it be."""
        with contextlib.suppress(OSError):
            self._stream.flush()


class _Foreign(logging.Formatter):
    """A library's record: who, where, and the template if it came apart from its values."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        body: dict[str, Any] = {
            "event": record.msg if record.args and isinstance(record.msg, str) else "a library's words",
            "level": record.levelname.lower(),
            "logger": record.name,
            "place": f"{record.filename}:{record.lineno}",
        }
        if record.exc_info and record.exc_info[0]:
            body |= told(record.exc_info[0], record.exc_info[2])
        return json.dumps(body)
