"""What is admitted, what is refused, and that nothing else ever comes out."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, uid
from pydicom.dataset import FileMetaDataset

from edge.errors import Refused
from edge.intake.admit import CHECKS, admit
from edge.quiet import reading
from edge.types import Technique

SECRET = "Geheim^Patientin"

EXPECTED_OF_SHARED = {
    "MR_truncated": "not-a-radiograph",
    "RG1_J2KI_zero_spacing": "admitted",
    "RG3_J2KI": "admitted",
    "RG3_J2KR": "admitted",
    "RG3_JLSL": "admitted",
    "RG3_JLSN": "admitted",
    "RG3_JPLL": "admitted",
    "RG3_JPLY": "admitted",  # its header is sound: the decoder refuses it as damaged
    "RG3_RLE": "admitted",
    "RG3_uncompressed": "admitted",
    "badVR": "not-a-radiograph",
    "image_dfl": "not-a-radiograph",
    "meta_missing_tsyntax": "not-a-radiograph",
    "nested_priv_SQ": "not-a-radiograph",
    "no_meta": "not-dicom",
}

Save = Callable[..., Path]


def radiograph(**values: Any) -> Dataset:
    """A small DX image with all that admission looks at; keywords override, None removes."""
    with reading():
        return _radiograph(values)


def _radiograph(values: dict[str, Any]) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = values.pop("syntax", uid.ExplicitVRLittleEndian)
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = uid.DigitalXRayImageStorageForPresentation
    made.SOPInstanceUID, made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3", "1.2.4", "1.2.5"
    made.Modality, made.PatientName, made.PatientID = "DX", SECRET, "4711"
    made.Rows, made.Columns, made.SamplesPerPixel = 300, 260, 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.PixelData = np.zeros((300, 260), np.uint16).tobytes()
    for keyword, value in values.items():
        if value is None:
            delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    made.file_meta.MediaStorageSOPClassUID = uid.UID(made.get("SOPClassUID") or "1.2.9")
    made.file_meta.MediaStorageSOPInstanceUID = uid.UID(made.get("SOPInstanceUID") or "1.2.9")
    return made


def bytes_of(dataset: Dataset) -> bytes:
    buffer = BytesIO()
    plain = not dataset.file_meta.TransferSyntaxUID.is_encapsulated
    with reading():
        dataset.save_as(
            buffer,
            enforce_file_format=True,
            implicit_vr=dataset.file_meta.TransferSyntaxUID.is_implicit_VR if plain else None,
            little_endian=dataset.file_meta.TransferSyntaxUID.is_little_endian if plain else None,
        )
    return buffer.getvalue()


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes bytes, or a radiograph made of keywords, and gives the path."""

    def write(content: bytes | None = None, **values: Any) -> Path:
        path = tmp_path / "object.dcm"
        path.write_bytes(bytes_of(radiograph(**values)) if content is None else content)
        return path

    return write


def outcome(path: Path) -> str:
    try:
        admit(path)
    except Refused as refused:
        return "a patient's name leaked" if SECRET in str(refused) else refused.reason.code
    return "admitted"


