"""Calls another DICOM node: an association for the length of a `with` block.

What always holds: when the block ends, the association is released or aborted, its threads have ended and its socket
is closed, whatever the peer does: also when it neither reads, answers nor closes. Failures are told as
`DeliveryError` with the code that says whose turn it is.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import time

from edge.errors import DeliveryError
from edge.network import implementation
from edge.network.mend import mend
from edge.network.tls import client_context

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pynetdicom.association import Association
    from pynetdicom.events import Event, EventHandlerType
    from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
    from pynetdicom.presentation import PresentationContext

    from edge.config import DicomNode, Tls

MAX_PDU: Final = 128 * 1024
CONNECT_S: Final = 10.0
MAX_CONTEXTS: Final = 128
"""PS3.8 section 9.3.2.2: identifiers are odd and fit one byte."""
PARTING_S: Final = 5.0

# Why an association was rejected: (source, diagnostic) of PS3.8 table 9-21. Everything else is "refused".
_BUSY: Final = {(3, 1): "temporary congestion", (3, 2): "its limit of associations is reached"}
_REFUSED: Final = {
    (1, 2): "application context not supported",
    (1, 3): "our title is not recognised",
    (1, 7): "the title called is not recognised",
    (2, 2): "protocol version not supported",
}


@dataclass(slots=True)
class Call:
    """An association with a peer that accepted at least one context."""

    association: Association
    _wire: _Wire = field(repr=False)

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Cuts the connection if the block lasts longer: a peer that reads or answers too slowly."""
        timer = threading.Timer(seconds, self._wire.cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def accepted(self) -> set[tuple[str, str]]:
        """The pairs of SOP class and transfer syntax that the peer takes."""
        return {(str(cx.abstract_syntax), str(cx.transfer_syntax[0])) for cx in self.association.accepted_contexts}


@contextlib.contextmanager
def call(
    node: DicomNode,
    contexts: Sequence[PresentationContext],
    tls: Tls | None,
    *,
    handlers: Sequence[EventHandlerType] = (),
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
) -> Iterator[Call]:
    """Opens an association for the length of the block.

    Args:
        node: whom to call, and as whom.
        contexts: what to propose, at most 128.
        tls: who we are, used when the node wants TLS.
        handlers: for requests that the peer may send on this association.
        roles: SCP roles that we propose for ourselves (PS3.7 annex D.3.3.4).

    Raises:
        DeliveryError: `destination-unreachable`, `destination-tls`, `destination-refused`, `destination-busy`, or
            `destination-no-context` (final) when not one context was accepted.
        ConfigError: the TLS files can't be used.
    """
    assert len(contexts) <= MAX_CONTEXTS
    mend()
    wire = _Wire(node.timeout_s)
    entity = AE(ae_title=node.calling_title)
    entity.implementation_class_uid, entity.implementation_version_name = (
        implementation.CLASS_UID,
        implementation.VERSION,
    )
    entity.connection_timeout = entity.acse_timeout = min(CONNECT_S, node.timeout_s)
    entity.dimse_timeout = entity.network_timeout = node.timeout_s
    arguments: dict[str, Any] = {"max_pdu": MAX_PDU, "ext_neg": list(roles) or None}
    if node.tls:
        assert tls is not None, "the configuration was checked"
        arguments["tls_args"] = (wire.secure(tls), node.tls_name or node.host)
    arguments["evt_handlers"] = [(evt.EVT_CONN_OPEN, wire.opened), *handlers]
    try:
        association = entity.associate(node.host, node.port, list(contexts), node.title, **arguments)
    except OSError as error:  # a name that can't be resolved
        raise DeliveryError("destination-unreachable", f"{node.host}:{node.port}") from error
    try:
        if not association.is_established:
            raise _why_not(association, node, contexts, wire)
        yield Call(association, wire)
    finally:
        _end(association, wire)


def echo(node: DicomNode, tls: Tls | None) -> None:
    """Asks for C-ECHO.

    Raises:
        DeliveryError: as `call`, or `destination-refused` when the answer is not success.
    """
    context = AE()
    context.add_requested_context(Verification)
    with call(node, context.requested_contexts, tls) as line, line.within(node.timeout_s):
        status = line.association.send_c_echo()
    if "Status" not in status or status.Status != 0x0000:
        raise DeliveryError("destination-refused", node.title)


class _Wire:
    """The socket below an association: bounded in time, told of trouble with TLS, and closed for certain."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self.insecure: str | None = None

    def secure(self, tls: Tls) -> ssl.SSLContext:
        """A context whose sockets tell why a handshake failed; the library only logs it."""
        told = self
        context = client_context(tls)

        class Socket(ssl.SSLSocket):
            def connect(self, addr: Any) -> None:
                try:
                    super().connect(addr)
                except ssl.SSLError as error:
                    told.insecure = error.reason or type(error).__name__
                    raise

        context.sslsocket_class = Socket
        return context

    def opened(self, event: Event) -> None:
        """Once connected, the library would wait forever for a peer that doesn't read."""
        line = event.assoc.dul.socket
        self._socket = line.socket if line else None
        if self._socket:
            self._socket.settimeout(self._timeout_s)

    def cut(self) -> None:
        """Ends the connection at once, from whatever thread: blocked reads and writes return."""
        if self._socket:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Gives the descriptor back. The library forgets to when the peer was first."""
        if self._socket:
            self._socket.close()


def _why_not(
    association: Association, node: DicomNode, contexts: Sequence[PresentationContext], wire: _Wire
) -> DeliveryError:
    where = f"{node.title} at {node.host}:{node.port}"
    if association.is_rejected:
        answer = association.acceptor.primitive
        why = (answer.result_source or 0, answer.diagnostic or 0) if answer else (0, 0)
        if why in _BUSY:
            return DeliveryError("destination-busy", f"{where}: {_BUSY[why]}")
        return DeliveryError("destination-refused", f"{where}: {_REFUSED.get(why, 'no reason given')}")
    if wire.insecure:
        return DeliveryError("destination-tls", f"{where}: {wire.insecure}")
    if association.rejected_contexts:
        return DeliveryError("destination-no-context", str(contexts[0].abstract_syntax), final=True)
    return DeliveryError("destination-unreachable", where)


def _end(association: Association, wire: _Wire) -> None:
    # A peer that neither answers nor closes would keep the library waiting: then the wire is cut under it.
    parting = threading.Timer(PARTING_S, wire.cut)
    parting.daemon = True
    parting.start()
    try:
        if association.is_established:
            association.release()
        if association.is_alive() or association.dul.is_alive():
            if not (association.is_aborted or association.is_released or association.is_rejected):
                association.abort()
            wire.cut()
            association.kill()
    finally:
        parting.cancel()
        wire.cut()
        wire.close()
