"""Notices to people who are not at the screen: by webhook or mail, when something should be looked at. No patient data.

A thread follows the audit trail. What it sends names the image's number and the outcome; who wants to know more signs
in. A notice that can't be sent is tried again for a while, then given up and told in the audit trail: results never
depend on it.
"""

from __future__ import annotations

import json
import smtplib
import threading
import urllib.error
import urllib.request
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any, Final

import structlog

from edge.people import site
from edge.store import events
from edge.web import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.people.site import Site
    from edge.store import Store
    from edge.store.events import Event

log = structlog.get_logger()

LOOK_S: Final = 1.0
TRIES: Final = 4
FIRST_PAUSE_S: Final = 2.0
TIMEOUT_S: Final = 10.0
_LOUD: Final = frozenset({"findings", "not_analysed"})


class Notices:
    """Follows the audit trail and sends. `device` names the appliance in what it sends."""

    def __init__(self, store: Store, device: str, *, look_s: float = LOOK_S, pause_s: float = FIRST_PAUSE_S) -> None:
        self._store = store
        self._device = device
        self._look_s = look_s
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins with what happens from now on."""
        with self._store.read() as connection:
            seen = events.last_id(connection)
        self._thread = threading.Thread(target=self._follow, args=(seen,), name="notices")
        self._thread.start()

    def close(self) -> None:
        """Ends; a notice that is being tried is given up."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _follow(self, seen: int) -> None:
        while not self._stop.wait(self._look_s):
            wanted = site.read(self._store)
            with self._store.read() as connection:
                fresh = events.after(connection, seen)
            for event in fresh:
                seen = event.id
                body = notice(event, self._device)
                if body:
                    self._send(body, wanted)

    def _send(self, body: dict[str, Any], wanted: Site) -> None:
        if wanted.webhook:
            self._try("webhook", lambda: _post(wanted.webhook, body))
        if wanted.mail_server and wanted.mail_to:
            self._try("mail", lambda: _mail(wanted, body))

    def _try(self, way: str, send: Callable[[], None]) -> None:
        for number in range(TRIES):
            try:
                send()
            except (OSError, ValueError, smtplib.SMTPException) as error:
                log.warning("notice-not-sent", way=way, error=type(error).__name__, tries=number + 1)
                if self._stop.wait(self._pause_s * 2**number):
                    return
            else:
                return
        with self._store.transaction() as tx:
            events.append(tx, self._store.clock.now(), "web", "notice-failed", f"notice:{way}")


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
    with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310 - the scheme was looked at above
        pass


def _mail(wanted: Site, body: dict[str, Any]) -> None:
    message = EmailMessage()
    message["From"], message["To"] = wanted.mail_from or wanted.mail_to, wanted.mail_to
    message["Subject"] = f"calcedge {body['device']}: {body['text']}"
    message.set_content(f"{body['text']}\n{body['subject']}, {body['at']}\n{words.load(words.DEFAULT)['UNVERIFIED']}\n")
    host, _, port = wanted.mail_server.rpartition(":") if ":" in wanted.mail_server else (wanted.mail_server, "", "25")
    with smtplib.SMTP(host, int(port), timeout=TIMEOUT_S) as server:
        server.send_message(message)
