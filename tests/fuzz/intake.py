"""DICOM intake: admission, decoding, and the whole way through the process that decodes.

Admission and decoding run here as they run in the worker; what kills this process would kill the worker, not its
parent. `worker` goes through the parent's side with real processes: there, any exception is a crash of the parent.
"""

from __future__ import annotations

import atexit
import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from edge.config import DEFAULT_RELEASE
from edge.detector.analyse import _read
from edge.detector.pixels import film
from edge.errors import Refused
from edge.intake.admit import admit
from edge.services.worker import Settings, Worker, WorkerDied
from edge.store import Store, images, search
from edge.types import Header, NotAnalysed
from tests.fuzz.dicom import CHANGES, seeds
from tests.fuzz.engine import ACCEPTED, Target

_HEADER: Final = TypeAdapter(Header)


def _admission(folder: Path) -> Target:
    """Header and judgement, the way to the parent as JSON, and the row in the store with its search words."""
    path = folder / "object.dcm"
    store = Store.open(folder / "store")
    number = 0

    def test(data: bytes) -> str:
        nonlocal number
        path.write_bytes(data)
        header = _HEADER.validate_python(json.loads(json.dumps(asdict(admit(path)))))
        number += 1
        if number % 10 == 0:  # a tenth goes all the way into the store: it is the disk that takes the time
            _keep(store, header)
        return ACCEPTED

    return Target(test, seeds(), CHANGES)


def _keep(store: Store, header: Header) -> None:
    from edge.store.objects import Digest

    class Enough(Exception):  # noqa: N818
        """Nothing of this stays."""

    with contextlib.suppress(Enough), store.transaction() as tx:
        image_id, _ = images.add(tx, Digest("0" * 64, "1" * 64, 1), "folder", None, store.clock.now())
        images.admit(tx, image_id, header, conflicting=False)
        assert images.get(tx, image_id) is not None
        search.find(tx, search.Query(header.identity.patient_name))
        search.of_patient(tx, header.identity.patient_id, 2**62)
        raise Enough


def _decode(folder: Path) -> Target:
    """What is admitted is decoded, by the decoder of its syntax, in this process."""
    path = folder / "object.dcm"

    def test(data: bytes) -> str:
        path.write_bytes(data)
        header = admit(path)
        image = film(_read(path, header)).image
        assert image.min() >= 0.0
        assert image.max() <= 1.0
        return ACCEPTED

    return Target(test, seeds(), CHANGES, deadline_s=10.0)


def _worker(folder: Path) -> Target:
    """The parent's side of the process that decodes, networks and all."""
    path = folder / "object.dcm"
    workers: list[Worker] = []

    def worker() -> Worker:
        if not workers:
            made = Worker(Settings(DEFAULT_RELEASE, deadline_s=10.0, threads=1))
            made.start()
            atexit.register(made.stop)
            workers.append(made)
        return workers[0]

    def test(data: bytes) -> str:
        path.write_bytes(data)
        try:
            header = worker().admit(path, "fuzz.dcm")
            if isinstance(header, NotAnalysed):
                raise Refused(header.reason.code)
            analysis = worker().analyse(path, header, "fuzz.dcm").analysis
        except WorkerDied:
            return "worker-died"
        return analysis.reason.code if isinstance(analysis, NotAnalysed) else ACCEPTED

    return Target(test, seeds(), CHANGES, deadline_s=90.0, codes=frozenset({"worker-died"}))


TARGETS: Final[dict[str, Callable[[Path], Target]]] = {"admission": _admission, "decode": _decode, "worker": _worker}
