"""The admin's service on one machine: takes in messages, judges spreads, renews signatures, serves page and door."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import structlog
from waitress.server import create_server  # type: ignore[import-untyped]

from edge.clock import SystemClock
from edge.errors import CalcedgeError
from edge.fleet.admin.authority import Authority
from edge.fleet.admin.collect import Source, source
from edge.fleet.admin.conductor import Conductor
from edge.fleet.admin.door import Door
from edge.fleet.admin.ledger import Ledger
from edge.fleet.admin.page import create_page
from edge.fleet.admin.repository import FleetRepository
from edge.fleet.fetcher import Tls

_TAKE_S: Final = 0.5
_RENEW_BEFORE: Final = timedelta(days=13)
"""Timestamps live 14 days: each night a new one, and a week's vacation of this machine does no harm."""

Place = tuple[str, int]
"""Host and port."""

log = structlog.get_logger()


class Watch:
    """One fleet's service."""

    def __init__(
        self, repository: FleetRepository, name: str, ledger: Ledger, conductor: Conductor, broker: str | None
    ) -> None:
        self._repository = repository
        self._ledger = ledger
        self._conductor = conductor
        self._clock = SystemClock()
        self._source: Source | None = source(broker, name, Tls()) if broker else None

    def once(self) -> Iterator[str]:
        """Takes in and judges once. What was judged, in words."""
        self._take()
        for spread, judgement in self._conductor.step():
            yield f"{spread.kind} {spread.release}, {spread.where}: {judgement.verdict}; {judgement.why}"
        if self._source:
            self._source.close()

    def run(self, stop: threading.Event, page: Place, door: Place | None, every_s: float) -> None:
        """Until told to stop. `page` and `door`: host and port of the page, and of the door for enrolment."""
        folder = self._repository.folder
        app = create_page(self._repository, folder / "fleet.sqlite", self._clock)
        server = create_server(app, host=page[0], port=page[1], threads=4)
        threading.Thread(target=server.run, name="page", daemon=True).start()
        doors = [Door(Authority(folder / "ca", self._clock), *door)] if door else []
        for opened in doors:
            threading.Thread(target=opened.serve_forever, name="door", daemon=True).start()
        due_s = 0.0
        try:
            while not stop.wait(_TAKE_S):
                self._take()
                now_s = self._clock.monotonic_s()
                if now_s >= due_s:
                    due_s = now_s + every_s
                    self._judge()
        finally:
            server.close()
            for opened in doors:
                opened.shutdown()
                opened.server_close()
            if self._source:
                self._source.close()

    def _take(self) -> None:
        while self._source and (messages := self._source.take()):
            self._ledger.record(messages)

    def _judge(self) -> None:
        try:
            serial = self._conductor.serial
            self._conductor.step()
            if self._source and self._conductor.serial != serial:
                self._source.nudge()
            expires = self._repository.newest("timestamp").signed.expires
            if expires - self._clock.now().utc < _RENEW_BEFORE:
                self._repository.freshen(force=True)
        except CalcedgeError as error:
            log.error("the fleet can't be conducted", code=error.reason.code, detail=error.reason.text)
