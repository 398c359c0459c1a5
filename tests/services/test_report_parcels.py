"""Every object of a report becomes a parcel for every destination, through the analysing process's own steps."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from edge.clock import SystemClock
from edge.config import Config
from edge.fleet.installed import Models
from edge.intake.admit import admit
from edge.runtime import RunFolder
from edge.services.analyze import Analyze
from edge.services.process import Beat, Context
from edge.services.worker import Settings, Worker
from edge.store import Store, images, parcels
from edge.store.objects import digest
from edge.types import Analysed, Analysis, Header, NotAnalysed
from tests.report.report_samples import findings, not_analysed, png, save, source

ALWAYS = {"original", "structured-report", "overlay"}


class Knowing(Worker):
    """A worker that admits as the real one does and knows its answer beforehand."""

    answer: Analysis

    def admit(self, path: Path, source: str) -> Header | NotAnalysed:
        del source
        return admit(path)

    def analyse(self, path: Path, header: Header, source: str, **_: Any) -> Analysed:
        del path, source
        return Analysed(replace(self.answer, sop_instance_uid=header.identity.sop_instance_uid), png())


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        (findings(), ALWAYS | {"segmentation", "presentation-state", "key-object"}),
        (findings(lesions=()), ALWAYS),
        (not_analysed("not-a-hand"), ALWAYS),
    ],
    ids=["findings", "no findings", "not analysed"],
)
def test_each_object_goes_to_each_destination(answer: Analysis, kinds: set[str], store: Store, tmp_path: Path) -> None:
    two: list[dict[str, Any]] = [{"type": "folder", "name": name, "path": tmp_path / name} for name in ("a", "b")]
    config = Config.model_validate({"data": tmp_path / "store", "destinations": two})
    run = RunFolder(config.run_folder, SystemClock())
    worker = Knowing(Settings(tmp_path, 1.0))
    worker.answer = answer
    beat = Beat("analyze", run, SystemClock())
    models = Models(config.fleet_root, config.analysis.release)
    analyze = Analyze(Context("analyze", config, store, run, threading.Event(), beat), worker, models)
    film = save(source(), tmp_path / "film.dcm").read_bytes()
    name = store.objects.put(film)
    with store.transaction() as tx:
        image_id, _ = images.add(tx, digest(store.objects.path(name)), "folder", None, store.clock.now())
    while analyze.step():
        pass
    with store.read() as connection:
        made = parcels.of_image(connection, image_id)
        image = images.get(connection, image_id)
    assert image is not None
    assert image.trouble is None
    assert Counter((parcel.destination, parcel.kind) for parcel in made) == {(d, k): 1 for d in "ab" for k in kinds}
    for parcel in made:
        kept = dcmread(BytesIO(store.objects.read(parcel.object)), force=True)
        assert kept.SOPInstanceUID == parcel.sop_instance_uid
        assert kept.PatientID == "P-4711"
