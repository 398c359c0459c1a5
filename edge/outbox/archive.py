"""A DICOM archive as destination: C-STORE to send, storage commitment or C-FIND to see whether it keeps what it took.

Presentation contexts are built from the objects at hand, each with its own transfer syntax, so that nothing is
recoded where the archive takes objects as they are; where it doesn't, the uncompressed twin is sent. An archive keeps
one object for one identifier, so that sending again is harmless (PS3.4 annex B).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import structlog
from pydicom.uid import UID
from pynetdicom import _config, build_context, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import time
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
)

from edge.errors import DeliveryError
from edge.network.calling import call
from edge.outbox import commitment, policy, probe
from edge.outbox.policy import judge_store
from edge.outbox.wares import Ware, fits, propose, ware_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pydicom.dataset import Dataset
    from pynetdicom.events import Event

    from edge.config import DicomDestination, Tls
    from edge.network.calling import Call
    from edge.outbox.destination import Consignment, Seen

SAME_ASSOCIATION_S: Final = 3.0
"""An archive that reports on the association on which it was asked does it at once."""
_POLL_S: Final = 0.1
_SUCCESS: Final = 0x0000
_PROCESSING_FAILURE: Final = 0x0110

log = structlog.get_logger()


class Reports(Protocol):
    """Who keeps what archives promise."""

    def commitment(self, event_type: int, information: Dataset) -> bool:
        """Takes a report. False when it is nothing that was asked."""
        ...

    def wait_for(self, transaction_uid: str, seconds: float) -> bool:
        """Waits for a report, on whatever association. False when none came in time."""
        ...


class Archive:
    """One DICOM node."""

    def __init__(self, settings: DicomDestination, tls: Tls | None = None, reports: Reports | None = None) -> None:
        self._settings = settings
        self._tls = tls
        self._reports = reports
        _config.STORE_SEND_CHUNKED_DATASET = True  # read from disk while sending

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._settings.name

    @property
    def commitment_wait_s(self) -> float | None:
        """How long its report is waited for; None when it shall not be asked."""
        asks = self._settings.commitment and self._reports is not None
        return self._settings.commitment_wait_s if asks else None

    def send(self, consignments: Sequence[Consignment]) -> Iterator[DeliveryError | None]:
        """Stores the objects over one association."""
        wares = [ware_of(consignment) for consignment in consignments]
        contexts = [build_context(UID(sop_class), UID(syntax)) for sop_class, syntax in propose(wares)]
        try:
            with call(self._settings, contexts, self._tls) as line:
                taken = line.accepted()
                for ware in wares:
                    result = self._hand_over(line, ware, taken)
                    yield result
                    if result and result.reason.code == policy.BROKE_OFF:
                        return
        except DeliveryError as error:  # there was no association: nothing was yielded yet
            yield from (_context_error(ware, error) for ware in wares)

    def confirm(self, consignments: Sequence[Consignment]) -> Iterator[Seen]:
        """Asks by C-FIND, study root, for each instance."""
        if not self._settings.confirm:
            yield from [None] * len(consignments)
            return
        try:
            with call(self._settings, [build_context(StudyRootQueryRetrieveInformationModelFind)], self._tls) as line:
                for consignment in consignments:
                    with line.within(self._settings.timeout_s):
                        answer = probe.find(line.association, consignment)
                    yield answer
                    if isinstance(answer, DeliveryError):
                        return
        except DeliveryError as error:
            cant_be_asked = error.reason.code == "destination-no-context"
            yield from [None if cant_be_asked else error] * len(consignments)

    def ask_to_commit(self, transaction_uid: str, consignments: Sequence[Consignment]) -> bool:
        """Asks by N-ACTION; the report comes on this association, if it comes at once, or on one to our node.

        Raises:
            DeliveryError: when the archive doesn't answer now.
        """
        reports = self._reports
        assert reports is not None
        role = build_role(StorageCommitmentPushModel, scu_role=True)
        handlers = [(evt.EVT_N_EVENT_REPORT, self._reported)]
        try:
            with call(
                self._settings, [build_context(StorageCommitmentPushModel)], self._tls, handlers=handlers, roles=[role]
            ) as line:
                information = commitment.request(transaction_uid, consignments)
                with line.within(self._settings.timeout_s):
                    status, _ = line.association.send_n_action(
                        information, commitment.REQUEST, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
                    )
                code = _code(status)
                if code != _SUCCESS:
                    log.info("archive does not commit", destination=self.name, status=f"0x{code:04X}")
                    return False
                for _ in range(int(SAME_ASSOCIATION_S / _POLL_S)):
                    if not line.association.is_established or reports.wait_for(transaction_uid, _POLL_S):
                        break
        except DeliveryError as error:
            if error.reason.code == "destination-no-context":
                return False
            raise
        return True

    def _reported(self, event: Event) -> tuple[int, None]:
        assert self._reports is not None
        known = self._reports.commitment(event.event_type or 0, event.event_information)
        return (_SUCCESS if known else _PROCESSING_FAILURE), None

    def _hand_over(self, line: Call, ware: Ware, taken: set[tuple[str, str]]) -> DeliveryError | None:
        syntax = fits(ware, taken)
        if syntax is None:
            return _no_context(ware)
        with ware.shaped(syntax) as path:
            return self._store(line, path) if path else _no_context(ware)

    def _store(self, line: Call, path: Path) -> DeliveryError | None:
        if not line.association.is_established:
            return DeliveryError(policy.BROKE_OFF)
        patience_s = self._settings.timeout_s + path.stat().st_size / policy.SLOWEST_BYTES_PER_S
        with line.within(patience_s):
            try:
                response = line.association.send_c_store(path)
            except RuntimeError:  # the association ended in this very moment
                return DeliveryError(policy.BROKE_OFF)
        return judge_store(response.Status if "Status" in response else None)


def _code(status: Dataset) -> int:
    if "Status" not in status:
        raise DeliveryError("destination-unreachable", "the request to commit was not answered")
    return int(status.Status)


def _no_context(ware: Ware) -> DeliveryError:
    detail = (
        f"{UID(ware.consignment.sop_class_uid).name}, {UID(ware.transfer_syntax_uid or '').name or 'unknown syntax'}"
    )
    return DeliveryError("destination-no-context", detail, final=True)


def _context_error(ware: Ware, error: DeliveryError) -> DeliveryError:
    return _no_context(ware) if error.reason.code == "destination-no-context" else error
