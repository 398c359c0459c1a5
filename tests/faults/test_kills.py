"""kill -9 of any process at random moments while images arrive: nothing acknowledged is lost, nothing is twice."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import psutil
import pytest
from pydicom import dcmread
from pydicom.uid import ComprehensiveSRStorage

from edge.store import images
from tests.peers.appliance import GOLDEN, Appliance, what
from tests.peers.hands import new_hand
from tests.peers.sender import Sender
from tests.peers.waiting import wait_for

_PAUSE_S = (0.05, 1.5)
_RECOVERED = 0.6
"""Before so many of the kills everything has come back to work; the others hit what is still starting."""


def _run(folder: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    print(f"seed {seed}, {kills} kills")
    serial = folder / "unit-port"
    appliance = Appliance(folder, f'[serial]\nport = "{serial}"')
    unit = _start_unit(folder, serial, appliance.dicom_port)
    killed: Counter[str] = Counter()
    stop = threading.Event()
    try:
        with appliance:
            sender = Sender(appliance.dicom_port, (new_hand(n) for n in range(100_000)), stop, every_s=3.0)
            sender.start()
            while sum(killed.values()) < kills:
                if rng.random() < _RECOVERED:
                    appliance.wait_ready()
                stop.wait(rng.uniform(*_PAUSE_S))
                victims = [*appliance.processes(), *([unit] if unit.is_running() else [])]
                victim = rng.choice(victims)
                try:
                    name = what(victim)
                    victim.kill()
                except psutil.NoSuchProcess:
                    continue
                killed[name] += 1
                if victim == unit:
                    unit.wait()
                    unit = _start_unit(folder, serial, appliance.dicom_port)
                if name == "supervisor":
                    appliance.start()
            stop.set()
            sender.join()
            _end(unit)
            appliance.wait_ready()
            print(f"killed {dict(killed)}; {len(sender.acknowledged)} images acknowledged")
            assert len(sender.acknowledged) >= kills // 10
            done = appliance.wait_delivered(len(sender.acknowledged), within_s=120 + 3 * len(sender.acknowledged))
            _examine(appliance, sender.acknowledged, done)
    finally:
        stop.set()
        _end(unit)


def _examine(
    appliance: Appliance, acknowledged: list[str], done: list[tuple[images.Image, images.StoredAnalysis]]
) -> None:
    """Every acknowledged image, exactly once, analysed, and delivered exactly once with its report."""
    times = Counter(image.sop_instance_uid for image, _ in done)
    assert [uid for uid in acknowledged if times[uid] != 1] == []
    assert [i.sop_instance_uid for i, analysis in done if analysis.outcome == "not_analysed"] == []
    delivered = [dcmread(path, stop_before_pixels=True) for path in (appliance.config.data / "outbox").glob("*.dcm")]
    originals: Counter[str] = Counter()
    reports: Counter[tuple[str, str]] = Counter()
    for dataset in delivered:
        if dataset.Modality in ("CR", "DX"):
            originals[dataset.SOPInstanceUID] += 1
        else:
            reports[dataset.StudyInstanceUID, dataset.Modality] += 1
    for image, _ in done:
        assert image.header is not None
        identity = image.header.identity
        assert originals[identity.sop_instance_uid] == 1
        mine = {modality: n for (study, modality), n in reports.items() if study == identity.study_instance_uid}
        assert set(mine.values()) == {1}
        assert set(mine) in ({"SR", "OT"}, {"SR", "OT", "SEG", "PR", "KO"})
    for dataset in delivered:
        if dataset.SOPClassUID == ComprehensiveSRStorage or dataset.Modality == "SR":
            (study,) = {
                i.header.identity.patient_id for i, _ in done if i.header and _study(i) == dataset.StudyInstanceUID
            }
            assert dataset.PatientID == study
    store = appliance.store()
    with store.read() as connection:
        (repeated,) = connection.execute(
            "SELECT count(*) - count(DISTINCT device_id || '/' || device_boot || '/' || seq) FROM exposures"
        ).fetchone()
        (twice,) = connection.execute("SELECT count(*) - count(DISTINCT image_id) FROM analyses").fetchone()
    store.close()
    assert (repeated, twice) == (0, 0)


def _study(image: images.Image) -> str:
    assert image.header is not None
    return image.header.identity.study_instance_uid


def _start_unit(folder: Path, serial: Path, dicom_port: int) -> psutil.Process:
    command = [sys.executable, "-m", "edge", "simulate", "unit", "--port-link", str(serial), "--images", str(GOLDEN)]
    command += ["--send-to", f"CALCEDGE@127.0.0.1:{dicom_port}", "--every", "6"]
    with (folder / "unit.log").open("ab") as log:
        return psutil.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def _end(unit: psutil.Process) -> None:
    if unit.is_running():
        unit.kill()
        unit.wait()


@pytest.mark.requirement("nothing lost")
def test_a_few_kills(tmp_path: Path) -> None:
    _run(tmp_path, kills=12, seed=20261122)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_hundred_kills(tmp_path: Path) -> None:
    _run(tmp_path, kills=200, seed=7)


def test_when_the_supervisor_is_killed_nothing_is_left_behind(tmp_path: Path) -> None:
    with Appliance(tmp_path) as appliance:
        family = appliance.processes()
        assert len(family) >= 6  # supervisor, bridge, dicom, analyze, worker, web; its darkroom comes when needed
        family[0].kill()
        wait_for(lambda: not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE])
        appliance.start()
        appliance.wait_ready()
