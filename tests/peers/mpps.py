"""A peer that takes performed procedure steps; what it answers is its owner's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import ModalityPerformedProcedureStep  # type: ignore[attr-defined]

Answer = Callable[[Event], tuple[int | Dataset, Dataset | None]]


@contextmanager
def listening(port: int, create: Answer, change: Answer) -> Iterator[None]:
    """Listens until the end of the block, as RIS."""
    node = AE(ae_title="RIS")
    node.add_supported_context(ModalityPerformedProcedureStep)
    handlers = [(evt.EVT_N_CREATE, create), (evt.EVT_N_SET, change)]
    server = node.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)  # type: ignore[arg-type]
    assert server is not None
    try:
        yield
    finally:
        server.shutdown()
