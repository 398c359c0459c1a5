"""Notices to people who are not at the screen: by webhook or mail, when something should be looked at. No patient data.

A thread of the process that has the network follows the audit trail. What it sends names the image's number and the
outcome; who wants to know more signs in. A notice that can't be sent is tried again for a while, then given up and
told in the audit trail: results never depend on it.

Which notice was dealt with last is kept in the store: a process that dies and comes back goes on from there, so that
none is lost; one that it was just sending is sent twice. What is older than an hour helps nobody and is left out.
"""

from __future__ import annotations

import http.client
import json
import smtplib
import threading
import urllib.request
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any, Final

import structlog

from edge.errors import StoreError
from edge.people import site
from edge.store import events, settings
from edge.web import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.people.site import Site
    from edge.store import Store
    from edge.store.events import Event

log = structlog.get_logger()

LOOK_S: Final = 1.0
OLDEST: Final = timedelta(hours=1)
TRIES: Final = 4
FIRST_PAUSE_S: Final = 2.0
TIMEOUT_S: Final = 10.0
_SEEN: Final = "notices_seen"
"""The setting that holds the number of the last event dealt with."""
_LOUD: Final = frozenset({"findings", "not_analysed"})


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Who receives notices is who the admin named, and nobody whom that one names."""

    def redirect_request(self, *_: Any) -> None:
        """No other request: the answer counts as a failure."""


_opener: Final = urllib.request.build_opener(_NoRedirect)


class Notices:
    """Follows the audit trail and sends. `device` names the appliance in what it sends."""

    def __init__(self, store: Store, device: str, *, look_s: float = LOOK_S, pause_s: float = FIRST_PAUSE_S) -> None:
        self._store = store
        self._device = device
        self._look_s = look_s
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._seen = self._begins_after()

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set; a notice that is being tried then is tried again at the next start."""
        self._stop = stop
        while not stop.wait(self._look_s):
            try:
                while self._follow() and not stop.is_set():
                    pass
            except StoreError as error:  # images and their delivery go on without notices
                log.error("notices-stand", code=error.reason.code)

    def _follow(self) -> bool:
        """Deals with the next events. False when there was none, or one must be tried again after a restart."""
        wanted = site.read(self._store)
        with self._store.read() as connection:
            fresh = events.after(connection, self._seen)
        for event in fresh:
            body = notice(event, self._device)
            if body and wanted.notifies and not self._is_old(event):
                if not self._send(body, wanted):
                    return False
                self._keep(event.id)
            self._seen = event.id
        return bool(fresh)

    def _begins_after(self) -> int:
        """The last event dealt with. A store that never sent begins with what happens from now on, and remembers."""
        with self._store.read() as connection:
            kept = settings.everything(connection).get(_SEEN)
            newest = events.last_id(connection)
        if isinstance(kept, int):
            return kept
        self._keep(newest)
        return newest

    def _keep(self, event_id: int) -> None:
        with self._store.transaction() as tx:
            settings.put(tx, _SEEN, event_id, self._store.clock.now())

    def _is_old(self, event: Event) -> bool:
        return self._store.clock.now().utc - datetime.fromisoformat(event.utc) > OLDEST

    def _send(self, body: dict[str, Any], wanted: Site) -> bool:
        """Sends each way that is wanted. False when it was stopped before every way had succeeded or failed."""
        ways: dict[str, Callable[[], None]] = {}
        if wanted.webhook:
            ways["webhook"] = lambda: _post(wanted.webhook, body)
        if wanted.mails:
            ways["mail"] = lambda: _mail(wanted, body)
        return all(self._try(way, send) for way, send in ways.items())

    def _try(self, way: str, send: Callable[[], None]) -> bool:
        for number in range(TRIES):
            try:
                send()
            except (OSError, ValueError, http.client.HTTPException) as error:
                log.warning("notice-not-sent", way=way, error=type(error).__name__, tries=number + 1)
                if self._stop.wait(self._pause_s * 2**number):
                    return False
            else:
                return True
        with self._store.transaction() as tx:
            events.append(tx, self._store.clock.now(), "dicom", "notice-failed", f"notice:{way}")
        return True


def notice(event: Event, device: str) -> dict[str, Any] | None:
    """What is sent for an event, or None when nobody needs to know."""
    base = {"device": device, "subject": event.subject, "at": event.utc}
    if event.what == "image-analysed" and event.detail.get("outcome") in _LOUD:
        outcome = str(event.detail["outcome"])
        return base | {"kind": outcome, "text": words.load(words.DEFAULT)["OUTCOME_SHORT"][outcome]}
    if event.what == "parcel-held":
        return base | {"kind": "held", "text": words.load(words.DEFAULT)["DELIVERY"]["held"]}
    return None


def _post(url: str, body: dict[str, Any]) -> None:
    if not url.startswith(("http://", "https://")):
        raise ValueError("not a web address")
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310
    with _opener.open(request, timeout=TIMEOUT_S):
        pass


def _mail(wanted: Site, body: dict[str, Any]) -> None:
    message = EmailMessage()
    message["From"], message["To"] = wanted.mail_from or wanted.mail_to, wanted.mail_to
    message["Subject"] = f"calcedge {body['device']}: {body['text']}"
    message.set_content(f"{body['text']}\n{body['subject']}, {body['at']}\n{words.load(words.DEFAULT)['UNVERIFIED']}\n")
    host, _, port = wanted.mail_server.rpartition(":") if ":" in wanted.mail_server else (wanted.mail_server, "", "25")
    with smtplib.SMTP(host, int(port), timeout=TIMEOUT_S) as server:
        server.send_message(message)
