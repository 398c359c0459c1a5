"""Requests to the page as bytes on a real connection: a stranger's, and an admin's with the right token.

`@SESSION@`, `@VISITOR@` and `@TOKEN@` in a seed become the admin's own, so that what is changed elsewhere goes deep.
"""

from __future__ import annotations

import itertools
import random
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from waitress.adjustments import Adjustments  # type: ignore[import-untyped]
from waitress.parser import HTTPRequestParser  # type: ignore[import-untyped]
from werkzeug.datastructures import MultiDict

from edge.people.roles import Role
from edge.store import search
from edge.web.finding import asked
from edge.web.guard import FIELD
from edge.web.orders import OrderRow, fits
from edge.web.server import serve_socket
from tests.fuzz.engine import ACCEPTED, Target
from tests.fuzz.mutate import Change
from tests.web.appliance import Appliance, findings, lesion, not_analysed

_LISTED: Final = frozenset(
    f"http-{status}"
    for status in (100, 204, 303, 304, 308, 400, 401, 403, 404, 405, 409, 411, 413, 415, 416, 417, 429, 431, 501, 503)
) | {"http-200", "incomplete", "closed"}
"""503 is the health page's word for a part that is down; 501 the server's for a transfer coding it doesn't know."""
_RENEWED: Final = 3000
_VISITOR: Final = "0123456789abcdef" * 2
_GETS: Final = (
    "/", "/images", "/images?q=Meyer&outcome=findings&day=2026-11-22&before=9", "/images?scan=1&q=PAT-4711",
    "/images/1", "/images/2/compare?before=1", "/images/1/print", "/images/1/picture.png?width=300", "/images/1/film",
    "/images/1/analysis.json", "/images.csv?q=Meyer", "/images/1/export.zip", "/api/status", "/health", "/about",
    "/errors", "/errors/truncated", "/menu", "/people", "/settings?kept=1", "/connections", "/machine",
    "/audit?before=5&check=1", "/keeping", "/support-bundle.zip", "/orders?q=Meyer", "/set-up", "/sign-in?next=/images",
    "/enter/abcdef", "/static/page.js", "/favicon.ico", "/events?seen=1",
)  # fmt: skip
_POSTS: Final = (
    ("/sign-in", "name=Admin&secret=wrong&next=/images"), ("/active", ""),
    ("/images/1/analyse-again", ""), ("/parcels/send-again", "parcel=1&parcel=2"),
    ("/language", "language=fr&next=/menu"), ("/people", "name=Eva+Neu&role=technician&password=&pin=917354"),
    ("/people/3", "role=clinician&standing=stop"),
    ("/settings", "language=en&screen_lock_minutes=10&webhook=&mail_server=&mail_from=&mail_to="),
    ("/settings/archives", "type=folder&name=usb&path=/tmp/usb&originals=on"),
    ("/settings/archives", "type=dicom&name=pacs&title=PACS&host=127.0.0.1&port=104"),
    ("/settings/archives", "type=dicomweb&name=web&url=https://pacs.example/dicom-web"),
    ("/settings/archives/remove", "name=usb"), ("/settings/worklist", "title=RIS&host=127.0.0.1&port=105"),
    ("/connections", ""), ("/machine", ""), ("/orders/1/pick", ""), ("/orders/put-back", ""), ("/orders/refresh", ""),
    ("/set-up", "code=12345678&name=Eva&password=correct+horse&again=correct+horse&pin=482913"),
)  # fmt: skip


