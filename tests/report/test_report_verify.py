"""Whatever is wrong with an object, it does not leave. Each test breaks one thing in a good one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset

from edge.errors import ReportError
from edge.report import build
from edge.report.header import read_source
from edge.report.verify import verify
from edge.types import Analysis, Findings, ReportKind
from tests.report.report_samples import (
    DEVICE,
    MADE_AT,
    SERIES_UID,
    SOURCE_UID,
    Uids,
    findings,
    hand,
    lesion,
    not_analysed,
    png,
    save,
    source,
)

OTHER_UID = "2.25.99999"


def made(folder: Path, analysis: Analysis | None = None) -> tuple[Path, dict[ReportKind, bytes]]:
    path = save(source(), folder / "source.dcm")
    objects = build.make_reports(path, analysis or findings(), png(), made_at=MADE_AT, device=DEVICE, uid=Uids())
    return path, {item.kind: item.content for item in objects}


def rewritten(content: bytes, change: Callable[[Dataset], None]) -> bytes:
    ds = dcmread(BytesIO(content))
    change(ds)
    buffer = BytesIO()
    dcmwrite(buffer, ds)
    return buffer.getvalue()


def setter(keyword: str, value: object) -> Callable[[Dataset], None]:
    return lambda ds: setattr(ds, keyword, value)


def groups(ds: Dataset) -> list[Dataset]:
    containers = [item for item in ds.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "126010"]
    return list(containers[0].ContentSequence)


def part(ds: Dataset, group: str, code: str) -> Dataset:
    """The content item with concept `code` in the group with tracking identifier `group`."""
    for candidate in groups(ds):
        items = list(candidate.ContentSequence)
        if any(item.get("TextValue") == group for item in items):
            (found,) = (item for item in items if item.ConceptNameCodeSequence[0].CodeValue == code)
            assert isinstance(found, Dataset)
            return found
    raise AssertionError(f"no {group}")


IDENTITY: dict[str, Callable[[Dataset], None]] = {
    "another patient": setter("PatientID", "P-4712"),
    "no patient": setter("PatientID", ""),
    "another name": setter("PatientName", "Perez^Marta"),
    "another birth date": setter("PatientBirthDate", "19600215"),
    "no birth date": setter("PatientBirthDate", ""),
    "another sex": setter("PatientSex", "M"),
    "an issuer from nowhere": setter("IssuerOfPatientID", "elsewhere"),
    "another study": setter("StudyInstanceUID", OTHER_UID),
    "another study id": setter("StudyID", "S2"),
    "another order": setter("AccessionNumber", "A124"),
    "the source's series": setter("SeriesInstanceUID", SERIES_UID),
    "the source's own uid": setter("SOPInstanceUID", SOURCE_UID),
    "another class": setter("SOPClassUID", "1.2.840.10008.5.1.4.1.1.88.33"),
}


@pytest.mark.requirement("a result never appears under another's identity")
@pytest.mark.parametrize("kind", ["structured-report", "overlay"])
@pytest.mark.parametrize("change", IDENTITY.values(), ids=IDENTITY)
def test_a_wrong_identity_is_caught(kind: ReportKind, change: Callable[[Dataset], None], tmp_path: Path) -> None:
    path, objects = made(tmp_path)
    verify(kind, rewritten(objects[kind], lambda _: None), path, findings())
    with pytest.raises(ReportError, match="report-mismatch"):
        verify(kind, rewritten(objects[kind], change), path, findings())


def _evidence(ds: Dataset) -> None:
    study = ds.CurrentRequestedProcedureEvidenceSequence[0]
    study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID = OTHER_UID


def _region_image(ds: Dataset) -> None:
    region = part(ds, "L-DP2-01", "111030")
    region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID = OTHER_UID


def _area(ds: Dataset) -> None:
    part(ds, "L-DP2-01", "42798000").MeasuredValueSequence[0].NumericValue = "6.1243"


def _unit(ds: Dataset) -> None:
    part(ds, "L-DP2-01", "103339001").MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue = "cm"


def _not_a_number(ds: Dataset) -> None:
    part(ds, "L-HAND", "burden-hand").MeasuredValueSequence[0].NumericValue = "0"


def _type(ds: Dataset) -> None:
    part(ds, "L-DP2-01", "111009").ConceptCodeSequence[0].CodeValue = "type-net"


def _side(ds: Dataset) -> None:
    part(ds, "L-DP2-01", "363698007").ContentSequence[0].ConceptCodeSequence[0].CodeValue = "24028007"


def _digit(ds: Dataset) -> None:
    part(ds, "L-DP2-01", "363698007").ContentSequence[1].ConceptCodeSequence[0].CodeValue = "DP3"


def _outcome(ds: Dataset) -> None:
    part(ds, "ANALYSIS", "111064").ConceptCodeSequence[0].CodeValue = "111241"


def _shift(ds: Dataset) -> None:
    region = part(ds, "L-DP2-01", "111030")
    region.GraphicData = [value + 0.5 for value in region.GraphicData]


def _drop(ds: Dataset) -> None:
    (container,) = (item for item in ds.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "126010")
    del container.ContentSequence[-1]


def _sentence(ds: Dataset) -> None:
    container = ds.ContentSequence[-1]
    container.ContentSequence[0].TextValue = "No area exceeded the alert threshold."


def _no_measurements(ds: Dataset) -> None:
    ds.ContentSequence = [item for item in ds.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue != "126010"]


CONTENT: dict[str, Callable[[Dataset], None]] = {
    "evidence of another image": _evidence,
    "a region on another image": _region_image,
    "an area": _area,
    "a unit": _unit,
    "a burden": _not_a_number,
    "a type": _type,
    "the side": _side,
    "the digit": _digit,
    "the outcome": _outcome,
    "an outline by half a pixel": _shift,
    "a finding less": _drop,
    "a sentence": _sentence,
    "no measurements": _no_measurements,
    "final, as if it were the clinician's": setter("PreliminaryFlag", "FINAL"),
    "incomplete": setter("CompletionFlag", "PARTIAL"),
    "verified by nobody": setter("VerificationFlag", "VERIFIED"),
}


@pytest.mark.requirement("the report says what the analysis says")
@pytest.mark.parametrize("change", CONTENT.values(), ids=CONTENT)
def test_a_changed_report_is_caught(change: Callable[[Dataset], None], tmp_path: Path) -> None:
    path, objects = made(tmp_path)
    with pytest.raises(ReportError, match="report-mismatch"):
        verify("structured-report", rewritten(objects["structured-report"], change), path, findings())


OTHERS: dict[str, Analysis] = {
    "nothing found": findings(lesions=()),
    "not analysed": not_analysed("deadline"),
    "the other hand": findings(hands=(hand("R"),)),
    "one lesion more": findings(lesions=(*findings().lesions, lesion(9, "MC4", 300, 400))),
    "another burden": findings(hands=(hand("L", burden_index=31.5),)),
    "another image": replace(findings(), sop_instance_uid=OTHER_UID),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_report_of_another_analysis_is_caught(other: Findings, tmp_path: Path) -> None:
    path, objects = made(tmp_path)
    with pytest.raises(ReportError, match="report-mismatch"):
        verify("structured-report", objects["structured-report"], path, other)


def test_not_analysed_for_another_reason_is_caught(tmp_path: Path) -> None:
    path, objects = made(tmp_path, not_analysed("deadline"))
    verify("structured-report", objects["structured-report"], path, not_analysed("deadline"))
    with pytest.raises(ReportError, match="report-mismatch"):
        verify("structured-report", objects["structured-report"], path, not_analysed("not-a-hand"))


def test_a_picture_of_another_image_or_with_pixels_missing_is_caught(tmp_path: Path) -> None:
    path, objects = made(tmp_path)

    def other_source(ds: Dataset) -> None:
        ds.SourceImageSequence[0].ReferencedSOPInstanceUID = OTHER_UID

    def no_source(ds: Dataset) -> None:
        del ds.SourceImageSequence

    def cut(ds: Dataset) -> None:
        ds.PixelData = ds.PixelData[:-2]

    for change in (other_source, no_source, cut):
        with pytest.raises(ReportError, match="report-mismatch"):
            verify("overlay", rewritten(objects["overlay"], change), path, findings())


def test_the_two_objects_are_not_taken_for_each_other(tmp_path: Path) -> None:
    path, objects = made(tmp_path)
    with pytest.raises(ReportError, match="report-mismatch"):
        verify("overlay", objects["structured-report"], path, findings())
    with pytest.raises(ReportError, match="report-mismatch"):
        verify("structured-report", objects["overlay"], path, findings())


@pytest.mark.parametrize("kind", ["structured-report", "overlay"])
def test_a_cut_object_is_caught_at_every_length(kind: ReportKind, tmp_path: Path) -> None:
    path, objects = made(tmp_path)
    content = objects[kind]
    for share in range(20):
        with pytest.raises(ReportError, match="report-mismatch"):
            verify(kind, content[: len(content) * share // 20], path, findings())


@pytest.mark.requirement("a result never appears under another's identity")
def test_a_mix_up_inside_the_maker_does_not_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = save(source(), tmp_path / "mine.dcm")
    other = save(source(PatientID="P-9", PatientName="Other^One"), tmp_path / "other.dcm")
    monkeypatch.setattr(build, "read_source", lambda _: read_source(other))
    with pytest.raises(ReportError, match="report-mismatch"):
        build.make_reports(mine, findings(), png(), made_at=MADE_AT, device=DEVICE)


@pytest.mark.requirement("a result never appears under another's identity")
def test_an_analysis_of_another_image_makes_no_report(tmp_path: Path) -> None:
    path = save(source(), tmp_path / "source.dcm")
    with pytest.raises(ReportError, match="report-mismatch"):
        build.make_reports(path, OTHERS["another image"], png(), made_at=MADE_AT, device=DEVICE)


def test_what_is_told_of_a_mismatch_holds_no_patient_data(tmp_path: Path) -> None:
    path, objects = made(tmp_path)
    with pytest.raises(ReportError) as caught:
        verify("overlay", rewritten(objects["overlay"], setter("PatientName", "Secret^Name")), path, findings())
    assert "PatientName" in str(caught.value)
    assert "Secret" not in str(caught.value)
    assert "Perez" not in str(caught.value)
