"""Sound DICOM objects as seeds, in every encoding that is admitted, and changes that know how elements lie."""

from __future__ import annotations

import random
import re
import struct
import tempfile
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

import gdcm
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, uid

from edge.quiet import reading
from tests.fuzz.mutate import Change
from tests.peers.films import film

SIDE: Final = 256
"""The least that is admitted."""
_VRS: Final = (
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"OB", b"OD", b"OF", b"OL",
    b"OV", b"OW", b"PN", b"SH", b"SL", b"SQ", b"SS", b"ST", b"SV", b"TM", b"UC", b"UI", b"UL", b"UN", b"UR", b"US",
    b"UT", b"UV", b"??", b"\0\0", b"zz",
)  # fmt: skip
_LONG: Final = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_SETS: Final = (
    b"ISO_IR 192", b"ISO 2022 IR 87", b"\\ISO 2022 IR 87", b"GB18030", b"ISO_IR 13", b"ISO 2022 IR 6\\ISO 2022 IR 149",
    b"nonsense", b"ISO_IR 166\\ISO_IR 192", b"\\" * 60,
)  # fmt: skip
_VALUES: Final = (
    b"", b"0", b"-1", b"65535", b"65536", b"99999999999999999999", b"1e308", b"-1e-308", b"nan", b"inf", b"1\\2\\3",
    b"\\" * 40, b"\xff" * 16, b"\0" * 16, b"20261399", b"1.2.840." + b"9" * 60, b"^" * 30, b"=\xc3\xa9^=",
    b"MONOCHROME1", b"PALETTE COLOR", b"RGB", b"YBR_FULL_422", b"\x1b$B\x1b(", b"4294967295", b"1_0", b"\xef\xbc\x91",
)  # fmt: skip


@cache
def seeds() -> tuple[bytes, ...]:
    """One object for each transfer syntax, small where the encoding allows, and some with more in the header."""
    return tuple(_seeds())


def _seeds() -> Iterator[bytes]:
    flat = np.full((SIDE, SIDE), 1200, np.uint16)
    flat[60:200, 80:180] = 3000
    for syntax in (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian):
        yield _file(_object(), syntax, flat)
    yield _file(_object(), uid.DeflatedExplicitVRLittleEndian, flat)
    yield _file(_rich(), uid.DeflatedExplicitVRLittleEndian, flat)
    yield _file(_rich(), uid.ExplicitVRLittleEndian, flat)
    for syntax in (uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless):
        for made in (_object(), _rich()):
            made.PixelData = flat.tobytes()
            made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
            made["PixelData"].VR = "OW"
            made.compress(syntax, generate_instance_uid=False)
            yield _bytes(made)
    for syntax in (uid.JPEGBaseline8Bit, uid.JPEGLosslessSV1):
        yield _by_gdcm(syntax, flat)


def _by_gdcm(syntax: str, flat: NDArray[np.uint16]) -> bytes:
    """GDCM is the only encoder of lossless JPEG here."""
    if syntax == uid.JPEGBaseline8Bit:
        made = _object(BitsAllocated=8, BitsStored=8, HighBit=7)
        made.PixelData = (flat >> 4).astype(np.uint8).tobytes()
        made["PixelData"].VR = "OB"
        plain = _bytes(made)
    else:
        plain = _file(_object(), uid.ExplicitVRLittleEndian, flat)
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.dcm", Path(folder) / "after.dcm"
        before.write_bytes(plain)
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(str(before))
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(syntax))))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetFileName(str(after))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return after.read_bytes()


def _object(**tags: object) -> Dataset:
    made = film(7, SIDE, SIDE)
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


def _rich() -> Dataset:
    """Sequences, private elements, a second character set, lookup tables, a window: what real units send."""
    made = _object(SpecificCharacterSet="ISO_IR 192", PatientName="Müller^Änne=ヤマダ^タロウ")
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "T-D8810", "SRT", "Hand"
    made.AnatomicRegionSequence = [code]
    request = Dataset()
    request.ScheduledProcedureStepID, request.RequestedProcedureID = "S1", "R1"
    request.ScheduledProtocolCodeSequence = [code]
    made.RequestAttributesSequence = [request]
    table = Dataset()
    table.LUTDescriptor = [256, 0, 16]
    table.add_new(0x00283006, "US", [n * 250 for n in range(256)])
    made.VOILUTSequence = [table]
    made.WindowCenter, made.WindowWidth = ["2048", "1024"], ["4096", "1024"]
    made.RescaleSlope, made.RescaleIntercept, made.RescaleType = "1", "0", "US"
    made.AcquisitionDateTime = "20261122101500.123456+0100"
    block = made.private_block(0x0009, "CALCEDGE FUZZ", create=True)
    block.add_new(1, "LO", "private")
    return made


def _file(made: Dataset, syntax: str, pixels: NDArray[np.uint16]) -> bytes:
    big = syntax == uid.ExplicitVRBigEndian
    made.PixelData = pixels.astype(">u2" if big else "<u2").tobytes()
    made["PixelData"].VR = "OW"
    made.file_meta.TransferSyntaxUID = uid.UID(syntax)
    return _bytes(made)


def _bytes(made: Dataset) -> bytes:
    syntax = made.file_meta.TransferSyntaxUID
    out = BytesIO()
    with reading():
        made.save_as(
            out, enforce_file_format=True, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian
        )
    return out.getvalue()


