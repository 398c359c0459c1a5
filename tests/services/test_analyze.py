"""An image that crashes the worker is given up, said so, and tried again when a person asks."""

from __future__ import annotations

import signal
import threading
from io import BytesIO
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.config import Config
from edge.fleet.installed import Models
from edge.flow import analyse_again
from edge.intake.admit import admit
from edge.people import thresholds
from edge.people.thresholds import Release
from edge.runtime import RunFolder
from edge.services.analyze import Analyze
from edge.services.process import Beat, Context
from edge.services.worker import Settings, Worker, WorkerDied
from edge.store import Store, images
from edge.store.objects import digest
from edge.types import (
    Analysed,
    Bounds,
    Findings,
    Header,
    ImageFacts,
    ModelId,
    NotAnalysed,
    OperatingPoints,
    Range,
)
from tests.peers.films import film


class Crashing(Worker):
    """A worker that every file kills."""

    asked = 0

    def admit(self, path: Path, source: str) -> Header | NotAnalysed:
        del path, source
        self.asked += 1
        raise WorkerDied(-signal.SIGSEGV)


class Listening(Worker):
    """A worker that notes at which operating points it was asked to look."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.model = ModelId("m", "1", "ab" * 32, 0.8, 0.9)
        self.bounds = Bounds(Range(0.7, 0.85), Range(0.8, 0.95))
        self.asked: list[OperatingPoints | None] = []

    def admit(self, path: Path, source: str) -> Header | NotAnalysed:
        del source
        return admit(path)

    def analyse(
        self,
        path: Path,
        header: Header,
        source: str,
        *,
        all_scores: bool = False,
        points: OperatingPoints | None = None,
    ) -> Analysed:
        del path, all_scores
        self.asked.append(points)
        assert self.model is not None
        uid = header.identity.sop_instance_uid
        return Analysed(Findings(source, uid, self.model, ImageFacts(1, 1), (), (), (), ()), None)


def working(store: Store, folder: Path, worker: Worker) -> Analyze:
    config = Config(data=folder / "store")
    run = RunFolder(config.run_folder, SystemClock())
    context = Context("analyze", config, store, run, threading.Event(), Beat("analyze", run, SystemClock()))
    return Analyze(context, worker, Models(config.fleet_root, config.analysis.release))


def received(store: Store) -> int:
    buffer = BytesIO()
    film(1, rows=1024, columns=1024).save_as(buffer, enforce_file_format=True)
    name = store.objects.put(buffer.getvalue())
    with store.transaction() as tx:
        image_id, _ = images.add(tx, digest(store.objects.path(name)), "folder", None, store.clock.now())
    return image_id


@pytest.mark.requirement("a threshold belongs to one version of one model")
def test_the_site_s_thresholds_are_used_from_the_next_image_on_and_for_their_model_alone(
    store: Store, tmp_path: Path
) -> None:
    worker = Listening(Settings(tmp_path, 1.0))
    analyze = working(store, tmp_path, worker)
    image_id = received(store)
    assert worker.model is not None
    release = Release(worker.model.sha256, "m 1", OperatingPoints(0.8, 0.9), worker.bounds)

    def look() -> OperatingPoints | None:
        while analyze.step():
            pass
        assert analyse_again(store, image_id, "person")
        return worker.asked[-1]

    assert look() is None
    thresholds.choose(store, release, OperatingPoints(0.75, 0.95), "Ann")
    assert look() == OperatingPoints(0.75, 0.95)
    worker.model = ModelId("m", "2", "cd" * 32, 0.8, 0.9)
    assert look() is None
    worker.model = ModelId("m", "1", "ab" * 32, 0.8, 0.9)
    assert look() == OperatingPoints(0.75, 0.95)
    thresholds.give_back(store, release, "Ann")
    assert look() is None


@pytest.mark.requirement("failure is not a clean result")
def test_a_crashing_image_ends_not_analysed_and_can_be_tried_again(store: Store, tmp_path: Path) -> None:
    worker = Crashing(Settings(tmp_path, 1.0))
    analyze = working(store, tmp_path, worker)
    image_id = received(store)
    for life in (1, 2):
        while analyze.step():
            pass
        with store.read() as connection:
            stored = images.latest_analysis(connection, image_id)
        assert stored is not None
        assert isinstance(stored.analysis, NotAnalysed)
        assert stored.analysis.reason.code == "analysis-failed"
        assert worker.asked == 3 * life
        assert analyse_again(store, image_id, "person")
