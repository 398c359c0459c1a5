"""Mends three things in the DICOM library (pynetdicom 3.0) that a node which runs for months can't live with.

Its timers subtract wall clock times (timer.py): a step of the clock would abort living associations or keep dead ones.
They get the monotonic clock; nothing else uses that module's clock.

It closes a socket only if shutting it down succeeded (transport.py), and that fails when the peer was first, or was
never there: the descriptor lives on until the garbage collector finds it. Now it is closed in any case.

It stops the thread of an association before it sends or releases, and waits without end to see that it stands still
(association.py). An N-EVENT-REPORT is served by a thread of its own, which says at its end that the other one runs
again; when that one has just been stopped, the wait never ends, and nothing is delivered until the next start. Now
only that thread itself says whether it stands still, and one that has ended does.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from types import SimpleNamespace

from pynetdicom import timer
from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

from edge.clock import SystemClock


def mend() -> None:
    """Puts the mends in place. May be called often."""
    timer.time = SimpleNamespace(time=SystemClock().monotonic_s)  # type: ignore[attr-defined,assignment]
    AssociationSocket._shutdown_socket = _shut  # type: ignore[method-assign,assignment]  # noqa: SLF001 - it has no other name
    Association._is_paused = property(_stands_still, _say_still)  # type: ignore[assignment]  # noqa: SLF001 - the same


def _shut(line: AssociationSocket) -> None:
    if line.socket is not None:
        with contextlib.suppress(OSError):
            line.socket.shutdown(socket.SHUT_RDWR)
        line.socket.close()


def _stands_still(association: Association) -> bool:
    ended = association.ident is not None and not association.is_alive()
    return ended or bool(association.__dict__["_is_paused"])


def _say_still(association: Association, still: bool) -> None:  # noqa: FBT001 - called by assignment
    own = association.__dict__
    first = "_is_paused" not in own
    if first or association._kill or threading.current_thread() is association:  # noqa: SLF001 - it has no other name
        own["_is_paused"] = still
