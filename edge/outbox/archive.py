"""A DICOM archive as destination: C-STORE to send, C-FIND to see whether it has what it took.

Presentation contexts are built from the objects at hand, each with its own transfer syntax, so that nothing is
recoded. An archive keeps one object for one identifier, so that sending again is harmless (PS3.4 annex B).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pynetdicom import AE, _config, build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import time
    StudyRootQueryRetrieveInformationModelFind,
)

from edge.errors import DeliveryError
from edge.outbox.policy import judge_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pynetdicom.association import Association

    from edge.config import DicomDestination
    from edge.outbox.destination import Consignment

_NETWORK_TIMEOUT_S: Final = 60
_CONNECT_TIMEOUT_S: Final = 10
_PENDING: Final = (0xFF00, 0xFF01)
_MAX_PDU: Final = 128 * 1024


class Archive:
    """One DICOM node."""

    def __init__(self, settings: DicomDestination) -> None:
        self._settings = settings
        _config.STORE_SEND_CHUNKED_DATASET = True  # read from disk while sending

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._settings.name

    def send(self, consignments: Sequence[Consignment]) -> Iterator[DeliveryError | None]:
        """Stores the objects over one association."""
        wanted = {(c.sop_class_uid, _transfer_syntax(c)) for c in consignments}
        association = self._associate(sorted(wanted))
        if isinstance(association, DeliveryError):
            yield from [association] * len(consignments)
            return
        try:
            for consignment in consignments:
                yield _store(association, consignment)
        finally:
            _end(association)

    def confirm(self, consignment: Consignment) -> bool | None:
        """Asks by C-FIND, study root, for the one instance."""
        if not self._settings.confirm:
            return None
        association = self._associate([(StudyRootQueryRetrieveInformationModelFind, None)])
        if isinstance(association, DeliveryError):
            if association.reason.code == "destination-no-context":
                return None
            raise association
        try:
            return _find(association, consignment)
        finally:
            _end(association)

    def _associate(self, contexts: Sequence[tuple[str, str | None]]) -> Association | DeliveryError:
        node = AE(ae_title=self._settings.calling_title)
        node.connection_timeout = _CONNECT_TIMEOUT_S
        node.acse_timeout = _CONNECT_TIMEOUT_S
        node.dimse_timeout = node.network_timeout = _NETWORK_TIMEOUT_S
        requested = [build_context(sop_class, syntax) for sop_class, syntax in contexts[:128]]
        association = node.associate(
            self._settings.host, self._settings.port, requested, self._settings.title, max_pdu=_MAX_PDU
        )
        if association.is_established:
            return association
        if association.is_rejected:
            return DeliveryError("destination-refused", self._settings.title)
        if association.rejected_contexts:
            return DeliveryError("destination-no-context", contexts[0][0], final=True)
        return DeliveryError("destination-unreachable", f"{self._settings.host}:{self._settings.port}")


def _store(association: Association, consignment: Consignment) -> DeliveryError | None:
    if not association.is_established:
        return DeliveryError("destination-unreachable", "the connection broke off")
    try:
        response = association.send_c_store(consignment.path)
    except ValueError:
        return DeliveryError("destination-no-context", consignment.sop_class_uid, final=True)
    except RuntimeError:
        return DeliveryError("destination-unreachable", "the connection broke off")
    return judge_store(response.Status if "Status" in response else None)


def _find(association: Association, consignment: Consignment) -> bool:
    header = dcmread(consignment.path, stop_before_pixels=True, specific_tags=["StudyInstanceUID", "SeriesInstanceUID"])
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID = header.StudyInstanceUID
    query.SeriesInstanceUID = header.SeriesInstanceUID
    query.SOPInstanceUID = consignment.sop_instance_uid
    found = False
    for status, answer in association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind):
        code = status.Status if "Status" in status else None
        if code in _PENDING and answer is not None:
            found = found or str(answer.get("SOPInstanceUID", "")) == consignment.sop_instance_uid
        elif code != 0x0000:
            raise DeliveryError("destination-unreachable", "the question was not answered")
    return found


def _transfer_syntax(consignment: Consignment) -> str:
    return str(read_file_meta_info(consignment.path).TransferSyntaxUID)


def _end(association: Association) -> None:
    if association.is_established:
        association.release()
    else:
        association.abort()
