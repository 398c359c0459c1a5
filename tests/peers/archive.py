"""A scripted archive: answers each C-STORE with the next status of its script, or misbehaves as told."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from pydicom.dataset import Dataset
from pydicom.uid import UID, AllTransferSyntaxes
from pynetdicom import AE, AllStoragePresentationContexts, build_role, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import time
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
)

from edge.config import Tls
from edge.network.tls import server_context

Answer = int | Literal["abort", "silence"]
Rejection = tuple[int, int, int]
"""Result, source and diagnostic of PS3.8 table 9-21."""
Promise = Literal["none", "refused", "same", "later", "silent"]
"""Whether it has storage commitment, and where its report comes: on the same association, on a later one, never."""


@dataclass
class ScriptedArchive:
    """What it will answer (0x0000 after the script's end), and what it was asked.

    `stored` lists each object as often as it was taken, `content` has the hash of the data set of each, and a second
    copy with other content is an error of ours.
    """

    script: list[Answer] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    finds: bool = True
    shows: bool = True
    promises: Promise = "none"
    fails: dict[str, int] = field(default_factory=dict)
    """Failure reasons by SOP instance UID, for commitment."""
    reports_to: int = 0
    tls: Tls | None = None
    stored: list[str] = field(default_factory=list)
    content: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    committed: list[list[str]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def times(self) -> Counter[str]:
        """How often each object was taken."""
        return Counter(self.stored)

    def _requested(self, event: Event) -> None:
        if self.rejections:
            event.assoc.acse.send_reject(*self.rejections.pop(0))
            event.assoc.kill()

    def _store(self, event: Event) -> int:
        answer = self.script.pop(0) if self.script else 0x0000
        assert event.request is not None
        uid = str(event.request.AffectedSOPInstanceUID)  # type: ignore[union-attr]
        if answer == "abort":
            event.assoc.abort()
            return 0xC000
        if answer == "silence":
            self._over.wait(60)
            return 0xC000
        assert isinstance(answer, int)
        if answer in (0x0000, 0x0107, 0x0111, 0x0116) or 0xB000 <= answer <= 0xBFFF:
            dataset = event.dataset
            assert uid == dataset.SOPInstanceUID
            seen = hashlib.sha256(dataset.PixelData if "PixelData" in dataset else b"").hexdigest()
            assert self.content.setdefault(uid, seen) == seen
            self.stored.append(uid)
        return answer

    def _find(self, event: Event) -> Iterator[tuple[int, Dataset | None]]:
        wanted = str(event.identifier.SOPInstanceUID)
        self.asked.append(wanted)
        if self.shows and wanted in self.stored:
            answer = Dataset()
            answer.QueryRetrieveLevel = "IMAGE"
            answer.SOPInstanceUID = wanted
            yield 0xFF00, answer
        yield 0x0000, None

    def _action(self, event: Event) -> tuple[int, None]:
        if self.promises == "refused":
            return 0x0110, None
        information = event.action_information
        self.committed.append([str(item.ReferencedSOPInstanceUID) for item in information.ReferencedSOPSequence])
        if self.promises in ("same", "later"):
            report = self._report(information)
            threading.Thread(target=self._tell, args=(event, report), daemon=True).start()
        return 0x0000, None

    def _report(self, information: Dataset) -> Dataset:
        report = Dataset()
        report.TransactionUID = information.TransactionUID
        good: list[Dataset] = []
        bad: list[Dataset] = []
        for item in information.ReferencedSOPSequence:
            uid = str(item.ReferencedSOPInstanceUID)
            reason = self.fails.get(uid, 0 if uid in self.stored else 0x0112)
            if reason:
                item.FailureReason = reason
            (bad if reason else good).append(item)
        report.ReferencedSOPSequence = good
        if bad:
            report.FailedSOPSequence = bad
        return report

    def _tell(self, event: Event, report: Dataset) -> None:
        event_type = 2 if "FailedSOPSequence" in report else 1
        model, instance = UID(StorageCommitmentPushModel), UID(StorageCommitmentPushModelInstance)
        if self.promises == "same":
            self._over.wait(0.2)  # the answer to the request goes first
            event.assoc.send_n_event_report(report, event_type, model, instance)
            return
        node = AE(ae_title="ARCHIVE")
        node.add_requested_context(model)
        role = build_role(model, scp_role=True)
        association = node.associate("127.0.0.1", self.reports_to, ae_title="CALCEDGE", ext_neg=[role])
        if association.is_established:
            association.send_n_event_report(report, event_type, model, instance)
            association.release()

    @contextmanager
    def listening(
        self, port: int, syntaxes: Sequence[str] = tuple(AllTransferSyntaxes), classes: Sequence[str] | None = None
    ) -> Iterator[None]:
        """Listens until the end of the block."""
        self._over.clear()
        node = AE(ae_title="ARCHIVE")
        node.maximum_associations = 50
        for sop_class in classes or [str(context.abstract_syntax) for context in AllStoragePresentationContexts]:
            node.add_supported_context(sop_class, list(syntaxes))
        if self.finds:
            node.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        if self.promises != "none":
            node.add_supported_context(StorageCommitmentPushModel)
        handlers = [
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_FIND, self._find),
            (evt.EVT_N_ACTION, self._action),
        ]
        context = server_context(self.tls) if self.tls else None
        server = node.start_server(
            ("127.0.0.1", port),
            block=False,
            evt_handlers=handlers,  # type: ignore[arg-type]
            ssl_context=context,
        )
        assert server is not None
        try:
            yield
        finally:
            self._over.set()
            server.shutdown()
