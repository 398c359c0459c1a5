"""The porch of the DICOM node: where a connection waits until it has said who it is.

A connection costs nothing but its descriptor until its association request is here, whole; only then does it become an
association with threads and a place in the count. So port scans, health checks and half-open connections, however
many, leave every place to senders. TLS is negotiated here too: the library does it while nobody else can connect.

What always holds: nobody waits longer than `PATIENCE_S`, and at most `MOST` wait; when more come, the one that has
waited longest is turned away.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from pynetdicom.transport import AssociationServer

from edge.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S: Final = 10.0
MOST: Final = 256
TICK_S: Final = 0.25
_LONGEST_REQUEST: Final = 256 * 1024
_HEAD: Final = struct.Struct(">BxI")  # PDU type, length: PS3.8 section 9.3
_ASSOCIATE: Final = 0x01
_ARRIVED: Final = select.EPOLLIN | select.EPOLLRDHUP
_GONE: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_MOMENT_S: Final = 0.01
_ABORT_UNRECOGNISED: Final = bytes((0x07, 0, 0, 0, 0, 4, 0, 0, 2, 1))  # A-ABORT, provider, unrecognised PDU

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Visitor:
    descriptor: int
    connection: socket.socket
    address: Any
    since_s: float
    greeted: bool
    """TLS is negotiated, or not used."""


class Porch(AssociationServer):
    """The library's server, with a porch before it.

    `welcome` is asked before a visitor becomes an association, `tick` is called four times a second; both in the one
    thread that also makes associations.
    """

    request_queue_size = 128

    def __init__(self, *arguments: Any, welcome: Callable[[], bool], tick: Callable[[], None], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._welcome = welcome
        self._tick = tick
        self._clock = SystemClock()
        self._visitors: dict[int, _Visitor] = {}
        self._poll = select.epoll()
        self._closing = threading.Event()
        self._host = threading.Thread(target=self._receive_visitors, name="porch")
        self._door = threading.Thread(target=self.serve_forever, name="porch-door", kwargs={"poll_interval": TICK_S})

    def open(self) -> None:
        """Starts to let visitors in."""
        self._host.start()
        self._door.start()

    def shutdown(self) -> None:
        """Lets nobody in any more and turns away who waits."""
        super().shutdown()
        self._closing.set()
        self._host.join()
        self._door.join()
        for visitor in list(self._visitors.values()):
            self._turn_away(visitor)
        self._poll.close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Takes a connection, without the TLS handshake that the library would do here."""
        assert self.socket is not None
        return self.socket.accept()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Shows a connection to the porch."""
        request.setblocking(False)
        plain = self.ssl_context is None
        visitor = _Visitor(request.fileno(), request, client_address, self._clock.monotonic_s(), greeted=plain)
        self._visitors[visitor.descriptor] = visitor
        self._poll.register(visitor.descriptor, _ARRIVED)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the standard library's interface
        """A connection that could not be taken is none."""
        log.warning("connection not taken")

    def _receive_visitors(self) -> None:
        next_tick_s = 0.0
        while not self._closing.is_set():
            for descriptor, what in self._poll.poll(TICK_S):
                visitor = self._visitors.get(descriptor)
                if visitor:
                    self._attend(visitor, gone=bool(what & _GONE))
            now_s = self._clock.monotonic_s()
            if now_s >= next_tick_s:
                next_tick_s = now_s + TICK_S
                self._tick()
                self._send_the_patient_home(now_s)

    def _attend(self, visitor: _Visitor, *, gone: bool) -> None:
        """Goes on with a visitor of whom something arrived, or who has left."""
        try:
            if not visitor.greeted and not self._greet(visitor):
                return
            asked = self._has_asked(visitor)
        except OSError:  # gone, or not to be trusted
            self._turn_away(visitor)
            return
        if asked is None:
            with contextlib.suppress(OSError):
                visitor.connection.send(_ABORT_UNRECOGNISED)
            self._turn_away(visitor)
        elif asked and self._welcome():
            self._let_in(visitor)
        elif asked:
            self._closing.wait(_MOMENT_S)  # somebody is leaving to make room
        elif gone:
            self._turn_away(visitor)

    def _greet(self, visitor: _Visitor) -> bool:
        """One step of the TLS handshake; True when it is done."""
        assert self.ssl_context is not None
        plain = visitor.connection
        if not isinstance(plain, ssl.SSLSocket):
            visitor.connection = self.ssl_context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        secure = visitor.connection
        assert isinstance(secure, ssl.SSLSocket)
        try:
            secure.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLWantWriteError:
            self._poll.modify(visitor.descriptor, _ARRIVED | select.EPOLLOUT)
            return False
        except ssl.SSLError as error:
            log.warning("secure connection refused", why=error.reason)
            raise
        self._poll.modify(visitor.descriptor, _ARRIVED)
        visitor.greeted = True
        return True

    @staticmethod
    def _has_asked(visitor: _Visitor) -> bool | None:
        """Whether the whole association request is here; None when it is no request.

        The kernel is told how much to wait for (SO_RCVLOWAT, socket(7)): a request that drips wakes nobody.
        Behind TLS its bytes can't be looked at without taking them, but then the peer has proven who it is.
        """
        connection = visitor.connection
        if isinstance(connection, ssl.SSLSocket):
            return bool(connection.pending()) or bool(select.select([connection], [], [], 0)[0])
        head = connection.recv(_HEAD.size, socket.MSG_PEEK)
        needed = _HEAD.size
        if head[:1] not in (b"", bytes((_ASSOCIATE,))):
            return None
        if not head:
            raise ConnectionResetError
        if len(head) == _HEAD.size:
            needed += _HEAD.unpack(head)[1]
            if needed > _LONGEST_REQUEST:
                return None
            if len(connection.recv(needed, socket.MSG_PEEK)) == needed:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
                return True
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, needed)
        return False

    def _let_in(self, visitor: _Visitor) -> None:
        self._forget(visitor)
        visitor.connection.settimeout(self.ae.network_timeout)
        try:
            self.finish_request(visitor.connection, visitor.address)
        except (OSError, RuntimeError):  # RuntimeError: no more threads
            self.handle_error(visitor.connection, visitor.address)
            visitor.connection.close()

    def _send_the_patient_home(self, now_s: float) -> None:
        waiting = sorted(self._visitors.values(), key=lambda visitor: visitor.since_s)
        for number, visitor in enumerate(waiting):
            if now_s - visitor.since_s > PATIENCE_S or len(waiting) - number > MOST:
                self._turn_away(visitor)

    def _turn_away(self, visitor: _Visitor) -> None:
        self._forget(visitor)
        visitor.connection.close()

    def _forget(self, visitor: _Visitor) -> None:
        if self._visitors.pop(visitor.descriptor, None):
            with contextlib.suppress(OSError):
                self._poll.unregister(visitor.descriptor)
