"""Nothing leaves unread: an object is parsed from its own bytes and held against its source and its analysis.

A result of one image under another's identity is the worst thing this package could do. So the source's header is
read again from the file, not taken from what the object was made with, and each value of the report is compared
with the analysis.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from edge.errors import ReportError
from edge.report import wording
from edge.report.charset import decode
from edge.report.grey import read_grey
from edge.report.header import UNREADABLE, fit, raw_value, read_header, read_source, stated_character_sets
from edge.report.kinds import KINDS
from edge.report.marks import drawing_differs, segmentation_differs, selection_differs
from edge.report.readback import Group, groups_expected, groups_of, words_of
from edge.types import Analysis, Findings, ReportKind

_IDENTITY: Final = (
    "PatientID",
    "PatientName",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyID",
    "StudyDate",
    "AccessionNumber",
)
_STANDING: Final = {
    "CompletionFlag": "COMPLETE",
    "VerificationFlag": "UNVERIFIED",
    "PreliminaryFlag": "PRELIMINARY",
}
"""What a report says of its own standing, always."""
_REFERENCE: Final = Tag("ReferencedSOPInstanceUID")
_HALF_UNIT: Final = 0.5e-4
"""Measured values are written with four decimals."""
_OUTLINE_TOLERANCE: Final = 1e-3
"""Outlines are 32-bit floats (VR FL): exact to a thousandth of a pixel on any film."""


def verify(kind: ReportKind, content: bytes, source: Path, analysis: Analysis, siblings: Collection[str] = ()) -> None:
    """Compares one finished object with the image it is about.

    Args:
        kind: what it shall be.
        content: the object as it will leave.
        source: the image's file.
        analysis: what was said of the image.
        siblings: UIDs of the other objects of the same report; only a key object may refer to one.

    Raises:
        ReportError: `report-mismatch` at the first difference. The detail names the attribute, never its value.
    """
    received = read_header(source)
    if analysis.sop_instance_uid not in (None, _text(received, "SOPInstanceUID")):
        raise _mismatch("the analysis is of another image")
    notes = read_source(source).notes
    try:
        ds = dcmread(BytesIO(content))
        _same_identity(ds, received, siblings if kind == "key-object" else ())
        _new_series(ds, received, kind)
        if kind == "overlay":
            _whole_picture(ds)
        elif kind == "structured-report":
            _same_values(ds, analysis)
            _same_words(ds, (*wording.summary(analysis), *wording.comments(analysis), *notes))
        elif difference := _marks_differ(kind, ds, received, source, analysis):
            raise _mismatch(difference)
    except (*UNREADABLE, IndexError) as error:
        raise _mismatch(f"it can't be read back: {type(error).__name__}") from error


def _marks_differ(kind: ReportKind, ds: Dataset, received: Dataset, source: Path, analysis: Analysis) -> str | None:
    if not isinstance(analysis, Findings) or analysis.outcome != "findings":
        return "there is nothing to point at"
    if kind == "segmentation":
        return segmentation_differs(ds, analysis, received.Rows, received.Columns)
    if kind == "presentation-state":
        return drawing_differs(ds, analysis, received.Rows, received.Columns, read_grey(source))
    return selection_differs(ds, analysis)


def _same_identity(ds: Dataset, received: Dataset, siblings: Collection[str]) -> None:
    for keyword in _IDENTITY:
        if _text(ds, keyword) != fit(keyword, _text(received, keyword)):
            raise _mismatch(keyword)
    about = _text(received, "SOPInstanceUID")
    references = set(_references(ds))
    if references - {about, *siblings} or (about not in references and "Rows" in received):
        raise _mismatch("the image it refers to")


def _new_series(ds: Dataset, received: Dataset, kind: ReportKind) -> None:
    if str(ds.SOPClassUID) != KINDS[kind].sop_class_uid:
        raise _mismatch("SOPClassUID")
    if ds.file_meta.MediaStorageSOPInstanceUID != ds.SOPInstanceUID:
        raise _mismatch("MediaStorageSOPInstanceUID")
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        if not _text(ds, keyword) or _text(ds, keyword) == _text(received, keyword):
            raise _mismatch(keyword)


def _whole_picture(ds: Dataset) -> None:
    expected = ds.Rows * ds.Columns * ds.SamplesPerPixel
    if len(ds.PixelData) != expected + expected % 2:
        raise _mismatch("PixelData")


def _same_values(ds: Dataset, analysis: Analysis) -> None:
    for keyword, value in _STANDING.items():
        if ds[keyword].value != value:
            raise _mismatch(keyword)
    found, expected = groups_of(ds), groups_expected(analysis)
    if [group.name for group in found] != [group.name for group in expected]:
        raise _mismatch("the findings listed")
    for one, other in zip(found, expected, strict=True):
        if difference := _difference(one, other):
            raise _mismatch(f"{difference} of {other.name}")


def _same_words(ds: Dataset, expected: tuple[str, ...]) -> None:
    if words_of(ds) != expected:
        raise _mismatch("the words")


def _difference(found: Group, expected: Group) -> str | None:
    """What differs between a group as read back and as the analysis demands it, or None."""
    if found.numbers.keys() != expected.numbers.keys():
        return "the measures"
    for key, (value, unit) in expected.numbers.items():
        said, said_unit = found.numbers[key]
        if said_unit != unit or not abs(said - value) <= _HALF_UNIT:  # "not <=": a NaN is a difference
            return key[0]
    if dict(found.codes) != dict(expected.codes):
        return "the codes"
    if found.site != expected.site:
        return "the place"
    pairs = zip(found.outline, expected.outline, strict=False)
    if len(found.outline) != len(expected.outline) or not all(abs(a - b) <= _OUTLINE_TOLERANCE for a, b in pairs):
        return "the outline"
    return None


def _references(ds: Dataset) -> Iterator[str]:
    """Every instance UID that the object refers to, wherever it stands. Decodes nothing else."""
    for tag in ds.keys():  # noqa: SIM118 - iterating a dataset decodes every element of it
        element: Any = ds.get_item(tag)
        if tag == _REFERENCE:
            yield str(ds[tag].value)
        elif element.VR == "SQ":
            for item in ds[tag].value:
                yield from _references(item)


def _text(ds: Dataset, keyword: str) -> str:
    return decode(raw_value(ds, keyword), stated_character_sets(ds))[0].strip()


def _mismatch(what: str) -> ReportError:
    return ReportError("report-mismatch", what)
