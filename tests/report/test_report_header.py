"""Headers as found in the field are made fit to be written, and nothing is invented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from edge.errors import ReportError
from edge.report.header import Source, fit, read_source
from tests.report.report_samples import COLUMNS, ROWS, SOURCE_UID, STUDY_UID, save, source

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # headers here are wrong on purpose


def read(tmp_path: Path, **values: Any) -> Source:
    return read_source(save(source(**values), tmp_path / "source.dcm"))


def test_what_the_header_says_is_repeated(tmp_path: Path) -> None:
    header = read(tmp_path)
    assert header["PatientName"] == "Perez^Maria"
    assert header["PatientID"] == "P-4711"
    assert header["StudyInstanceUID"] == STUDY_UID
    assert header["SOPInstanceUID"] == SOURCE_UID
    assert (header.rows, header.columns) == (ROWS, COLUMNS)
    assert header.notes == ()
    assert header.character_set is None


@pytest.mark.requirement("nothing is invented: what the header lacks stays empty")
@pytest.mark.parametrize("value", [None, ""])
def test_what_it_lacks_stays_empty(tmp_path: Path, value: str | None) -> None:
    silent = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "AccessionNumber")
    header = read(tmp_path, **dict.fromkeys(silent, value))
    assert {header[keyword] for keyword in silent} == {""}
    assert header.notes == ()


@pytest.mark.parametrize(
    ("keyword", "received", "written"),
    [
        ("PatientSex", "f", "F"),
        ("PatientSex", "U", ""),
        ("PatientSex", "FEMALE", ""),
        ("PatientBirthDate", "1960.02.14", "19600214"),
        ("PatientBirthDate", "19600000", ""),
        ("PatientBirthDate", "14.02.1960", ""),
        ("PatientBirthDate", "1960", ""),
        ("StudyTime", "10:15:30", "101530"),
        ("StudyTime", "101530.5", "101530.5"),
        ("StudyTime", "2515", ""),
        ("PatientAge", "066Y", "066Y"),
        ("PatientAge", "66", ""),
        ("TimezoneOffsetFromUTC", "-0500", "-0500"),
        ("TimezoneOffsetFromUTC", "EST", ""),
        ("PatientID", "  P 1 ", "P 1"),
        ("StudyInstanceUID", "1.2.03.4", "1.2.03.4"),
        ("StudyInstanceUID", "1.2.x", ""),
        ("StudyInstanceUID", "1" * 65, ""),
    ],
)
def test_values_are_made_fit_or_left_empty(keyword: str, received: str, written: str) -> None:
    assert fit(keyword, received) == written


def test_a_value_left_empty_is_noted_without_repeating_it(tmp_path: Path) -> None:
    header = read(tmp_path, PatientSex="U")
    assert header["PatientSex"] == ""
    (note,) = header.notes
    assert "PatientSex" in note
    assert "U " not in note


def test_a_long_identifier_is_not_shortened(tmp_path: Path) -> None:
    assert read(tmp_path, PatientID="P" * 80)["PatientID"] == "P" * 80


@pytest.mark.parametrize("keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_without_the_uids_that_tie_a_result_to_it_there_is_none(tmp_path: Path, keyword: str) -> None:
    path = save(source(), tmp_path / "source.dcm")
    content = path.read_bytes()
    ds = source(**{keyword: ""}) if keyword not in {"SOPClassUID", "SOPInstanceUID"} else None
    if ds is not None:
        save(ds, path)
    else:  # pydicom insists on these when it writes: blank the value in the bytes of the dataset
        tag = {"SOPClassUID": b"\x08\x00\x16\x00UI", "SOPInstanceUID": b"\x08\x00\x18\x00UI"}[keyword]
        at = content.index(tag)
        length = int.from_bytes(content[at + 6 : at + 8], "little")
        path.write_bytes(content[: at + 8] + b"\0" * length + content[at + 8 + length :])
    with pytest.raises(ReportError) as caught:
        read_source(path)
    assert caught.value.reason.code == "missing-identity"
    assert keyword in caught.value.reason.text


@pytest.mark.parametrize(
    "content", [b"", b"no dicom at all", bytes(range(256)) * 40, b"\0" * 128 + b"DICM" + b"\xff" * 50]
)
def test_what_is_no_dicom_ends_as_a_reason(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "source.dcm"
    path.write_bytes(content)
    with pytest.raises(ReportError):
        read_source(path)


def test_a_cut_file_never_ends_as_anything_but_a_reason(tmp_path: Path) -> None:
    whole = save(source(), tmp_path / "whole.dcm").read_bytes()
    path = tmp_path / "cut.dcm"
    for length in range(0, 1400, 7):
        path.write_bytes(whole[:length])
        try:
            header = read_source(path)
        except ReportError:
            continue
        assert header["SOPInstanceUID"] == SOURCE_UID


def test_orders_are_read(tmp_path: Path) -> None:
    item = Dataset()
    item.RequestedProcedureID = "RP-1"
    item.RequestedProcedureDescription = "Hand"
    header = read(tmp_path, RequestAttributesSequence=[item])
    assert [dict(item) for item in header.requests] == [
        {"RequestedProcedureID": "RP-1", "RequestedProcedureDescription": "Hand", "ScheduledProcedureStepID": ""},
    ]


@pytest.mark.shared_data
def test_real_headers_are_read_or_refused_with_a_reason(shared_data: Path) -> None:
    outcomes = {}
    for path in sorted((shared_data / "dicom").glob("*.dcm")):
        try:
            outcomes[path.name] = read_source(path)["PatientName"]
        except ReportError as error:
            outcomes[path.name] = error.reason.code
    assert outcomes["RG3_uncompressed.dcm"] == "CompressedSamples^RG3"
    assert outcomes["no_meta.dcm"] == "missing-identity"
