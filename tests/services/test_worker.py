"""The worker and its parent: deadlines, deaths, and answers that are never mistaken for clean results."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from pydicom import dcmread

from edge.services.worker import Settings, Worker, WorkerDied
from edge.types import Findings, Header, NotAnalysed, OperatingPoints
from tests.peers.appliance import GOLDEN
from tests.peers.films import film, write
from tests.peers.hands import golden_files
from tests.peers.waiting import wait_for


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(Settings(GOLDEN.parent, 30.0, 1)) as started:
        yield started


def _pid(worker: Worker) -> int:
    assert worker.pid is not None
    return worker.pid


def test_it_is_ready_only_with_a_proven_model(worker: Worker) -> None:
    assert worker.trouble is None
    assert worker.model is not None
    assert worker.model.name == "hand-calcinosis"


def test_a_hand_is_admitted_and_analysed(worker: Worker) -> None:
    path = golden_files()[0]
    header = worker.admit(path, "a.dcm")
    assert isinstance(header, Header)
    result = worker.analyse(path, header, "a.dcm")
    assert isinstance(result.analysis, Findings)
    assert result.analysis.source == "a.dcm"
    assert result.picture_png is not None
    assert result.picture_png.startswith(b"\x89PNG")


@pytest.mark.needs("dcmcjpeg")
def test_the_decoder_that_comes_late_comes_to_one_that_is_shut_in(worker: Worker, tmp_path: Path) -> None:
    """JPEG's decoder is loaded with the first such film, and the same film gives the same analysis."""
    path, plain, packed = golden_files()[1], tmp_path / "plain.dcm", tmp_path / "packed.dcm"
    dataset = dcmread(path)
    dataset.decompress(generate_instance_uid=False)
    dataset.save_as(plain, enforce_file_format=True)
    subprocess.run(["dcmcjpeg", "+e1", "+un", plain, packed], check=True, capture_output=True)
    maps = Path(f"/proc/{_pid(worker)}/maps")
    found = []
    for film_path, loaded in ((path, False), (packed, True)):
        header = worker.admit(film_path, "a.dcm")
        assert isinstance(header, Header)
        found.append(replace(worker.analyse(film_path, header, "a.dcm").analysis, timing_ms={}))
        assert ("gdcm" in maps.read_text()) is loaded
    assert isinstance(found[0], Findings)
    assert found[0] == found[1]


@pytest.mark.requirement("a site moves thresholds within the model's bounds")
def test_a_hand_is_looked_at_with_the_site_s_thresholds_as_far_as_the_model_allows(worker: Worker) -> None:
    assert worker.bounds is not None
    lowest = OperatingPoints(worker.bounds.possible.least, worker.bounds.definite.least)
    path = golden_files()[0]
    header = worker.admit(path, "a.dcm")
    assert isinstance(header, Header)
    moved = worker.analyse(path, header, "a.dcm", points=lowest).analysis
    assert moved.model is not None
    assert (moved.model.possible_threshold, moved.model.definite_threshold) == (lowest.possible, lowest.definite)
    assert moved.model.moved_from is not None
    beyond = worker.analyse(path, header, "a.dcm", points=OperatingPoints(0.0, 0.0)).analysis
    assert beyond.model == worker.model


def test_what_is_no_hand_is_not_analysed(worker: Worker, tmp_path: Path) -> None:
    path = write(film(1, rows=1024, columns=1024), tmp_path / "a.dcm")
    header = worker.admit(path, "a.dcm")
    assert isinstance(header, Header)
    result = worker.analyse(path, header, "a.dcm").analysis
    assert isinstance(result, NotAnalysed)
    assert result.reason.code == "not-a-hand"
    refusal = worker.admit(Path(__file__), "b.txt")
    assert isinstance(refusal, NotAnalysed)
    assert refusal.reason.code == "not-dicom"


@pytest.mark.requirement("failure is not a clean result")
def test_a_worker_that_hangs_is_replaced_and_the_image_says_deadline() -> None:
    with Worker(Settings(GOLDEN.parent, 1.5, 1)) as worker:
        path = golden_files()[0]
        header = worker.admit(path, "a.dcm")
        assert isinstance(header, Header)
        first = _pid(worker)
        os.kill(first, signal.SIGSTOP)
        result = worker.analyse(path, header, "a.dcm")
        assert isinstance(result.analysis, NotAnalysed)
        assert result.analysis.reason.code == "deadline"
        assert not psutil.pid_exists(first)
        assert isinstance(worker.admit(path, "a.dcm"), Header)
        assert _pid(worker) != first


def test_a_worker_that_dies_is_told_and_replaced() -> None:
    with Worker(Settings(GOLDEN.parent, 30.0, 1)) as worker:
        path = golden_files()[0]
        header = worker.admit(path, "a.dcm")
        assert isinstance(header, Header)
        for number, killed in ((signal.SIGKILL, True), (signal.SIGSEGV, False)):
            assert isinstance(worker.admit(path, "a.dcm"), Header)  # a new one, after the first death
            pid = _pid(worker)
            os.kill(pid, signal.SIGSTOP)  # so that it dies with the question unanswered
            killer = threading.Timer(0.2, os.kill, (pid, number))
            continuer = threading.Timer(0.3, _continue, (pid,))
            killer.start()
            continuer.start()
            with pytest.raises(WorkerDied) as caught:
                worker.analyse(path, header, "a.dcm")
            assert caught.value.killed is killed
            killer.join()
            continuer.join()
        assert isinstance(worker.analyse(path, header, "a.dcm").analysis, Findings)


def _continue(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


@pytest.mark.requirement("failure is not a clean result")
def test_without_a_model_every_analysis_says_so(tmp_path: Path) -> None:
    with Worker(Settings(tmp_path, 30.0, 1)) as worker:
        assert worker.model is None
        path = golden_files()[0]
        header = worker.admit(path, "a.dcm")
        assert isinstance(header, Header)
        result = worker.analyse(path, header, "a.dcm")
        assert isinstance(result.analysis, NotAnalysed)
        assert result.analysis.reason.code == "model-unavailable"


def test_the_worker_goes_with_its_parent() -> None:
    import subprocess
    import sys

    code = (
        "import sys, threading; from pathlib import Path; from edge.services.worker import *;"
        f"w = Worker(Settings(Path({str(GOLDEN.parent)!r}), 30.0, 1)); w.start(); print(w.pid, flush=True);"
        "threading.Event().wait()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
        wait_for(lambda: not psutil.pid_exists(pid))


@pytest.mark.requirement("failure is not a clean result")
def test_want_of_memory_is_never_taken_for_the_image_s_fault() -> None:
    path, outcomes = golden_files()[0], []
    with Worker(Settings(GOLDEN.parent, 120.0, 1)) as worker:
        header = worker.admit(path, "a.dcm")
        assert isinstance(header, Header)
        starved = _pid(worker)
        resource.prlimit(starved, resource.RLIMIT_AS, (1 << 20, 1 << 20))
        for _ in range(2):
            with contextlib.suppress(WorkerDied):
                outcomes.append(worker.analyse(path, header, "a.dcm").analysis)
        assert _pid(worker) != starved
    assert outcomes
    assert all(isinstance(outcome, Findings) for outcome in outcomes)
