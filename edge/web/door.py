"""The page over TLS, for tablets on the clinic's network: decrypts, and hands each connection to the web server.

The web server speaks plain HTTP over pairs of connected sockets that never leave this process; the addresses of those
who call stay theirs. One thread, one event loop (asyncio), whatever the number of tablets.

What always holds: TLS 1.2 or newer with forward secrecy (RFC 9325); a client that doesn't finish its handshake within
ten seconds is gone; no more than `MOST` connections at once; a renewed certificate is used from the next connection on.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Final

import structlog

from edge.network.tls import CIPHERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.web.certificates import Pair

    Admit = Callable[[socket.socket, tuple[str, int]], None]
    """Takes our end of a connection, and who is at the other end."""

log = structlog.get_logger()

MOST: Final = 100
_HANDSHAKE_S: Final = 10.0
_LOOK_S: Final = 2.0
_CHUNK: Final = 1 << 16


class Door:
    """Listens for TLS. `pair` says which certificate holds now; it is asked again and again."""

    def __init__(self, listener: socket.socket, pair: Callable[[], Pair], admit: Admit) -> None:
        self._listener = listener
        self._pair = pair
        self._admit = admit
        self._context = _context()
        self._context.sni_callback = self._choose
        self._newest = self._context
        self._loaded: tuple[object, ...] = ()
        self._inside = 0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="web-tls")

    def start(self) -> None:
        """Begins. Without a certificate that can be used nobody gets in, until there is one."""
        self._thread.start()

    def close(self) -> None:
        """Ends every connection."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Gives a new connection the certificate that holds now. A context can't change its own: it keeps each kind."""
        del name, context
        connection.context = self._newest

    def _load(self) -> None:
        """Uses the certificate that holds now. When it can't be used, the one before goes on."""
        try:
            pair = self._pair()
            stamps = tuple(path.stat().st_mtime_ns for path in (pair.certificate, pair.key))
            if (pair, *stamps) != self._loaded:
                fresh = _context()
                fresh.load_cert_chain(pair.certificate, pair.key, lambda: "")
                self._newest = fresh
                self._loaded = (pair, *stamps)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            log.error("web-certificate-unusable", error=type(error).__name__)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._load()
        server = await asyncio.start_server(
            self._carry, sock=self._listener, ssl=self._context, ssl_handshake_timeout=_HANDSHAKE_S, limit=_CHUNK
        )
        log.info("web-tls-listening", port=int(self._listener.getsockname()[1]))
        async with server:
            while not self._stop.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), _LOOK_S)
                self._load()
            server.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, both ways, until either side ends it."""
        try:
            if self._inside >= MOST:
                return
            self._inside += 1
            try:
                await self._both(reader, writer)
            finally:
                self._inside -= 1
        finally:
            writer.transport.abort()

    async def _both(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here, there = socket.socketpair()
        self._admit(there, writer.get_extra_info("peername")[:2])
        inner_reader, inner_writer = await asyncio.open_connection(sock=here, limit=_CHUNK)
        try:
            ways = [
                asyncio.ensure_future(_pump(reader, inner_writer)),
                asyncio.ensure_future(_pump(inner_reader, writer)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if ways[1].done():
                with contextlib.suppress(OSError, TimeoutError):  # the answer is whole: say goodbye properly
                    writer.close()
                    await asyncio.wait_for(writer.wait_closed(), _LOOK_S)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        finally:
            inner_writer.close()


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
