"""A small reader of server-sent events over a plain HTTP connection."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edge.web.access import COOKIE
from tests.web.appliance import Site


@dataclass(frozen=True)
class Event:
    """One event as it came."""

    kind: str
    id: str
    data: str


class Stream:
    """An open stream."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response

    def events(self) -> Iterator[Event]:
        """The events, until the server ends the stream."""
        fields: dict[str, str] = {}
        while line := self._response.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "event" in fields:
                yield Event(fields["event"], fields.get("id", ""), fields["data"])
                fields = {}

    def next(self, kind: str) -> Event:
        """The next event of a kind."""
        return next(event for event in self.events() if event.kind == kind)


@contextmanager
def connect(site: Site, seen: str = "", *, last: str = "", cookie: str = "") -> Iterator[tuple[int, Stream]]:
    """Opens `/events` and gives the status and the stream."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=15)
    cookies = f"{COOKIE}={site.cookie}" + (f"; {cookie}" if cookie else "")
    headers = {"Cookie": cookies} | ({"Last-Event-ID": last} if last else {})
    try:
        connection.request("GET", f"/events?seen={seen}", headers=headers)
        response = connection.getresponse()
        with response:
            yield response.status, Stream(response)
    finally:
        connection.close()
