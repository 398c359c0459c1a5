"""Storage commitment as messages: what is asked, and what a report says. Rules without I/O. Source: PS3.4 annex J."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from edge.errors import DeliveryError
from edge.outbox.destination import Consignment

REQUEST: Final = 1
"""The action type of a request, PS3.4 table J.3.2-1."""

# Failure reasons (0008,1197), PS3.3 table C.14-1: code, and whether trying again by itself won't help.
_FAILURES: Final[dict[int, tuple[str, bool]]] = {
    0x0110: ("destination-unconfirmed", False),  # processing failure
    0x0112: ("destination-lost", False),  # no such object instance: it is sent again
    0x0213: ("destination-busy", False),  # resource limitation
    0x0122: ("destination-rejected", True),  # referenced SOP class not supported
    0x0119: ("destination-rejected", True),  # class / instance conflict
    0x0131: ("destination-unconfirmed", False),  # duplicate transaction UID
}


@dataclass(frozen=True, slots=True)
class Report:
    """What an archive reports of one transaction: SOP instances that it keeps, and those that it doesn't, with why."""

    transaction_uid: str
    committed: frozenset[str]
    failed: Mapping[str, int]


def new_transaction() -> str:
    """A transaction UID that nobody can guess."""
    return str(generate_uid(prefix=None))


def request(transaction_uid: str, consignments: Sequence[Consignment]) -> Dataset:
    """The action information of a request."""
    information = Dataset()
    information.TransactionUID = transaction_uid
    information.ReferencedSOPSequence = [_reference(consignment) for consignment in consignments]
    return information


def read_report(information: Dataset) -> Report:
    """Reads a report; what is not said is not committed, and an object in both lists has failed."""
    failed = {
        str(item.get("ReferencedSOPInstanceUID", "")): int(item.get("FailureReason", 0x0110) or 0x0110)
        for item in information.get("FailedSOPSequence") or ()
    }
    committed = {
        str(item.get("ReferencedSOPInstanceUID", "")) for item in information.get("ReferencedSOPSequence") or ()
    }
    return Report(str(information.get("TransactionUID", "")), frozenset(committed - set(failed)), failed)


def judge_failure(failure: int) -> DeliveryError:
    """What a failure reason means."""
    code, final = _FAILURES.get(failure, ("destination-unconfirmed", False))
    return DeliveryError(code, f"commitment failed, reason 0x{failure:04X}", final=final)


def _reference(consignment: Consignment) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = consignment.sop_class_uid
    item.ReferencedSOPInstanceUID = consignment.sop_instance_uid
    return item
