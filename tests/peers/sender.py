"""A unit's store-and-forward: sends image after image, each until it is acknowledged, and remembers which were."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from pydicom.dataset import Dataset
from pynetdicom import AE
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
