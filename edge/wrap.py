"""Turns a picture of a film (PNG, TIFF or JPEG) into a DICOM file, so that a digitised film can go through the line.

What always holds:

- The result is Secondary Capture, conversion type DF (digitised film), modality RG, one frame, uncompressed grey.
- Grey values are kept bit for bit, 8 or 16 bits; only `invert`, or a picture that states white as zero, turns them
  over. Colour, read at 8 bits, becomes grey: as it is where red, green and blue are equal, by luminance otherwise,
  and then the file says so.
- Bright is taken for dense. A picture can't say whether it is; the person who wraps it must.
- Nothing about a patient is invented: what is not given is empty. No clock is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from edge.errors import CalcedgeError
from edge.types import Side

MAX_PIXELS: Final = 64_000_000
"""As many as intake takes."""

_FORMATS: Final = ("PNG", "TIFF", "JPEG")
_WHITE_IS_ZERO: Final = 0
_PHOTOMETRIC: Final = 262
_COMPRESSION: Final = 259
_JPEG_IN_TIFF: Final = (6, 7)
_DEEPEST: Final = 0xFFFF

Grey = np.ndarray[tuple[int, int], np.dtype[np.uint8 | np.uint16]]


def new_uid() -> str:
    """A fresh UUID-derived UID (PS3.5 B.2)."""
    return str(generate_uid(prefix=None))


@dataclass(frozen=True, slots=True)
class _Scan:
    """A picture's grey values, and what happened on the way to them."""

    grey: Grey
    notes: tuple[str, ...]
    lossy: bool


def wrap(
    picture: Path,
    out: Path,
    *,
    mm_per_pixel: float,
    side: Side | None = None,
    patient_id: str = "",
    patient_name: str = "",
    patient_birth_date: str = "",
    patient_sex: str = "",
    invert: bool = False,
    uid: Callable[[], str] = new_uid,
) -> None:
    """Writes `picture` to `out` as a DICOM file. `out` appears whole or not at all.

    Args:
        picture: PNG, TIFF or JPEG of one radiograph, 8 or 16 bit grey, or colour.
        out: the file to write; never the picture itself.
        mm_per_pixel: size of a pixel on the film, written as Nominal Scanned Pixel Spacing (PS3.3 C.8.6.2).
        side: which hand, if the film shows one and it is known.
        patient_id: as the clinic writes it; likewise the name (`FAMILY^GIVEN`), birth date (YYYYMMDD), sex (M, F, O).
        patient_name: see `patient_id`.
        patient_birth_date: see `patient_id`.
        patient_sex: see `patient_id`.
        invert: the picture shows dense as dark.
        uid: where new UIDs come from.

    Raises:
        CalcedgeError: `not-a-picture` when the file is no such picture, `multi-frame` when it holds several,
            `too-large` when it has too many pixels, `not-writable` when `out` can't be written.
    """
    if out.exists() and out.samefile(picture):
        raise CalcedgeError("not-a-picture", "the DICOM file would overwrite it")
    scan = _scan(picture, invert=invert)
    ds = _dataset(scan, picture, uid)
    ds.NominalScannedPixelSpacing = [f"{mm_per_pixel:.6g}"] * 2
    ds.PatientID, ds.PatientName = patient_id, patient_name
    ds.PatientBirthDate, ds.PatientSex = patient_birth_date, patient_sex
    ds.Laterality = side if side in {"L", "R"} else ""
    if not (patient_id + patient_name).isascii():
        ds.SpecificCharacterSet = "ISO_IR 192"
    beside = out.with_name(f".{out.name}.part")
    try:
        ds.save_as(beside, enforce_file_format=True)
        beside.replace(out)
    except OSError as error:
        raise CalcedgeError("not-writable", error.strerror or type(error).__name__) from error
    finally:
        beside.unlink(missing_ok=True)


