"""A unit's store-and-forward: sends image after image, each until it is acknowledged, and remembers which were."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from itertools import chain

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.presentation import build_context


class Sender(threading.Thread):
    """Sends until its images end or `stop` is set. `acknowledged`: identifiers answered with success, in order."""

    def __init__(self, port: int, datasets: Iterable[Dataset], stop: threading.Event, every_s: float = 0.0) -> None:
        super().__init__(name="sender")
        self._port = port
        self._datasets = datasets
        self._stopping = stop
        self._every_s = every_s
        self.acknowledged: list[str] = []

    def run(self) -> None:
        for dataset in self._datasets:
            while not self._stopping.is_set() and not self._send(dataset):
                self._stopping.wait(0.1)
            if self._stopping.wait(self._every_s):
                return

    def _send(self, dataset: Dataset) -> bool:
        node = AE(ae_title="UNIT")
        node.connection_timeout = node.acse_timeout = node.dimse_timeout = node.network_timeout = 10
        context = build_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
        association = node.associate("127.0.0.1", self._port, [context], "CALCEDGE")
        if not association.is_established:
            return False
        try:
            status = association.send_c_store(dataset)
        except (RuntimeError, ValueError):
            return False
        finally:
            association.release()
        if "Status" not in status or status.Status != 0x0000:
            return False
        self.acknowledged.append(str(dataset.SOPInstanceUID))
        return True


def one_association(port: int, datasets: Iterable[Dataset]) -> Iterator[float]:
    """Sends all images in one association; after each success yields when its last byte left, monotonic seconds.

    Raises:
        AssertionError: if an image was not taken.
    """
    first, rest = _split(datasets)
    node = AE(ae_title="UNIT")
    context = build_context(first.SOPClassUID, first.file_meta.TransferSyntaxUID)
    last_s = [0.0]

    def sent(_event: Event) -> None:
        last_s[0] = time.monotonic()

    handlers = [(evt.EVT_DATA_SENT, sent)]
    association = node.associate("127.0.0.1", port, [context], "CALCEDGE", evt_handlers=handlers)  # type: ignore[arg-type]
    assert association.is_established
    for dataset in chain([first], rest):
        status = association.send_c_store(dataset)
        assert status.Status == 0x0000
        yield last_s[0]
    association.release()


def _split(datasets: Iterable[Dataset]) -> tuple[Dataset, Iterator[Dataset]]:
    iterator = iter(datasets)
    return next(iterator), iterator
