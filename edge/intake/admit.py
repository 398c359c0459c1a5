"""Admission: is this one projection radiograph that can be decoded and tied to a patient's study?

What always holds:

- Nothing is decoded and nothing is changed: the header decides, and the pixels are only measured from outside.
- A file is admitted, or refused with one code. No other exception leaves, whatever the bytes are.
- A refusal never quotes text of the header: that may be a patient's.

Each check takes the candidate and raises `Refused`; `CHECKS` is their order, from "what is it" to "is it all there".

    >>> admit(Path("hand.dcm")).modality            # doctest: +SKIP
    'DX'
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from pydicom import uid

from edge.errors import Refused
from edge.intake.header import Opened, header_of, integer, is_uid, open_header, text
from edge.quiet import reading
from edge.types import Header

MAX_FILE_BYTES: Final = 512 << 20
MAX_PIXELS: Final = 64_000_000
"""A 43 x 43 cm detector with 0.1 mm pixels has 18.5 million; a film digitised at 0.05 mm, 60."""
MIN_SIDE_PIXELS: Final = 256
"""A hand of 18 cm would have pixels of 0.7 mm: no body of 1 mm can be seen."""

TRANSFER_SYNTAXES: Final = frozenset(
    {
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.DeflatedExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
        uid.RLELossless,
        uid.JPEGBaseline8Bit,
        uid.JPEGExtended12Bit,
        uid.JPEGLossless,
        uid.JPEGLosslessSV1,
        uid.JPEGLSLossless,
        uid.JPEGLSNearLossless,
        uid.JPEG2000Lossless,
        uid.JPEG2000,
    }
)
"""What the detector decodes; a test holds the two lists together."""

_NATIVE: Final = frozenset({uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian})
_RADIOGRAPHS: Final = frozenset(
    {
        uid.ComputedRadiographyImageStorage,
        uid.DigitalXRayImageStorageForPresentation,
        uid.DigitalXRayImageStorageForProcessing,
    }
)
_RADIOGRAPH_MODALITIES: Final = frozenset({"", "CR", "DX", "RG", "OT"})
"""RG is the film itself, OT what a digitiser may write; an empty one is forgiven where the class says enough."""

Check = Callable[[Opened], None]


def admit(path: Path) -> Header:
    """The header of a file that may be analysed.

    Raises:
        Refused: `not-dicom`, `truncated`, `unsupported-encoding`, `damaged-pixels`, `too-large`, `too-small`,
            `multi-frame`, `not-a-radiograph` or `missing-identity`.
        OSError: if the file can't be read at all.
    """
    if path.stat().st_size > MAX_FILE_BYTES:
        raise Refused("too-large")
    with reading():
        opened = open_header(path)
        for check in CHECKS:
            check(opened)
        return header_of(opened)


def is_a_radiograph(opened: Opened) -> None:
    """CR, DX for presentation or processing, or a digitised film (Secondary Capture, conversion type DF)."""
    sop_class = text(opened.dataset, "SOPClassUID") or text(opened.dataset.file_meta, "MediaStorageSOPClassUID")
    digitised = sop_class == uid.SecondaryCaptureImageStorage and text(opened.dataset, "ConversionType") == "DF"
    modality = text(opened.dataset, "Modality").upper()
    if not (sop_class in _RADIOGRAPHS or digitised) or modality not in _RADIOGRAPH_MODALITIES:
        raise Refused("not-a-radiograph")


def has_identity(opened: Opened) -> None:
    """The identifiers without which no report can refer to the image."""
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        if not is_uid(text(opened.dataset, keyword)):
            raise Refused("missing-identity")


def is_one_frame(opened: Opened) -> None:
    """A radiograph is one picture."""
    if (integer(opened.dataset, "NumberOfFrames") or 1) > 1:
        raise Refused("multi-frame")


def is_decodable(opened: Opened) -> None:
    """A transfer syntax and a pixel format that the detector decodes."""
    dataset = opened.dataset
    allocated, stored = integer(dataset, "BitsAllocated"), integer(dataset, "BitsStored")
    grey = text(dataset, "PhotometricInterpretation") in {"MONOCHROME1", "MONOCHROME2"}
    colour = text(dataset, "PhotometricInterpretation") in {"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"}
    known = (
        opened.transfer_syntax_uid in TRANSFER_SYNTAXES
        and allocated in {8, 16, 32}
        and stored is not None
        and 1 < stored <= min(allocated or 0, 16)
        and (integer(dataset, "PixelRepresentation") or 0) in {0, 1}
        and ((grey and _samples(opened) == 1) or (colour and _samples(opened) == 3 and allocated == 8))
    )
    if not known:
        raise Refused("unsupported-encoding")


def has_pixels(opened: Opened) -> None:
    """The file goes on to its pixels."""
    if opened.pixels_at is None and not opened.deflated:
        raise Refused("truncated")


def has_plausible_size(opened: Opened) -> None:
    """Neither a preview nor a claim that would exhaust the memory."""
    rows, columns = integer(opened.dataset, "Rows") or 0, integer(opened.dataset, "Columns") or 0
    if rows <= 0 or columns <= 0:
        raise Refused("damaged-pixels", "the header states no size")
    if rows * columns > MAX_PIXELS:
        raise Refused("too-large", f"{columns} x {rows} pixels")
    if min(rows, columns) < MIN_SIDE_PIXELS:
        raise Refused("too-small", f"{columns} x {rows} pixels")


def is_complete(opened: Opened) -> None:
    """The pixel element is wholly in the file: as long as it says and, uncompressed, as long as the header needs."""
    if opened.pixels_at is None:
        return  # deflated: its stream was seen to end, and the decoder counts the pixels
    with opened.path.open("rb") as file:
        file.seek(opened.pixels_at)
        length = _pixel_element_length(file, opened.transfer_syntax_uid)
        left = opened.file_bytes - file.tell()
        if opened.transfer_syntax_uid not in _NATIVE:
            if length != 0xFFFFFFFF:
                raise Refused("damaged-pixels", "compressed pixels are not in fragments")
            _walk_fragments(file, opened.file_bytes)
        elif length == 0xFFFFFFFF:
            raise Refused("damaged-pixels", "uncompressed pixels are in fragments")
        elif length > left:
            raise Refused("truncated")
        elif length < _needed_bytes(opened):
            raise Refused("damaged-pixels", "fewer pixels than the header states")


CHECKS: Final[tuple[Check, ...]] = (
    is_a_radiograph,
    has_pixels,
    has_identity,
    is_one_frame,
    is_decodable,
    has_plausible_size,
    is_complete,
)


def _samples(opened: Opened) -> int:
    return integer(opened.dataset, "SamplesPerPixel") or 1


def _needed_bytes(opened: Opened) -> int:
    rows, columns = integer(opened.dataset, "Rows") or 0, integer(opened.dataset, "Columns") or 0
    return rows * columns * _samples(opened) * (integer(opened.dataset, "BitsAllocated") or 0) // 8


def _pixel_element_length(file: BinaryIO, transfer_syntax_uid: str) -> int:
    """Reads the head of the pixel element and returns its stated length (PS3.5 section 7.1)."""
    order = ">" if transfer_syntax_uid == uid.ExplicitVRBigEndian else "<"
    head = file.read(8 if transfer_syntax_uid == uid.ImplicitVRLittleEndian else 12)
    if len(head) < 8 or (len(head) < 12 and transfer_syntax_uid != uid.ImplicitVRLittleEndian):
        raise Refused("truncated")
    if struct.unpack(order + "HH", head[:4]) != (0x7FE0, 0x0010):
        raise Refused("unsupported-encoding")
    (length,) = struct.unpack(order + "I", head[-4:])
    return int(length)


def _walk_fragments(file: BinaryIO, file_bytes: int) -> None:
    """Steps from item to item to the sequence delimiter (PS3.5 section A.4).

    Raises:
        Refused: `truncated` if the file ends first, `damaged-pixels` if something else stands between the items.
    """
    while True:
        head = file.read(8)
        if len(head) < 8:
            raise Refused("truncated")
        group, element, length = struct.unpack("<HHI", head)
        if (group, element) == (0xFFFE, 0xE0DD):
            return
        if (group, element) != (0xFFFE, 0xE000):
            raise Refused("damaged-pixels", "the fragments are out of order")
        if length > file_bytes - file.tell():
            raise Refused("truncated")
        file.seek(length, 1)
