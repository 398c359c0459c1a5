"""Brings bytes: from a web server, an object store, a CDN, or a USB stick (`file://`).

Believes nothing it brings: others verify. What always holds: no answer takes longer than its deadline, however slowly
it drips; nothing is decoded on the way; requests and bytes are counted.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import urllib3
from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient.fetcher import FetcherInterface

from edge.clock import Clock

_CHUNK: Final = 1 << 16
_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "calcedge"}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds."""

    connect_s: float = 15.0
    gap_s: float = 30.0
    """Between two bytes."""
    metadata_s: float = 120.0
    """For one whole metadata file."""
    least_bytes_per_s: float = 500.0
    """The mean over `window_s`, below which a download is given up for now."""
    window_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Tls:
    """Who we are to a repository that asks, and whom we believe. Privacy only: what comes is verified by others."""

    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None


@dataclass(slots=True)
class Traffic:
    """What went over the line so far."""

    requests: int = 0
    body_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Body:
    """An answer. `start`: the place in the whole file at which its first byte belongs."""

    start: int
    chunks: Iterator[bytes] = field(repr=False)


class Fetcher(FetcherInterface):
    """The one way in which updates reach a box. Not for use by several threads."""

    def __init__(self, clock: Clock, patience: Patience | None = None, tls: Tls | None = None) -> None:
        self._clock = clock
        self._patience = patience or Patience()
        self._pool = urllib3.PoolManager(ssl_context=context(tls or Tls()), headers=_HEADERS, retries=False)
        self.traffic = Traffic()

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def _fetch(self, url: str) -> Iterator[bytes]:
        """A whole small file, for python-tuf."""
        return self._within(self.open(url).chunks)

    def open(self, url: str, start: int = 0) -> Body:
        """Asks for a file from byte `start` on. The server may answer with all of it: see `Body.start`.

        Raises:
            DownloadHTTPError: the server said no.
            DownloadError: there is no server, or the answer makes no sense; also while the chunks are read.
            SlowRetrievalError: too slow; also while the chunks are read.
        """
        self.traffic.requests += 1
        if urlsplit(url).scheme == "file":
            return Body(start, self._steady(_local(url, start)))
        headers = _HEADERS | ({"Range": f"bytes={start}-"} if start else {})
        timeout = urllib3.Timeout(connect=self._patience.connect_s, read=self._patience.gap_s)
        try:
            response = self._pool.request("GET", url, headers=headers, timeout=timeout, preload_content=False)
        except urllib3.exceptions.TimeoutError as error:
            raise SlowRetrievalError(url) from error
        except urllib3.exceptions.HTTPError as error:
            raise DownloadError(f"{type(error).__name__} for {url}") from error
        if response.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            _done(response)
            raise DownloadHTTPError(f"{response.status} for {url}", response.status)
        return Body(_start_of(response, start), self._steady(_remote(response)))

    def _steady(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        patience = self._patience
        since_s, received = self._clock.monotonic_s(), 0
        for chunk in chunks:
            self.traffic.body_bytes += len(chunk)
            received += len(chunk)
            yield chunk
            now_s = self._clock.monotonic_s()
            if now_s - since_s >= patience.window_s:
                if received < patience.least_bytes_per_s * (now_s - since_s):
                    raise SlowRetrievalError("too few bytes a second")
                since_s, received = now_s, 0

    def _within(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        end_s = self._clock.monotonic_s() + self._patience.metadata_s
        for chunk in chunks:
            if self._clock.monotonic_s() > end_s:
                raise SlowRetrievalError("a metadata file took too long")
            yield chunk


def context(tls: Tls) -> ssl.SSLContext:
    """TLS with this identity; without one, as anybody."""
    made = ssl.create_default_context(cafile=str(tls.authority) if tls.authority else None)
    if tls.certificate and tls.certificate.exists():
        made.load_cert_chain(tls.certificate, tls.key)
    return made


def _local(url: str, start: int) -> Iterator[bytes]:
    path = Path(url2pathname(urlsplit(url).path))
    try:
        file = path.open("rb")
    except OSError as error:
        raise DownloadHTTPError(f"no {path.name}", HTTPStatus.NOT_FOUND) from error

    def chunks() -> Iterator[bytes]:
        with file:
            file.seek(start)
            try:
                while chunk := file.read(_CHUNK):
                    yield chunk
            except OSError as error:  # the stick was pulled
                raise DownloadError(f"{path.name}: {error.strerror}") from error

    return chunks()


def _remote(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    assert isinstance(response, urllib3.HTTPResponse)
    try:
        while chunk := response.read1(_CHUNK, decode_content=False):  # what is there: a drip must not block us
            yield chunk
    except urllib3.exceptions.TimeoutError as error:
        raise SlowRetrievalError("the line went silent") from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise DownloadError(f"the line broke: {type(error).__name__}") from error
    finally:
        _done(response)


def _done(response: urllib3.BaseHTTPResponse) -> None:
    """Closes a half-read connection, keeps a wholly read one."""
    response.close()
    response.release_conn()


def _start_of(response: urllib3.BaseHTTPResponse, asked: int) -> int:
    if response.status == HTTPStatus.OK:
        return 0
    told = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if told is None or int(told[1]) != asked:
        _done(response)
        raise DownloadError("an answer to another question")
    return asked
