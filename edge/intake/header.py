"""Reads a DICOM header as units really write it: tolerant of what is wrong, silent about what it says.

What always holds:

- Nothing here raises for a bad value: a value that can't be read is the same as none.
- Pixels are not read, and a deflated file is inflated only as far as a limit.
- It is called within `edge.quiet.reading`, so that no warning or log line carries a header's text.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from pydicom import Dataset, dcmread
from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from edge.errors import Refused
from edge.quiet import PARSER_ERRORS
from edge.types import Header, Identity, Technique

MAX_INFLATED_BYTES: Final = 192 << 20
"""A deflated object larger than this is no radiograph: 64 million pixels of 16 bits and a generous header."""


_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)+")
_DATE: Final = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
_TIME: Final = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(\.\d{1,6})?")


@dataclass(frozen=True, slots=True)
class Opened:
    """A file's header. `pixels_at` is where the pixel element starts; None if there is none, or all is deflated."""

    path: Path
    file_bytes: int
    dataset: Dataset
    transfer_syntax_uid: str
    pixels_at: int | None

    @property
    def deflated(self) -> bool:
        """Whether the data set is deflated as a whole."""
        return self.transfer_syntax_uid == DeflatedExplicitVRLittleEndian


def open_header(path: Path) -> Opened:
    """Reads the header of a file, up to its pixels.

    Raises:
        Refused: `not-dicom`, `truncated` (a deflated stream that ends early) or `too-large` (one that never ends).
        OSError: if the file can't be read at all.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        marked = file.read(132)[128:] == b"DICM"
        if marked:
            _guard_deflated(path)
        file.seek(0)
        try:
            dataset = dcmread(file, stop_before_pixels=True, force=not marked)
            syntax = _transfer_syntax(dataset)
        except (EOFError, struct.error) as error:
            raise Refused("truncated" if marked else "not-dicom") from error
        except OSError as error:
            if error.errno is not None:  # the disk's; pydicom's own, for a sequence that breaks off, has no number
                raise
            raise Refused("truncated" if marked else "not-dicom") from error
        except PARSER_ERRORS as error:
            raise Refused("not-dicom") from error
        if not marked and not is_uid(text(dataset, "SOPClassUID")):
            raise Refused("not-dicom")
        at = None if syntax == DeflatedExplicitVRLittleEndian else file.tell()
        return Opened(path, size, dataset, syntax, at if at is None or at < size else None)


def header_of(opened: Opened) -> Header:
    """What the rest of the house needs to know of an object."""
    dataset = opened.dataset
    return Header(
        identity=Identity(
            sop_class_uid=text(dataset, "SOPClassUID"),
            sop_instance_uid=text(dataset, "SOPInstanceUID"),
            study_instance_uid=text(dataset, "StudyInstanceUID"),
            series_instance_uid=text(dataset, "SeriesInstanceUID"),
            patient_id=text(dataset, "PatientID"),
            patient_name=text(dataset, "PatientName"),
            patient_birth_date=text(dataset, "PatientBirthDate"),
            patient_sex=text(dataset, "PatientSex"),
            accession_number=text(dataset, "AccessionNumber"),
        ),
        transfer_syntax_uid=opened.transfer_syntax_uid,
        modality=text(dataset, "Modality"),
        rows=integer(dataset, "Rows") or 0,
        columns=integer(dataset, "Columns") or 0,
        body_part=text(dataset, "BodyPartExamined"),
        laterality=(text(dataset, "ImageLaterality") or text(dataset, "Laterality")).upper(),
        view_position=text(dataset, "ViewPosition"),
        station_name=text(dataset, "StationName"),
        device_serial=text(dataset, "DeviceSerialNumber"),
        acquired=_acquired(dataset),
        technique=Technique(
            kvp=_positive(dataset, "KVP"),
            tube_current_ma=_positive(dataset, "XRayTubeCurrent") or _positive(dataset, "XRayTubeCurrentInuA", 1e-3),
            exposure_time_ms=_positive(dataset, "ExposureTime") or _positive(dataset, "ExposureTimeInuS", 1e-3),
            exposure_mas=_positive(dataset, "ExposureInuAs", 1e-3) or _positive(dataset, "Exposure"),
        ),
    )


def text(dataset: Dataset, keyword: str) -> str:
    """A value as text, decoded by the object's own character set; the first of several; empty when there is none."""
    try:
        value = dataset.get(keyword)
        if isinstance(value, list | tuple) or type(value).__name__ == "MultiValue":
            value = value[0] if len(value) else None
        if isinstance(value, bytes):
            value = value.decode("ascii", "replace")
        return "" if value is None else str(value).strip(" \0")
    except (*PARSER_ERRORS, OSError):
        return ""


