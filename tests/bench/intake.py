"""Durable intake over loopback beside Orthanc and DCMTK in the same run, and memory over one long association."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.bench.figure import Figure, against, at_most, plain
from tests.peers.appliance import Appliance
from tests.peers.dcmtk import storescp, storescu
from tests.peers.films import film, write
from tests.peers.orthanc import Orthanc
from tests.peers.scan import free_port
from tests.peers.sender import one_association as send

_ROWS, _COLUMNS = 2560, 2048  # 10.5 MB at 16 bits
_BATCH, _ROUNDS = 12, 5


def against_peers(folder: Path) -> Iterator[Figure]:
    """Sends the same batches to all three in turn with DCMTK's storescu and compares MB/s, round by round."""
    appliance = Appliance(folder / "appliance", "[intake]\nreserve_mb = 1")
    rates: dict[str, list[float]] = {"calcedge": [], "Orthanc": [], "storescp": []}
    ports = free_port(), free_port(), free_port()
    with Orthanc(folder / "orthanc", *ports[:2]) as orthanc, storescp(folder / "dcmtk", ports[2]), appliance:
        targets = {
            "calcedge": (appliance.dicom_port, "CALCEDGE"),
            "Orthanc": (orthanc.dicom_port, orthanc.title),
            "storescp": (ports[2], "ANY"),
        }
        for number in range(_ROUNDS + 1):
            for name, (port, title) in targets.items():
                batch = folder / f"batch-{name}-{number}"
                size = sum(
                    write(_large(f"{name}{number}", n), batch / f"{n}.dcm").stat().st_size for n in range(_BATCH)
                )
                _pause_analysis(appliance, paused=True)
                start = time.monotonic()
                assert storescu(port, batch, title=title) == 0
                if number:  # the first round warms all up
                    rates[name].append(size / 1e6 / (time.monotonic() - start))
                _pause_analysis(appliance, paused=False)  # soon: what stands still for long is taken for hung
                for path in batch.iterdir():
                    path.unlink()
    ours = statistics.median(rates["calcedge"])
    how = f"median of {_ROUNDS} rounds of {_BATCH} images of 10.5 MB with storescu, in turn, durable before success"
    for peer, least, more in (("Orthanc", 1.5, ""), ("storescp", None, "; DCMTK's storescp makes nothing durable")):
        theirs = statistics.median(rates[peer])
        ratio = statistics.median(a / b for a, b in zip(rates["calcedge"], rates[peer], strict=True))
        yield against(peer, "intake of images", ours, theirs, "MB/s", how + more, ratio=ratio, least=least)


def one_association(folder: Path) -> Iterator[Figure]:
    """100 images of 10 MB in one association: the DICOM process must not grow with them."""
    with Appliance(folder / "appliance", "[intake]\nreserve_mb = 1") as appliance:
        _pause_analysis(appliance, paused=True)
        process = appliance.named()["dicom"]
        images = (_large("memory", n) for n in range(100))
        sizes = [process.memory_full_info().uss / 1e6 for _ in send(appliance.dicom_port, images)]
        _pause_analysis(appliance, paused=False)
    how = "USS of the DICOM process after each of 100 images of 10.5 MB in one association"
    yield at_most("memory after image 100 / after image 10", sizes[99] / sizes[9], "x", 1.10, how)
    yield plain("memory after image 100", sizes[99], "MB", how)


def _large(name: str, number: int) -> Dataset:
    dataset = film(number, rows=_ROWS, columns=_COLUMNS)
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["large", name, str(number)])
    return dataset


def _pause_analysis(appliance: Appliance, *, paused: bool) -> None:
    """Only intake is measured: the analysis of earlier images would share the cores with either side unequally."""
    for name, process in appliance.named().items():
        if name in ("analyze", "worker"):
            (psutil.Process.suspend if paused else psutil.Process.resume)(process)