@pytest.mark.requirement("every object is analysed or refused with a reason")
@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, "admitted"),
        ({"syntax": uid.ImplicitVRLittleEndian}, "admitted"),
        ({"syntax": uid.ExplicitVRBigEndian}, "admitted"),
        ({"syntax": uid.DeflatedExplicitVRLittleEndian}, "admitted"),
        ({"SOPClassUID": uid.DigitalXRayImageStorageForProcessing}, "admitted"),
        ({"SOPClassUID": uid.ComputedRadiographyImageStorage, "Modality": "CR"}, "admitted"),
        ({"SOPClassUID": uid.SecondaryCaptureImageStorage, "ConversionType": "DF", "Modality": "OT"}, "admitted"),
        ({"PatientName": "", "PatientID": ""}, "admitted"),
        ({"NumberOfFrames": 1}, "admitted"),
        ({"SOPClassUID": uid.SecondaryCaptureImageStorage, "ConversionType": "WSD"}, "not-a-radiograph"),
        ({"SOPClassUID": uid.DigitalMammographyXRayImageStorageForPresentation, "Modality": "MG"}, "not-a-radiograph"),
        ({"SOPClassUID": uid.CTImageStorage, "Modality": "CT"}, "not-a-radiograph"),
        ({"Modality": "MG"}, "not-a-radiograph"),
        ({"NumberOfFrames": 2}, "multi-frame"),
        ({"SOPInstanceUID": ""}, "missing-identity"),
        ({"StudyInstanceUID": None}, "missing-identity"),
        ({"SeriesInstanceUID": "1.2.x"}, "missing-identity"),
        ({"Rows": 20000, "Columns": 20000}, "too-large"),
        ({"Rows": 65535, "Columns": 65535}, "too-large"),
        ({"Rows": 200, "Columns": 2000}, "too-small"),
        ({"Rows": 0}, "damaged-pixels"),
        ({"Rows": 301}, "damaged-pixels"),
        ({"BitsAllocated": 64}, "unsupported-encoding"),
        ({"BitsStored": 24, "BitsAllocated": 32}, "unsupported-encoding"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "unsupported-encoding"),
        ({"PixelData": None}, "truncated"),
    ],
)
def test_admits_radiographs_and_refuses_the_rest(save: Save, values: dict[str, Any], code: str) -> None:
    assert outcome(save(**values)) == code


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.99", "1.2.3.4", "?"])
def test_an_encoding_without_a_decoder_is_refused(save: Save, syntax: str) -> None:
    stated = b"UI" + struct.pack("<H", 20) + uid.ExplicitVRLittleEndian.encode().ljust(20, b"\0")
    content = bytes_of(radiograph())
    assert stated in content
    other = b"UI" + struct.pack("<H", 20) + syntax.encode().ljust(20, b"\0")
    assert outcome(save(content.replace(stated, other))) == "unsupported-encoding"


@pytest.mark.shared_data
@pytest.mark.requirement("every object is analysed or refused with a reason")
def test_real_and_broken_files_have_the_right_outcome(shared_data: Path) -> None:
    found = {path.stem: outcome(path) for path in (shared_data / "dicom").glob("*.dcm")}
    assert found == EXPECTED_OF_SHARED


def test_names_are_decoded_by_the_objects_own_character_set(save: Save) -> None:
    name = "Кальциноз^Рука"
    for charset in ("ISO_IR 192", "ISO_IR 144"):
        header = admit(save(SpecificCharacterSet=charset, PatientName=name))
        assert header.identity.patient_name == name


def test_reads_what_the_header_says_of_the_exposure(save: Save) -> None:
    header = admit(
        save(
            KVP="52", ExposureTime="20", ExposureInuAs="3200", XRayTubeCurrent="160", ImageLaterality="l",
            ViewPosition="PA", BodyPartExamined="HAND", StationName="BAY 2", DeviceSerialNumber="X7",
            AcquisitionDate="20261122", AcquisitionTime="101530.250",
        )
    )  # fmt: skip
    assert header.technique == Technique(kvp=52.0, tube_current_ma=160.0, exposure_time_ms=20.0, exposure_mas=3.2)
    assert header.acquired == "2026-11-22T10:15:30.250"
    assert (header.laterality, header.view_position, header.body_part) == ("L", "PA", "HAND")
    assert (header.station_name, header.device_serial, header.rows, header.columns) == ("BAY 2", "X7", 300, 260)
    assert header.transfer_syntax_uid == uid.ExplicitVRLittleEndian


@pytest.mark.parametrize(
    ("date", "time", "iso"),
    [
        ("20261122", "10", "2026-11-22T10:00:00"),
        ("20261122", "1015", "2026-11-22T10:15:00"),
        ("2026.11.22", "10:15:30", "2026-11-22T10:15:30"),
        ("20261332", "101530", None),
        ("", "", None),
        ("20261122", "", None),
    ],
)
def test_a_moment_that_can_not_be_is_none(save: Save, date: str, time: str, iso: str | None) -> None:
    assert admit(save(AcquisitionDate=date, AcquisitionTime=time)).acquired == iso


