"""A real archive takes every kind of object and shows it under the film's patient and study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.report.build import make_reports
from edge.report.kinds import KINDS
from tests.peers.dcmtk import storescu
from tests.peers.orthanc import Orthanc
from tests.report.report_samples import DEVICE, MADE_AT, STUDY_UID, findings, png, save, source


@pytest.mark.needs("Orthanc", "storescu")
def test_orthanc_stores_and_shows_every_kind(tmp_path: Path, free_port: Callable[[], int]) -> None:
    name = "Müller^Jörg"
    (tmp_path / "film").mkdir()
    path = save(source(SpecificCharacterSet="ISO_IR 100", PatientName=name), tmp_path / "film" / "source.dcm")
    objects = make_reports(path, findings(), png(), made_at=MADE_AT, device=DEVICE)
    (tmp_path / "objects").mkdir()
    for item in objects:
        (tmp_path / "objects" / f"{item.kind}.dcm").write_bytes(item.content)
    with Orthanc(tmp_path / "orthanc", free_port(), free_port()) as orthanc:
        folders = (tmp_path / "film", tmp_path / "objects")
        assert storescu(orthanc.dicom_port, *folders, title=orthanc.title) == 0
        query = {"Level": "Instance", "Query": {"StudyInstanceUID": STUDY_UID}, "Expand": True}
        shown = {
            tags["SOPClassUID"]: tags
            for found in orthanc.ask("/tools/find", query)
            for tags in [orthanc.ask(f"/instances/{found['ID']}/simplified-tags")]
        }
    assert len(shown) == 1 + len(KINDS)
    assert {kind.sop_class_uid for kind in KINDS.values()} < shown.keys()
    for tags in shown.values():
        assert (tags["PatientName"], tags["PatientID"]) == (name, "P-4711")
