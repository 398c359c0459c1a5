"""A scripted archive: answers each C-STORE with the next status of its script, or misbehaves as told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from pydicom.dataset import Dataset
from pydicom.uid import AllTransferSyntaxes
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

Answer = int | Literal["abort", "silence"]


@dataclass
class ScriptedArchive:
    """What it will answer (0x0000 after the script's end), and what it was asked."""

    script: list[Answer] = field(default_factory=list)
    finds: bool = True
    shows: bool = True
    stored: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def _store(self, event: Event) -> int:
        answer = self.script.pop(0) if self.script else 0x0000
        assert event.request is not None
        uid = str(event.request.AffectedSOPInstanceUID)  # type: ignore[union-attr]
        if answer == "abort":
            event.assoc.abort()
            return 0xC000
        assert isinstance(answer, int)
        if answer in (0x0000, 0x0111) or 0xB000 <= answer <= 0xBFFF:
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

    @contextmanager
    def listening(self, port: int, syntaxes: Sequence[str] = tuple(AllTransferSyntaxes)) -> Iterator[None]:
        """Listens until the end of the block."""
        node = AE(ae_title="ARCHIVE")
        for context in AllStoragePresentationContexts:
            assert context.abstract_syntax is not None
            node.add_supported_context(context.abstract_syntax, list(syntaxes))
        if self.finds:
            node.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_C_FIND, self._find)]
        server = node.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)  # type: ignore[arg-type]
        assert server is not None
        try:
            yield
        finally:
            server.shutdown()