def test_values_that_can_not_be_read_are_none_and_leave_no_trace(
    save: Save, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    content = bytes_of(radiograph(KVP="52", StationName="BAY 2"))
    content = content.replace(b"DS\x02\x0052", b"DS\x02\x00??")
    recwarn.clear()
    caplog.clear()
    header = admit(save(content))
    assert header.technique.kvp is None
    assert not recwarn.list
    assert not caplog.records


@pytest.mark.requirement("every object is analysed or refused with a reason")
def test_a_file_cut_anywhere_is_refused(save: Save) -> None:
    content = bytes_of(radiograph())
    for end in [*range(0, 900, 13), len(content) // 2, len(content) - 1]:
        code = outcome(save(content[:end]))
        assert code in {"not-dicom", "truncated", "not-a-radiograph"}, (end, code)
    assert code == "truncated"


def test_a_file_damaged_anywhere_is_admitted_or_refused(save: Save, recwarn: pytest.WarningsRecorder) -> None:
    content = bytes_of(radiograph())
    head = len(content) - 2 * 300 * 260
    rng = random.Random(11)
    codes = set()
    recwarn.clear()
    for _ in range(300):
        broken = bytearray(content)
        for _ in range(rng.randint(1, 6)):
            broken[rng.randrange(head)] = rng.randrange(256)
        codes.add(outcome(save(bytes(broken))))
    assert len(codes) > 3, "the damage reached several checks"
    assert not recwarn.list, "a warning may quote a patient's data"


@pytest.mark.parametrize("content", [b"", b"DICM", bytes(200), b"\x89PNG\r\n" + bytes(500), b"%PDF-1.7" * 60])
def test_other_files_are_not_dicom(save: Save, content: bytes) -> None:
    assert outcome(save(content)) == "not-dicom"


def test_a_data_set_without_preamble_is_still_read(save: Save) -> None:
    assert outcome(save(bytes_of(radiograph())[132:])) == "admitted"


def test_a_deflated_bomb_is_stopped(save: Save) -> None:
    content = bytes_of(radiograph(syntax=uid.DeflatedExplicitVRLittleEndian, PixelData=b"\0\0"))
    meta = content[: 132 + 12 + struct.unpack("<I", content[140:144])[0]]
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = bytes(1 << 20)
    bomb = meta + b"".join(squeezer.compress(block) for _ in range(260)) + squeezer.flush()
    assert len(bomb) < 300_000
    assert outcome(save(bomb)) == "too-large"
    assert outcome(save(content[:-20])) == "truncated"


def test_compressed_pixels_must_end(save: Save) -> None:
    item = b"\xfe\xff\x00\xe0"
    whole = radiograph(syntax=uid.JPEGLSLossless)
    whole.PixelData = item + bytes(4) + item + struct.pack("<I", 4) + b"abcd"
    whole["PixelData"].is_undefined_length = True
    content = bytes_of(whole)
    assert outcome(save(content)) == "admitted"
    assert outcome(save(content[:-8])) == "truncated"
    assert outcome(save(content[:-14])) == "truncated"
    assert outcome(save(content[:-8] + b"junkjunk")) == "damaged-pixels"


def test_a_sequence_that_breaks_off_is_refused(save: Save) -> None:
    item = Dataset()
    item.PatientID = "x" * 40
    content = bytes_of(radiograph(OtherPatientIDsSequence=[item]))
    start = content.index(b"x" * 40)
    assert {outcome(save(content[:end])) for end in range(start - 20, start + 44)} <= {"truncated", "not-a-radiograph"}


def test_each_check_says_what_it_is_for() -> None:
    assert all(check.__doc__ for check in CHECKS)