def _seeds() -> list[bytes]:
    cookies = "Cookie: calcedge_session=@SESSION@; calcedge_visitor=@VISITOR@\r\n"
    head = "Host: 127.0.0.1:8080\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\n"
    seeds = [f"GET {path} HTTP/1.1\r\n{head}{cookies}\r\n" for path in _GETS]
    seeds += [f"GET {path} HTTP/1.1\r\n{head}\r\n" for path in _GETS[::4]]
    for path, form in _POSTS:
        body = f"{form}&{FIELD}=@TOKEN@".lstrip("&")
        same = "Sec-Fetch-Site: same-origin\r\nOrigin: http://127.0.0.1:8080\r\n"
        kind = "Content-Type: application/x-www-form-urlencoded\r\n"
        # The token is 64 letters long where its place is 7.
        seeds.append(
            f"POST {path} HTTP/1.1\r\n{head}{cookies}{same}{kind}Content-Length: {len(body) + 57}\r\n\r\n{body}"
        )
    seeds.append(f"POST /settings HTTP/1.1\r\n{head}{cookies}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    return [seed.encode() for seed in seeds]


class _Site:
    """An appliance with a few images, served; a fresh one now and then, as requests change it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._tried = 0
        self.failed: list[str] = []

    def answer(self, data: bytes) -> str:
        """What the page answers to a request."""
        if self._tried % _RENEWED == 0:
            self._renew()
        self._tried += 1
        data = data.replace(b"@SESSION@", self._session.encode()).replace(b"@VISITOR@", _VISITOR.encode())
        data = data.replace(b"@TOKEN@", self._token.encode())
        parser = HTTPRequestParser(Adjustments(max_request_body_size=1 << 16))
        rest = data
        while rest and not parser.completed:
            rest = rest[parser.received(rest) :]
        with socket.create_connection(("127.0.0.1", self._port)) as line:
            try:
                line.sendall(data)
                if not parser.completed and not parser.error:
                    return "incomplete"
                answer = self._read(line)
            except ConnectionError:
                return "closed"
        if self.failed:
            raise AssertionError(self.failed.pop())
        if answer == "http-401":
            self._sign_in()
        return answer

    def _read(self, line: socket.socket) -> str:
        received = bytearray()
        while b"\r\n\r\n" not in received:
            chunk = line.recv(1 << 16)
            if not chunk:
                return "closed"
            received += chunk
        head = bytes(received.partition(b"\r\n\r\n")[0])
        status = head[9:12].decode("ascii")
        assert status.isdigit(), head[:40]
        return f"http-{status}"

    def _renew(self) -> None:
        self.close()
        here = self._here = Appliance(
            self._folder / str(next(self._numbers)), {"worklist": {"title": "R", "host": "x"}}
        )
        here.speak()
        here.whole(findings(lesion()))
        here.filmed(findings(lesion(1), lesion(2, "MC1", "possible")), 77)
        here.whole(not_analysed(), b"DICOM 3")
        app = here.app()
        app.testing = False
        monkey: Any = app
        monkey.log_exception = self._note
        self._app = app
        self._sign_in()
        listener = socket.create_server(("127.0.0.1", 0))
        self._port = listener.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=serve_socket, args=(app, listener, self._stop), daemon=True)
        self._thread.start()

    def _note(self, info: tuple[type, BaseException, object]) -> None:
        import traceback

        last = traceback.extract_tb(info[1].__traceback__)[-1]
        self.failed.append(f"{info[0].__name__} at {Path(last.filename).name}:{last.lineno}")

    def _sign_in(self) -> None:
        admin = next((one for one in self._here.register.everybody() if one.role == Role.ADMIN and one.active), None)
        assert admin, "somebody is always left to manage the appliance"
        self._session = (
            self._here.register.follow(self._here.register.link(admin.id, within_s=60, once=True), kiosk=True) or ""
        )
        client = self._app.test_client()
        client.set_cookie("calcedge_session", self._session)
        client.set_cookie("calcedge_visitor", _VISITOR)
        page = client.get("/settings").text
        self._token = page.split('name="token" value="', 1)[1][:64]

    def close(self) -> None:
        """Ends the server."""
        self._stop.set()
        if self._thread:
            self._thread.join()
            self._here.close()


def _requests(folder: Path) -> Target:
    site = _Site(folder)
    return Target(site.answer, _seeds(), _CHANGES, deadline_s=20.0, codes=_LISTED, knowing=0.85)


def _search(folder: Path) -> Target:
    """What is typed, or scanned, into a search."""
    here = Appliance(folder)
    for number, name in enumerate(("Müller^Eva", "O'Neill^Ann", "山田^太郎", 'A*B"C^D')):
        here.whole(findings(), b"DICOM %d" % number, name)
    row = OrderRow(1, "Müller, Eva", ("4711",), "left", "hand", "2026-11-22 10:00", picked=False)

    def test(data: bytes) -> str:
        text = data.decode("utf-8", "replace")
        first, _, rest = text.partition("\n")
        with here.store.read() as connection:
            search.find(connection, asked(MultiDict({"q": text, "day": rest, "outcome": first, "before": rest})))
            search.find(connection, search.Query(words=text))
            search.of_patient(connection, text, 2**62)
        fits(row, text)
        return ACCEPTED

    return Target(test, [word.encode() for word in _WORDS], ())


_WORDS: Final = (
    "Meyer", "müller 47", "PAT-4711", "A1", "4711\n2026-11-22", "findings\n12", "*", '"', "NEAR(a b)", "a OR b",
    "words:x", "^a", "-a", "(a", "a\0b", "0104150999999999211234567890", "]C1 0109876543210 10ABC", "1.2.840.10008.5.1",
)  # fmt: skip


def _header(data: bytearray, rng: random.Random) -> None:
    """Another header line, or the same twice."""
    at = data.find(b"\r\n") + 2
    data[at:at] = rng.choice(_HEADERS) + b"\r\n"


def _method(data: bytearray, rng: random.Random) -> None:
    data[: max(0, data.find(b" "))] = rng.choice(
        (b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"X")
    )


def _number(data: bytearray, rng: random.Random) -> None:
    """A number in the path or the form becomes another."""
    digits = [n for n, byte in enumerate(data[:2000]) if 48 <= byte <= 57]
    if digits:
        at = rng.choice(digits)
        data[at : at + 1] = rng.choice((b"0", b"-1", b"9" * 30, b"18446744073709551616", b"1e9", b"%00", b"\xd9\xa3"))


def _field(data: bytearray, rng: random.Random) -> None:
    """A field's value becomes something else."""
    marks = [n for n, byte in enumerate(data[:4000]) if byte == 61]
    if marks:
        at = rng.choice(marks) + 1
        data[at : at + rng.randrange(6)] = rng.choice(_FIELDS)


_HEADERS: Final = (
    b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked", b"Host: evil.example", b"Host: [::1", b"X-Forwarded-For: 127.0.0.1",
    b"X-Forwarded-Host: evil.example", b"If-None-Match: *", b"If-Modified-Since: x", b"Range: bytes=0-1,5-",
    b"Accept: application/json", b"Accept: */*;q=nan", b"Accept-Encoding: gzip;q=9e9", b"Accept-Language: xx",
    b"Cookie: calcedge_session=\xff; calcedge_language=ar", b"Cookie: " + b"a=b; " * 900, b"Last-Event-ID: \xff-1",
    b"Content-Type: multipart/form-data; boundary=x", b"Content-Type: application/json", b"Expect: 100-continue",
    b"X-Calcedge-Refresh: 1", b"Connection: Upgrade", b"Origin: null", b"Sec-Fetch-Site: cross-site", b" folded: 1",
    b"\x00: 1", b"A" * 300_000,
)  # fmt: skip
_FIELDS: Final = (
    b"", b"%00", b"%ff%fe", b"%ED%A0%80", b"%F0%9F%98%80", b"..%2f..%2fetc%2fpasswd", b"%0d%0aSet-Cookie:x=y",
    b"%C2%B2", b"' OR 1=1--", b'"><script>', b"//evil.example", b"\\\\evil", b"javascript:alert(1)", b"http://169.254.169.254/",
    b"NaN", b"1e400", b"9" * 5000, b"%E2%80%AE", b"2026-02-30", b"0001-01-01", b"9999-12-31", b"%5B" * 500,
)  # fmt: skip
_CHANGES: Final[tuple[Change, ...]] = (_header, _method, _number, _number, _field, _field)
TARGETS: Final[dict[str, Callable[[Path], Target]]] = {"requests": _requests, "search": _search}