def _elements(data: bytearray) -> list[int]:
    """Where elements with an explicit VR probably begin, in the header's first part."""
    head = bytes(data[:_HEAD_BYTES])
    return [found.start() - 4 for found in _VR.finditer(head, 136)]


_HEAD_BYTES: Final = 6144
_VR: Final = re.compile(b"|".join(vr for vr in _VRS if vr.isalpha() and vr.isupper()))


def _somewhere(data: bytearray, rng: random.Random) -> int | None:
    found = _elements(data)
    return rng.choice(found) if found else None


def _other_vr(data: bytearray, rng: random.Random) -> None:
    at = _somewhere(data, rng)
    if at is not None:
        data[at + 4 : at + 6] = rng.choice(_VRS)


def _other_length(data: bytearray, rng: random.Random) -> None:
    at = _somewhere(data, rng)
    if at is None:
        return
    if bytes(data[at + 4 : at + 6]) in _LONG:
        data[at + 8 : at + 12] = struct.pack(
            "<I", rng.choice((0, 1, 3, 0xFFFFFFFF, 0xFFFFFFFE, rng.randrange(1 << 32)))
        )
    else:
        data[at + 6 : at + 8] = struct.pack("<H", rng.choice((0, 1, 3, 0xFFFF, 0xFFFE, rng.randrange(1 << 16))))


def _other_value(data: bytearray, rng: random.Random) -> None:
    """Another value of a fitting length in the place of one with a short length."""
    at = _somewhere(data, rng)
    if at is None or bytes(data[at + 4 : at + 6]) in _LONG:
        return
    (length,) = struct.unpack("<H", bytes(data[at + 6 : at + 8]).ljust(2, b"\0"))
    value = rng.choice(_VALUES)
    value += b" " * (len(value) % 2)
    data[at + 6 : at + 8 + length] = struct.pack("<H", len(value)) + value


def _other_set(data: bytearray, rng: random.Random) -> None:
    """Another specific character set, put in where elements begin."""
    value = rng.choice(_SETS)
    value += b" " * (len(value) % 2)
    element = b"\x08\x00\x05\x00CS" + struct.pack("<H", len(value)) + value
    at = data.find(b"\x08\x00", 132)
    if at > 0:
        data[at:at] = element


def _sequence(data: bytearray, rng: random.Random) -> None:
    """Sequences in sequences, of undefined or wrong lengths, seldom closed."""
    depth = rng.choice((1, 2, 20, 900, 4000))
    head = b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0" + rng.choice((b"\xff" * 4, b"\x10\0\0\0"))
    tail = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0" if rng.random() < 0.5 else b""
    at = _somewhere(data, rng)
    if at is not None:
        data[at:at] = head * depth + tail * depth


def _twice(data: bytearray, rng: random.Random) -> None:
    """An element again, somewhere else: out of order, or a second truth."""
    at = _somewhere(data, rng)
    to = _somewhere(data, rng)
    if at is not None and to is not None:
        data[to:to] = data[at : at + rng.randrange(8, 64)]


def _size(data: bytearray, rng: random.Random) -> None:
    """Rows, columns, bits: other numbers."""
    tag = rng.choice((b"\x28\x00\x10\x00", b"\x28\x00\x11\x00", b"\x28\x00\x00\x01", b"\x28\x00\x01\x01",
                      b"\x28\x00\x02\x00", b"\x28\x00\x03\x01", b"\x28\x00\x02\x01", b"\x28\x00\x08\x00"))  # fmt: skip
    at = data.find(tag, 132)
    if at > 0:
        data[at + 8 : at + 10] = struct.pack("<H", rng.choice((0, 1, 2, 7, 12, 16, 255, 256, 8000, 0x7FFF, 0xFFFF)))


def _other_syntax(data: bytearray, rng: random.Random) -> None:
    """The bytes claim another encoding than theirs."""
    at = data.find(b"\x02\x00\x10\x00UI")
    if at > 0:
        (length,) = struct.unpack("<H", data[at + 6 : at + 8])
        wanted = rng.choice(_SYNTAXES)
        data[at + 8 : at + 8 + length] = wanted[:length].ljust(length, b"\0")


def _in_the_stream(data: bytearray, rng: random.Random) -> None:
    """A few bytes near the beginning of the pixels: markers, sizes, tables."""
    at = data.rfind(b"\xe0\x7f\x10\x00")
    if at > 0:
        for _ in range(rng.randrange(1, 6)):
            place = at + 12 + int(rng.betavariate(1, 8) * (len(data) - at - 12))
            if place < len(data):
                data[place] = rng.choice((rng.randrange(256), 0, 0xFF, data[place] ^ (1 << rng.randrange(8))))


_SYNTAXES: Final = tuple(
    syntax.encode()
    for syntax in (
        uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian, uid.RLELossless, uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless,
        uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless, uid.JPEG2000, "1.2.840.10008.1.2.4.100", "9.9",
    )
)  # fmt: skip
CHANGES: Final[tuple[Change, ...]] = (
    _other_vr, _other_length, _other_length, _other_value, _other_value, _other_set, _sequence, _twice, _size,
    _other_syntax, _in_the_stream, _in_the_stream,
)  # fmt: skip
