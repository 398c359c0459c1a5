"""The DICOM node that images are sent to: C-STORE, C-ECHO, and the archives' storage commitment reports.

Data sets stream to disk as they arrive, so that memory does not grow with the image, and status 0x0000 is answered
only after the image is durable. Every storage class is taken and kept; what is no radiograph is not analysed, and
said so. Connections wait on the porch until they have asked for an association (`porch`); associations are kept by
`keeper`. Source of the statuses: PS3.4 annex B.2.3, PS3.7 annex C.
"""

from __future__ import annotations

import ipaddress
import tempfile
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import structlog
from pydicom.uid import AllTransferSyntaxes, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, _config, evt
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import time
    StorageCommitmentPushModel,
    Verification,
)

from edge.errors import CalcedgeError, StoreError
from edge.intake.arrival import Arrival, receive_into_arrivals
from edge.intake.keeper import Keeper
from edge.intake.porch import Porch
from edge.network import implementation
from edge.network.calling import MAX_PDU
from edge.network.mend import mend
from edge.network.tls import server_context

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pynetdicom.events import Event

    from edge.config import Dicom, Tls
    from edge.intake.receive import Reception
    from edge.store.objects import Objects

SUCCESS: Final = 0x0000
PROCESSING_FAILURE: Final = 0x0110
DUPLICATE: Final = 0x0111
OUT_OF_RESOURCES: Final = 0xA700

ACSE_TIMEOUT_S: Final = 15
_ELSEWHERE: Final = frozenset(
    {
        *(f"1.2.840.10008.1.2.4.{number}" for number in (94, 95, 204, 205)),  # JPIP: the pixels stay at the sender
        *(f"1.2.840.10008.1.2.7.{number}" for number in (1, 2, 3)),  # SMPTE ST 2110: live video
    }
)
TRANSFER_SYNTAXES: Final = tuple(
    syntax
    for syntax in dict.fromkeys([ExplicitVRLittleEndian, ImplicitVRLittleEndian, *AllTransferSyntaxes])
    if syntax not in _ELSEWHERE
)
"""Every one that holds the whole object, in the order of our liking when a sender leaves us the choice."""

_TEMPORARY: Final = "tmp"  # the prefix of the standard library's temporary files
_NOT_RECOGNISED: Final = (0x01, 0x01, 0x03)  # rejected for good, by the user: calling title not recognised

log = structlog.get_logger()


class Notices(Protocol):
    """Who wants to hear what an archive reports about the objects it was asked to commit to."""

    def commitment(self, event_type: int, information: Dataset) -> bool:
        """Takes an N-EVENT-REPORT. True when it is durably known; False when it is nothing that was asked."""
        ...


