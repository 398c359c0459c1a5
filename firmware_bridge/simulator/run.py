"""Runs a simulated unit until it is told to stop."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from firmware_bridge.simulator.bench import Bench, UnitOptions


def run_unit(
    options: UnitOptions, stop: threading.Event | None = None, say: Callable[[str], None] | None = None
) -> None:
    """Runs until `stop` is set; without one, until SIGTERM or SIGINT. The unit stays when its scenario is over.

    Raises:
        ValueError: if the folder of images holds none.
        OSError: if the port's link, the control socket or the trace can't be made.
    """
    if stop is None:
        stop = threading.Event()
        _stop_on_signals(stop)
    bench = Bench(options, say or _print)
    try:
        while not stop.is_set():
            bench.turn()
    finally:
        bench.close()


def _stop_on_signals(stop: threading.Event) -> None:
    def on_signal(_: int, __: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
