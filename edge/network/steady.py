"""Makes the DICOM library's timers immune to a clock that is set.

Its timers subtract wall clock times (pynetdicom 3.0, timer.py): a step of the clock would abort living associations
or keep dead ones. They get the monotonic clock instead; nothing else of the library uses that module's clock.
"""

from __future__ import annotations

from types import SimpleNamespace

from pynetdicom import timer

from edge.clock import SystemClock


def steady() -> None:
    """Gives the library's timers the monotonic clock. May be called often."""
    timer.time = SimpleNamespace(time=SystemClock().monotonic_s)  # type: ignore[attr-defined,assignment]