class StoreScp:
    """Receives images for as long as it is open. Use as a context manager."""

    def __init__(
        self,
        settings: Dicom,
        reception: Reception,
        objects: Objects,
        *,
        tls: Tls | None = None,
        notices: Notices | None = None,
    ) -> None:
        self._settings = settings
        self._reception = reception
        self._objects = objects
        self._tls = tls
        self._notices = notices
        self._keeper = Keeper(settings.max_associations, settings.idle_s)
        self._porch: Porch | None = None
        self._tempdir_before = tempfile.tempdir
        objects.sweep_incoming(_TEMPORARY)

    def __enter__(self) -> Self:
        """Starts to listen.

        Raises:
            CalcedgeError: `port-in-use`, or `config-invalid` when the TLS files can't be used.
        """
        settings = self._settings
        context = server_context(self._tls) if settings.tls and self._tls else None
        mend()
        receive_into_arrivals()
        # The library writes streamed data sets where the standard library puts temporary files: beside the objects,
        # so that a finished one becomes an object by a rename.
        _config.STORE_RECV_CHUNKED_DATASET = True
        tempfile.tempdir = str(self._objects.incoming)
        node = AE(ae_title=settings.title)
        node.implementation_class_uid, node.implementation_version_name = (
            implementation.CLASS_UID,
            implementation.VERSION,
        )
        node.maximum_associations = settings.max_associations
        node.maximum_pdu_size = MAX_PDU
        node.network_timeout = settings.idle_s
        node.acse_timeout = ACSE_TIMEOUT_S
        strict = settings.check_called_title
        node.require_called_aet = bool(settings.peers) if strict is None else strict
        handlers: list[Any] = [
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_N_EVENT_REPORT, self._reported),
            *self._keeper.handlers,
        ]
        try:
            porch: Any = node.make_server(
                (settings.host, settings.port),
                contexts=supported_contexts(),
                ssl_context=context,
                evt_handlers=handlers,
                server_class=Porch,
                welcome=self._keeper.make_room,
                tick=self._tick,
            )
        except OSError as error:
            tempfile.tempdir = self._tempdir_before
            raise CalcedgeError("port-in-use", f"{settings.host}:{settings.port}") from error
        node._servers.append(porch)  # noqa: SLF001 - as AE.start_server does
        self._porch = porch
        porch.open()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops listening; associations in progress are cut: what was not acknowledged is sent again."""
        if self._porch:
            self._porch.shutdown()
            self._keeper.close()
        tempfile.tempdir = self._tempdir_before

    @property
    def associations(self) -> int:
        """How many associations are open."""
        return len(self._keeper)

    def _requested(self, event: Event) -> None:
        """Rejects who is not on the list."""
        peer = event.assoc.requestor
        request = peer.primitive
        title = request.calling_ae_title.strip() if request else ""
        if not self._knows(title, peer.address or ""):
            log.warning("sender not on the list", title=title, address=peer.address)
            event.assoc.acse.send_reject(*_NOT_RECOGNISED)
            event.assoc.kill()

    def _knows(self, title: str, address: str) -> bool:
        if not self._settings.peers:
            return True
        where = ipaddress.ip_address(address)
        where = getattr(where, "ipv4_mapped", None) or where  # as a socket for both versions tells it
        if title == self._settings.title and (where.is_loopback or address == self._settings.host):
            return True  # the appliance's own pulse and self-test
        return any(
            peer.title.strip() == title
            and (peer.address is None or where in ipaddress.ip_network(peer.address, strict=False))
            for peer in self._settings.peers
        )

    def _store(self, event: Event) -> int:
        assert event.request is not None
        peer = event.assoc.requestor
        source = f"dicom:{peer.ae_title.strip()}@{peer.address}"
        uid = str(event.request.AffectedSOPInstanceUID)  # type: ignore[union-attr]  # a C-STORE request has one
        arrival: object = getattr(event.request, "_dataset_file", None)  # it has no other name
        if isinstance(arrival, Arrival) and arrival.trouble:
            log.error("image refused", code="disk-full", error=type(arrival.trouble).__name__)
            return OUT_OF_RESOURCES
        with self._keeper.working(event.assoc):
            try:
                received = self._reception.receive(event.dataset_path, source, uid)
            except StoreError as error:
                log.error("image refused", code=error.reason.code)
                return OUT_OF_RESOURCES
        if received.conflicting:
            log.warning("identifier used before", image=received.image_id)
            return DUPLICATE
        return SUCCESS

    def _reported(self, event: Event) -> tuple[int, None]:
        if self._notices is None or event.event_type is None:
            return PROCESSING_FAILURE, None
        with self._keeper.working(event.assoc):
            try:
                known = self._notices.commitment(event.event_type, event.event_information)
            except StoreError as error:
                log.error("commitment not kept", code=error.reason.code)
                known = False
        return (SUCCESS if known else PROCESSING_FAILURE), None

    def _tick(self) -> None:
        self._keeper.tidy()
        # An association that broke off leaves its unfinished file behind. New ones begin in this thread only.
        if len(self._keeper) == 0:
            self._objects.sweep_incoming(_TEMPORARY)


class _Shared(PresentationContext):
    """A context that all associations share: the library copies each for each association, and changes none."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def supported_contexts() -> list[PresentationContext]:
    """What the node takes: every storage class in every syntax that holds the whole, C-ECHO, commitment reports."""
    classes = [str(context.abstract_syntax) for context in AllStoragePresentationContexts]
    contexts: list[PresentationContext] = [_shared(sop_class, TRANSFER_SYNTAXES) for sop_class in classes]
    plain = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
    commitment = _shared(StorageCommitmentPushModel, plain)
    commitment.scu_role, commitment.scp_role = True, True  # the archive calls us, as SCP (PS3.4 annex J.3.3)
    return [*contexts, _shared(Verification, plain), commitment]


def _shared(sop_class: str, syntaxes: tuple[str, ...]) -> _Shared:
    context = _Shared()
    context.abstract_syntax = sop_class
    context.transfer_syntax = list(syntaxes)
    return context