def integer(dataset: Dataset, keyword: str) -> int | None:
    """A value as a whole number, None when there is none or it is not one."""
    try:
        return int(text(dataset, keyword))
    except ValueError:
        return None


def is_uid(value: str) -> bool:
    """Whether this is a unique identifier (PS3.5 section 9), leading zeros forgiven."""
    return len(value) <= 64 and _UID.fullmatch(value) is not None


def _positive(dataset: Dataset, keyword: str, factor: float = 1.0) -> float | None:
    try:
        value = float(text(dataset, keyword)) * factor
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _acquired(dataset: Dataset) -> str | None:
    """The moment of the exposure as the unit wrote it: no zone is added, none is applied."""
    stamp = text(dataset, "AcquisitionDateTime")
    pairs = [(stamp[:8], stamp[8:])] if stamp else []
    pairs += [
        (text(dataset, f"{kind}Date"), text(dataset, f"{kind}Time"))
        for kind in ("Acquisition", "Content", "Series", "Study")
    ]
    for day, hour in pairs:
        date, time = _DATE.match(day), _TIME.match(hour)
        if date is None or time is None:
            continue
        seconds, fraction = time[3] or "00", (time[4] or "")[1:].ljust(6, "0")
        written = f"{date[1]}-{date[2]}-{date[3]}T{time[1]}:{time[2] or '00'}:{seconds}.{fraction}"
        try:
            moment = datetime.fromisoformat(written)
        except ValueError:
            continue
        return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return None


def _transfer_syntax(dataset: Dataset) -> str:
    """The stated transfer syntax; where the file states none, the one by which its header made sense."""
    stated = text(getattr(dataset, "file_meta", Dataset()), "TransferSyntaxUID")
    if stated:
        return stated
    implicit, little = dataset.original_encoding
    if implicit:
        return str(ImplicitVRLittleEndian)
    return str(ExplicitVRLittleEndian if little else ExplicitVRBigEndian)


def _guard_deflated(path: Path) -> None:
    """Inflates a deflated data set without keeping it, to see that it ends, and ends in time."""
    try:
        meta = read_file_meta_info(path)
        if text(meta, "TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return
    except PARSER_ERRORS:
        return  # the full reading decides what this is
    with path.open("rb") as file:
        file.seek(_end_of_meta(file))
        inflater, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while not inflater.eof:
            chunk = inflater.unconsumed_tail or file.read(1 << 18)
            if not chunk:
                raise Refused("truncated")
            try:
                total += len(inflater.decompress(chunk, 1 << 20))
            except zlib.error as error:
                raise Refused("truncated") from error
            if total > MAX_INFLATED_BYTES:
                raise Refused("too-large")


def _end_of_meta(file: BinaryIO) -> int:
    """Where the data set starts behind the meta group, which is always explicit little endian (PS3.10 section 7.1)."""
    file.seek(132)
    while True:
        start = file.tell()
        head = file.read(8)
        if len(head) < 8 or head[:2] != b"\x02\x00":
            return start
        if head[4:6] in {b"OB", b"UN", b"OW", b"SQ", b"UT"}:
            (length,) = struct.unpack("<I", file.read(4).ljust(4, b"\0"))
        else:
            (length,) = struct.unpack("<H", head[6:8])
        file.seek(length, 1)
