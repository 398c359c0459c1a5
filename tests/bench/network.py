"""The DICOM node among half-open connections, and after very many associations."""

from __future__ import annotations

import contextlib
import gc
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import time

from edge.config import Dicom
from edge.intake.receive import Reception
from edge.intake.scp import StoreScp
from edge.store import Store
from tests.bench.figure import Figure, at_most, plain
from tests.peers.dcmtk import storescu
from tests.peers.films import film, write

_HALF_OPEN, _SCANNED, _ASSOCIATIONS = 50, 100, 2000


def porch(folder: Path) -> Iterator[Figure]:
    """A real send among half-open connections and a port scan."""
    store, port = Store.open(folder / "store"), _free_port()
    with StoreScp(Dicom(port=port), Reception(store, 0), store.objects), contextlib.ExitStack() as stack:
        sent = write(film(1), folder / "a.dcm")
        alone_s = _send_s(port, sent)
        for _ in range(_HALF_OPEN):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
        for _ in range(_SCANNED):
            socket.create_connection(("127.0.0.1", port), 5).close()
        among_s = _send_s(port, sent)
    store.close()
    how = f"storescu, among {_HALF_OPEN} silent connections and {_SCANNED} that come and go"
    yield at_most("a real send among half-open connections", among_s, "s", 2.0, how)
    yield plain("the same send alone", alone_s, "s", "storescu, nobody else there")


def associations(folder: Path) -> Iterator[Figure]:
    """Memory, descriptors and threads of the node after many associations, against the first tenth of them."""
    store, port, process = Store.open(folder / "store"), _free_port(), psutil.Process()
    gauges: list[tuple[float, int, int]] = []
    began_s = time.monotonic()
    with StoreScp(Dicom(port=port), Reception(store, 0), store.objects) as node:
        for number in range(_ASSOCIATIONS):
            entity = AE(ae_title="BENCH")
            entity.add_requested_context(Verification)
            association = entity.associate("127.0.0.1", port, ae_title="CALCEDGE")
            assert association.send_c_echo().Status == 0x0000
            association.release()
            if number in (_ASSOCIATIONS // 10, _ASSOCIATIONS - 1):
                while node.associations:
                    time.sleep(0.05)
                gc.collect()
                gauges.append((process.memory_full_info().uss / 1e6, process.num_fds(), process.num_threads()))
    took_s = time.monotonic() - began_s
    store.close()
    (memory, descriptors, threads), (memory_after, descriptors_after, threads_after) = gauges
    how = f"{_ASSOCIATIONS} associations with C-ECHO, against the {_ASSOCIATIONS // 10}th; both ends in one process"
    yield at_most("memory that associations leave", memory_after - memory, "MB", 8, how)
    yield at_most("descriptors that associations leave", descriptors_after - descriptors, "", 0, how)
    yield at_most("threads that associations leave", threads_after - threads, "", 0, how)
    yield plain("associations", _ASSOCIATIONS / took_s, "1/s", how)


def _send_s(port: int, path: Path) -> float:
    began_s = time.monotonic()
    assert storescu(port, path) == 0
    return time.monotonic() - began_s


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
