"""Asks an archive by C-FIND, study root, whether it shows one instance. Source: PS3.4 annex C."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import time
    StudyRootQueryRetrieveInformationModelFind,
)

from edge.errors import DeliveryError
from edge.quiet import PARSER_ERRORS, reading

if TYPE_CHECKING:
    from pynetdicom.association import Association

    from edge.outbox.destination import Consignment, Seen

_PENDING: Final = (0xFF00, 0xFF01)


def find(association: Association, consignment: Consignment) -> Seen:
    """Whether the archive shows the instance; an error when it did not answer."""
    if not association.is_established:
        return _unanswered()
    study, series = place(consignment)
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID = study
    query.SeriesInstanceUID = series
    query.SOPInstanceUID = consignment.sop_instance_uid
    found = False
    for status, answer in association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind):
        code = status.Status if "Status" in status else None
        if code in _PENDING:
            found = found or str((answer or Dataset()).get("SOPInstanceUID", "")) == consignment.sop_instance_uid
        elif code != 0x0000:
            return _unanswered()
    return found


def place(consignment: Consignment) -> tuple[str, str]:
    """The study and the series that an object belongs to; empty where it doesn't say."""
    wanted = ["StudyInstanceUID", "SeriesInstanceUID"]
    try:
        with reading():
            header = dcmread(consignment.path, force=True, stop_before_pixels=True, specific_tags=wanted)
            return str(header.get("StudyInstanceUID", "")), str(header.get("SeriesInstanceUID", ""))
    except (*PARSER_ERRORS, OSError):
        return "", ""


def _unanswered() -> DeliveryError:
    return DeliveryError("destination-unreachable", "the question was not answered")
