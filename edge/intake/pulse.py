"""The DICOM node's own pulse: once a minute it is asked for C-ECHO, as a sender would ask.

A node that can't answer itself does not listen, whatever its threads do. One miss may be the machine's; two are told.
While all places are taken it is not asked: nobody shall give way to a question of our own.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import structlog

from edge.errors import DeliveryError
from edge.network.calling import echo

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.config import DicomNode, Tls

EVERY_S: Final = 60.0
MISSES: Final = 2
_AT_WORK: Final = "destination-busy"
"""The last place was taken meanwhile: the node answers, if only that."""

log = structlog.get_logger()


class Pulse:
    """Feels the pulse of one node, in a thread of its own. `full` tells whether all places are taken."""

    def __init__(self, node: DicomNode, tls: Tls | None, full: Callable[[], bool]) -> None:
        self._node = node
        self._tls = tls
        self._full = full
        self._missed = 0

    @property
    def felt(self) -> bool:
        """Whether the node answers itself."""
        return self._missed < MISSES

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set."""
        while not stop.wait(EVERY_S):
            self.feel()

    def feel(self) -> None:
        """Asks once, if there is a place."""
        if self._full():
            return
        try:
            echo(self._node, self._tls)
        except DeliveryError as error:
            if error.reason.code != _AT_WORK:
                self._missed += 1
                log.warning("the node does not answer itself", missed=self._missed, code=error.reason.code)
                return
        self._missed = 0
