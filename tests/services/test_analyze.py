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
from edge.runtime import RunFolder
from edge.services.analyze import Analyze
from edge.services.process import Beat, Context
from edge.services.worker import Settings, Worker, WorkerDied
from edge.store import Store, images
from edge.store.objects import digest
from edge.types import Header, NotAnalysed
from tests.peers.films import film


class Crashing(Worker):
    """A worker that every file kills."""

    asked = 0

    def admit(self, path: Path, source: str) -> Header | NotAnalysed:
        del path, source
        self.asked += 1
        raise WorkerDied(-signal.SIGSEGV)


@pytest.mark.requirement("failure is not a clean result")
def test_a_crashing_image_ends_not_analysed_and_can_be_tried_again(store: Store, tmp_path: Path) -> None:
    config = Config(data=tmp_path / "store")
    run = RunFolder(config.run_folder, SystemClock())
    beat = Beat("analyze", run, SystemClock())
    worker = Crashing(Settings(tmp_path, 1.0))
    models = Models(config.fleet_root, config.analysis.release)
    analyze = Analyze(Context("analyze", config, store, run, threading.Event(), beat), worker, models)
    buffer = BytesIO()
    film(1).save_as(buffer, enforce_file_format=True)
    name = store.objects.put(buffer.getvalue())
    with store.transaction() as tx:
        image_id, _ = images.add(tx, digest(store.objects.path(name)), "folder", None, store.clock.now())
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