def _scan(picture: Path, *, invert: bool) -> _Scan:
    try:
        with Image.open(picture, formats=_FORMATS) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise CalcedgeError("too-large", f"{opened.width} x {opened.height} pixels")
            if getattr(opened, "n_frames", 1) > 1:
                raise CalcedgeError("multi-frame")
            lossy = opened.format == "JPEG" or _tag(opened, _COMPRESSION) in _JPEG_IN_TIFF
            # Pillow turns white-is-zero over for 8 bits and leaves it for 16.
            white_is_zero = _tag(opened, _PHOTOMETRIC) == _WHITE_IS_ZERO and opened.mode.startswith("I")
            opened.load()
            grey, notes = _grey(ImageOps.exif_transpose(opened))
    except UnidentifiedImageError as error:
        raise CalcedgeError("not-a-picture", _why(picture)) from error
    except Image.DecompressionBombError as error:
        raise CalcedgeError("too-large") from error
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow's decoders raise on damaged files
        raise CalcedgeError("not-a-picture", f"it can't be read: {type(error).__name__}") from error
    if invert != white_is_zero:
        grey = np.asarray((1 << _bits(grey)) - 1 - grey, dtype=grey.dtype)
    if invert:
        notes = (*notes, "Grey values inverted when the picture was wrapped.")
    return _Scan(grey, notes, lossy)


def _grey(picture: Image.Image) -> tuple[Grey, tuple[str, ...]]:
    """The picture's values as unsigned 8 or 16 bit, and what had to be done to get them."""
    if picture.mode.startswith("I"):
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > _DEEPEST:
            raise CalcedgeError("not-a-picture", "its values don't fit 16 bits")
        return values.astype(np.uint16), ()
    if picture.mode == "F":
        raise CalcedgeError("not-a-picture", "its values are fractions")
    if picture.mode in {"1", "L", "LA"}:
        return np.asarray(picture.convert("L")), ()
    colour = picture.convert("RGB")
    red, green, blue = np.moveaxis(np.asarray(colour), 2, 0)
    if (red == green).all() and (red == blue).all():
        return np.ascontiguousarray(red), ()
    return np.asarray(colour.convert("L")), ("Grey values are the luminance of a colour picture.",)


def _dataset(scan: _Scan, picture: Path, uid: Callable[[], str]) -> Dataset:
    """A Secondary Capture image without a patient (PS3.3 A.8.1)."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = uid(), uid(), uid()
    for keyword in ("StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"):
        setattr(ds, keyword, "")
    ds.Modality = "RG"
    ds.ConversionType = "DF"
    ds.BodyPartExamined = "HAND"
    ds.SeriesNumber = ds.InstanceNumber = 1
    ds.PatientOrientation = []
    ds.ImageType = ["DERIVED" if scan.notes else "ORIGINAL", "SECONDARY"]
    if scan.notes:
        ds.DerivationDescription = " ".join(scan.notes)
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = scan.grey.shape
    ds.BitsAllocated = 8 * scan.grey.dtype.itemsize
    ds.BitsStored = _bits(scan.grey)
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = 0
    content = scan.grey.astype(scan.grey.dtype.newbyteorder("<"), copy=False).tobytes()
    ds.PixelData = content if len(content) % 2 == 0 else content + b"\0"
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"
    if scan.lossy:
        ds.LossyImageCompression = "01"
        ds.LossyImageCompressionMethod = "ISO_10918_1"
        ds.LossyImageCompressionRatio = f"{max(1.0, len(content) / picture.stat().st_size):.4g}"
    return ds


def _bits(grey: Grey) -> int:
    """Bits that the values take: 8, or the fewest usual ones that hold the brightest of 16."""
    if grey.dtype.itemsize == 1:
        return 8
    return next(bits for bits in (10, 12, 14, 16) if int(grey.max()) < 1 << bits)


def _tag(picture: Image.Image, tag: int) -> int | None:
    """One TIFF tag, None for other formats."""
    tags: Any = getattr(picture, "tag_v2", {})
    value = tags.get(tag)
    return value if isinstance(value, int) else None


def _why(picture: Path) -> str:
    with picture.open("rb") as file:
        head = file.read(132)
    if head[128:] == b"DICM":
        return "it is DICOM already and needs no wrapping"
    return "not a PNG, TIFF or JPEG"
