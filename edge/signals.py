"""The word to stop, SIGTERM or SIGINT, as an event that every thread may wait for."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Final

_WORDS: Final = (signal.SIGTERM, signal.SIGINT)
_ends: list[int] = []
"""The pipe's end that the interpreter writes to, while there is one."""


def told_to_stop() -> threading.Event:
    """The event that SIGTERM and SIGINT set from now on. Of the main thread only.

    A handler runs in the midst of the main thread, which may just then hold the lock of the very event that it waits
    for: to set it there would be to wait for oneself, for ever, in one stop of some thousands. So the handlers do
    nothing. The interpreter writes the number of the signal into a pipe, and a thread sets the event (Python library
    reference, `signal.set_wakeup_fd`).
    """
    stop = threading.Event()
    heard, said = os.pipe()
    os.set_blocking(said, False)
    signal.set_wakeup_fd(said, warn_on_full_buffer=False)
    while _ends:
        os.close(_ends.pop())
    _ends.append(said)
    threading.Thread(target=_listen, args=(heard, stop), name="signals", daemon=True).start()
    for number in _WORDS:
        signal.signal(number, _nothing)
    return stop


def _listen(heard: int, stop: threading.Event) -> None:
    while numbers := os.read(heard, 64):
        if any(number in _WORDS for number in numbers):
            stop.set()
    os.close(heard)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Enough to keep a signal from its default: the interpreter has written its number already."""
