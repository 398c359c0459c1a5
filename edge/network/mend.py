"""Mends two things in the DICOM library (pynetdicom 3.0) that a node which runs for months can't live with.

Its timers subtract wall clock times (timer.py): a step of the clock would abort living associations or keep dead ones.
They get the monotonic clock; nothing else uses that module's clock.

It closes a socket only if shutting it down succeeded (transport.py), and that fails when the peer was first, or was
never there: the descriptor lives on until the garbage collector finds it. Now it is closed in any case.
"""

from __future__ import annotations

import contextlib
import socket
from types import SimpleNamespace

from pynetdicom import timer
from pynetdicom.transport import AssociationSocket

from edge.clock import SystemClock


def mend() -> None:
    """Puts both mends in place. May be called often."""
    timer.time = SimpleNamespace(time=SystemClock().monotonic_s)  # type: ignore[attr-defined,assignment]
    AssociationSocket._shutdown_socket = _shut  # type: ignore[method-assign,assignment]  # noqa: SLF001 - it has no other name


def _shut(line: AssociationSocket) -> None:
    if line.socket is not None:
        with contextlib.suppress(OSError):
            line.socket.shutdown(socket.SHUT_RDWR)
        line.socket.close()
