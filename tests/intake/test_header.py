"""Reading a header tolerantly, value by value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, uid
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import dcmwrite

from edge.intake.header import integer, is_uid, open_header, text
from edge.quiet import reading


def holding(vr: str, value: Any) -> Dataset:
    dataset = Dataset()
    with reading():
        dataset.add_new(0x00081010, vr, value)  # Station Name
    return dataset


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("SH", "BAY 2 ", "BAY 2"),
        ("SH", "", ""),
        ("SH", ["first", "second"], "first"),
        ("SH", [], ""),
        ("UN", b"raw \0", "raw"),
        ("UN", b"\xff\xfe", "\ufffd\ufffd"),
        ("US", 7, "7"),
    ],
)
def test_a_value_is_text_whatever_it_was(vr: str, value: Any, expected: str) -> None:
    assert text(holding(vr, value), "StationName") == expected


def test_what_is_absent_is_empty() -> None:
    assert text(Dataset(), "StationName") == ""
    assert integer(Dataset(), "Rows") is None


@pytest.mark.parametrize(("value", "expected"), [("12", 12), ("1A", None), ("", None), ("1.5", None)])
def test_a_number_that_is_none_is_none(value: str, expected: int | None) -> None:
    assert integer(holding("SH", value), "StationName") == expected


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("1.2.840.10008.1.2", True),
        ("2.25.0012", True),
        ("1." + "2" * 62, True),
        ("1." + "2" * 63, False),
        ("1", False),
        ("1.2.", False),
        ("1..2", False),
        ("1.2.x", False),
        ("", False),
    ],
)
def test_what_a_unique_identifier_is(value: str, good: bool) -> None:  # noqa: FBT001 - a table
    assert is_uid(value) is good


@pytest.mark.parametrize(
    "syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian], ids=lambda s: s.name
)
def test_an_unstated_transfer_syntax_is_the_one_that_makes_sense(tmp_path: Path, syntax: uid.UID) -> None:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForPresentation
    dataset.file_meta.MediaStorageSOPInstanceUID = uid.UID("1.2.3")
    dataset.SOPClassUID, dataset.Modality = uid.DigitalXRayImageStorageForPresentation, "DX"
    path = tmp_path / "unstated.dcm"
    with reading():
        dcmwrite(
            path,
            dataset,
            implicit_vr=syntax.is_implicit_VR,
            little_endian=syntax.is_little_endian,
            enforce_file_format=False,
        )
        opened = open_header(path)
    assert "TransferSyntaxUID" not in opened.dataset.file_meta
    assert opened.transfer_syntax_uid == syntax
    assert opened.pixels_at is None
