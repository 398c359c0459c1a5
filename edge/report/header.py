"""What a result may say of its patient and study: the source's header, read once and made fit to be written.

What always holds:

- Nothing is invented. What the header lacks stays empty; a value the standard does not allow (sex `U`, a date that
  is no date) is left empty, and a note says so without repeating the value.
- Identifiers and names are never shortened or mended, and no character of them is lost (see `charset`).
- Only the attributes listed here are read. Pixel data is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydicom import dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from edge.errors import ReportError
from edge.quiet import PARSER_ERRORS
from edge.report.charset import decode

_SEXES: Final = ("M", "F", "O")
_TIME: Final = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?|23:?59:?60")
_AGE: Final = re.compile(r"\d{3}[DWMY]")
_OFFSET: Final = re.compile(r"[+-](0\d|1[0-4])[0-5]\d")
_UID: Final = re.compile(r"[0-9.]{1,64}")
_CODE: Final = re.compile(r"[A-Z0-9 _]{0,16}")


UNREADABLE: Final = (*PARSER_ERRORS, OSError)
"""What reading a file may raise."""


def _as_is(value: str) -> str:
    return value


def _date(value: str) -> str | None:
    digits = value.replace(".", "")  # ACR-NEMA wrote 1956.03.21, and readers must still take it (PS3.5 table 6.2-1)
    try:
        datetime.strptime(digits, "%Y%m%d")  # noqa: DTZ007 - a calendar date, not a moment
    except ValueError:
        return None
    return digits if len(digits) == 8 else None


def _time(value: str) -> str | None:
    return _matching(_TIME)(value.replace(":", ""))


def _sex(value: str) -> str | None:
    return value.upper() if value.upper() in _SEXES else None


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    return lambda value: value if pattern.fullmatch(value) else None


_RULES: Final[Mapping[str, Callable[[str], str | None]]] = {
    "PatientName": _as_is,
    "PatientID": _as_is,
    "IssuerOfPatientID": _as_is,
    "PatientBirthDate": _date,
    "PatientSex": _sex,
    "PatientAge": _matching(_AGE),
    "StudyInstanceUID": _matching(_UID),
    "StudyID": _as_is,
    "StudyDate": _date,
    "StudyTime": _time,
    "StudyDescription": _as_is,
    "AccessionNumber": _as_is,
    "ReferringPhysicianName": _as_is,
    "TimezoneOffsetFromUTC": _matching(_OFFSET),
    "SeriesInstanceUID": _matching(_UID),
    "SOPClassUID": _matching(_UID),
    "SOPInstanceUID": _matching(_UID),
    "Modality": _matching(_CODE),
    "BodyPartExamined": _matching(_CODE),
    "Laterality": _matching(re.compile("[LR]")),
    "ImageLaterality": _matching(re.compile("[LRUB]")),
    "BurnedInAnnotation": _matching(re.compile("YES|NO")),
    "LossyImageCompression": _matching(re.compile("0[01]")),
    "LossyImageCompressionRatio": _as_is,
    "LossyImageCompressionMethod": _as_is,
}
"""Every attribute that is read, with what makes its value fit to be written: the value, or None when it is not."""

_REQUESTED: Final = ("RequestedProcedureID", "RequestedProcedureDescription", "ScheduledProcedureStepID")
_NEEDED: Final = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


@dataclass(frozen=True, slots=True)
class Source:
    """The received object, as far as a result may repeat it.

    `text` has every attribute of `_RULES`, empty where the header is silent. `requests` has one mapping for each
    item of Request Attributes Sequence. `rows` is None when the object is no image.
    """

    text: Mapping[str, str]
    requests: tuple[Mapping[str, str], ...]
    rows: int | None
    columns: int | None
    notes: tuple[str, ...]

    def __getitem__(self, keyword: str) -> str:
        return self.text[keyword]

    @property
    def character_set(self) -> str | None:
        """What results are written in: UTF-8, or None (the default repertoire) when all text is ASCII."""
        words = [*self.text.values(), *(word for item in self.requests for word in item.values())]
        return None if all(word.isascii() for word in words) else "ISO_IR 192"


def read_source(path: Path) -> Source:
    """Reads the header of the object at `path`.

    Raises:
        ReportError: `missing-identity` when the header lacks a UID that ties a result to it, `report-failed` when
            it can't be read at all.
    """
    dataset = read_header(path)
    try:
        source = _understood(dataset)
    except UNREADABLE as error:
        raise _unreadable(error) from error
    for keyword in _NEEDED:
        if not source[keyword]:
            raise ReportError("missing-identity", keyword)
    return source


def fit(keyword: str, value: str) -> str:
    """`value` as it may be written: without padding, and empty when the standard does not allow it for `keyword`."""
    value = value.strip()
    return (_RULES[keyword](value) or "") if value else ""


def read_header(path: Path) -> Dataset:
    """The listed attributes of the object at `path`, undecoded.

    Raises:
        ReportError: `report-failed` when it can't be read.
    """
    keywords = [*_RULES, "SpecificCharacterSet", "RequestAttributesSequence", "Rows", "Columns"]
    try:
        return dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(keywords))
    except UNREADABLE as error:
        raise _unreadable(error) from error


def raw_value(dataset: Dataset, keyword: str) -> bytes:
    """The bytes of one attribute as received, empty when it is absent or empty."""
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    if tag not in dataset:
        return b""
    element: Any = dataset.get_item(tag)
    if isinstance(element, RawDataElement):
        return element.value or b""
    value = element.value  # pydicom has decoded it while reading: only Specific Character Set and UIDs
    return ("\\".join(value) if isinstance(value, list | tuple) else str(value)).encode()


def stated_character_sets(dataset: Dataset) -> tuple[str, ...]:
    """The values of Specific Character Set, empty when there is none."""
    raw = raw_value(dataset, "SpecificCharacterSet").decode("ascii", errors="replace")
    return tuple(name.strip() for name in raw.split("\\")) if raw.strip() else ()


def _understood(dataset: Dataset) -> Source:
    stated = stated_character_sets(dataset)
    notes: list[str] = []
    text: dict[str, str] = {}
    for keyword in _RULES:
        value, as_stated = decode(raw_value(dataset, keyword), stated)
        text[keyword] = fit(keyword, value)
        if value.strip() and not text[keyword]:
            notes.append(f"{keyword} as received is not a valid value and is left empty.")
        if not as_stated:
            notes.append(f"{keyword} is not valid in the character set that the image states; it was read by rule.")
    requests = _requests(dataset, stated)
    return Source(text, requests, _number(dataset, "Rows"), _number(dataset, "Columns"), tuple(notes))


def _unreadable(error: Exception) -> ReportError:
    return ReportError("report-failed", f"the header can't be read: {type(error).__name__}")


def _requests(dataset: Dataset, stated: tuple[str, ...]) -> tuple[Mapping[str, str], ...]:
    items = dataset.get("RequestAttributesSequence") or ()
    return tuple({key: decode(raw_value(item, key), stated)[0].strip() for key in _REQUESTED} for item in items)


def _number(dataset: Dataset, keyword: str) -> int | None:
    value = dataset.get(keyword)
    return value if isinstance(value, int) else None
