"""The DICOM node that images are sent to: C-STORE and C-ECHO.

Data sets stream to disk as they arrive, so that memory does not grow with the image, and status 0x0000 is answered
only after the image is durable. Every storage class is taken and kept; what is no radiograph is not analysed, and
said so. Source of the statuses: PS3.4 annex B.2.3, PS3.7 annex C.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Final, Self

import structlog
from pydicom.uid import AllTransferSyntaxes
from pynetdicom import AE, AllStoragePresentationContexts, _config, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import time

from edge.errors import CalcedgeError, StoreError

if TYPE_CHECKING:
    from pynetdicom.events import Event
    from pynetdicom.transport import ThreadedAssociationServer

    from edge.config import Dicom
    from edge.intake.receive import Reception
    from edge.store.objects import Objects

SUCCESS: Final = 0x0000
DUPLICATE: Final = 0x0111
OUT_OF_RESOURCES: Final = 0xA700
CANNOT_UNDERSTAND: Final = 0xC000

_TEMPORARY: Final = "tmp"  # the prefix of the standard library's temporary files
_MAX_PDU: Final = 128 * 1024  # eight times the default: a film of 10 MB takes 80 reads, not 640
_NETWORK_TIMEOUT_S: Final = 60
_ACSE_TIMEOUT_S: Final = 15

log = structlog.get_logger()


class StoreScp:
    """Receives images for as long as it is open. Use as a context manager."""

    def __init__(self, settings: Dicom, reception: Reception, objects: Objects) -> None:
        self._settings = settings
        self._reception = reception
        self._objects = objects
        self._server: ThreadedAssociationServer | None = None
        self._tempdir_before = tempfile.tempdir
        objects.sweep_incoming(_TEMPORARY)

    def __enter__(self) -> Self:
        """Starts to listen.

        Raises:
            CalcedgeError: `port-in-use`.
        """
        # The library writes streamed data sets where the standard library puts temporary files: beside the objects,
        # so that a finished one becomes an object by a rename.
        _config.STORE_RECV_CHUNKED_DATASET = True
        tempfile.tempdir = str(self._objects.incoming)
        node = AE(ae_title=self._settings.title)
        node.maximum_associations = self._settings.max_associations
        node.maximum_pdu_size = _MAX_PDU
        node.network_timeout = _NETWORK_TIMEOUT_S
        node.acse_timeout = _ACSE_TIMEOUT_S
        for context in AllStoragePresentationContexts:
            assert context.abstract_syntax is not None
            node.add_supported_context(context.abstract_syntax, AllTransferSyntaxes)
        node.add_supported_context(Verification)
        try:
            self._server = node.start_server(
                (self._settings.host, self._settings.port),
                block=False,
                evt_handlers=[(evt.EVT_C_STORE, self._store), (evt.EVT_CONN_CLOSE, self._closed)],
            )
        except OSError as error:
            tempfile.tempdir = self._tempdir_before
            raise CalcedgeError("port-in-use", f"{self._settings.host}:{self._settings.port}") from error
        return self

    def __exit__(self, *_: object) -> None:
        """Stops listening; associations in progress are aborted: what was not acknowledged is sent again."""
        if self._server:
            self._server.shutdown()
        tempfile.tempdir = self._tempdir_before

    @property
    def associations(self) -> int:
        """How many associations are open."""
        return len(self._server.active_associations) if self._server else 0

    def _store(self, event: Event) -> int:
        assert event.request is not None
        peer = event.assoc.requestor
        source = f"dicom:{peer.ae_title.strip()}@{peer.address}"
        uid = str(event.request.AffectedSOPInstanceUID)  # type: ignore[union-attr]  # a C-STORE request has one
        try:
            received = self._reception.receive(event.dataset_path, source, uid)
        except StoreError as error:
            log.error("image refused", code=error.reason.code)
            return OUT_OF_RESOURCES
        if received.conflicting:
            log.warning("identifier used before", image=received.image_id)
            return DUPLICATE
        return SUCCESS

    def _closed(self, _event: Event) -> None:
        # An association that broke off leaves its unfinished file behind.
        if self.associations <= 1:
            self._objects.sweep_incoming(_TEMPORARY)
