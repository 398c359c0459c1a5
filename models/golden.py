"""Golden films: phantom hands as DICOM, shipped with a release so that every start can prove the model on them.

What always holds: the pictures are phantoms, the patient is synthetic, and the same seeds give the same pixels.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGLSLossless, generate_uid

from models.phantom.film import Film, Layout, Recipe, make_film
from models.phantom.render import Picture, render

_DX_FOR_PRESENTATION: Final = UID("1.2.840.10008.5.1.4.1.1.1.1")
_STORED_BITS: Final = 12


@dataclass(frozen=True, slots=True)
class Golden:
    """One golden film: what it shows and the seed it comes from."""

    name: str
    seed: int
    layout: Layout
    lesions: int
    render_seed: int = 0


GOLDEN: Final = (
    Golden("left-lesions", 910_100, "left", 7),
    Golden("right-clear", 910_202, "right", 0),
    Golden("both-lesions", 910_316, "both", 4),
)


def make_golden(golden: Golden, pitch_mm: float = 0.15) -> tuple[Film, Picture]:
    """The film and picture of a golden."""
    film = make_film(golden.seed, Recipe(pitch_mm, golden.layout, golden.lesions, turn_deg=0.0, cut_off=False))
    return film, render(film, golden.render_seed, plain=True)


def write_golden(golden: Golden, folder: Path) -> Path:
    """Writes `<folder>/<name>.dcm`, DX for presentation, JPEG-LS lossless: decoded 6 times faster than JPEG 2000."""
    film, picture = make_golden(golden)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{golden.name}.dcm"
    dataset = as_dicom(film, picture, golden)
    dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    target.write_bytes(buffer.getvalue())
    return target


def as_dicom(film: Film, picture: Picture, golden: Golden) -> Dataset:
    """A DX object, uncompressed, with the tags a portable unit writes and a synthetic patient."""
    entropy = [golden.name, str(golden.seed), str(golden.render_seed)]
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = _DX_FOR_PRESENTATION
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[*entropy, "instance"])
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = _DX_FOR_PRESENTATION
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[*entropy, "study"])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[*entropy, "series"])
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.PatientName = f"Phantom^{golden.name.title()}"
    dataset.PatientID = f"PHANTOM-{golden.seed}"
    dataset.PatientBirthDate = f"{2026 - round(film.person.age_years)}0101"
    dataset.PatientSex = film.person.sex
    dataset.StudyDate = dataset.ContentDate = dataset.AcquisitionDate = "20260101"
    dataset.StudyTime = dataset.ContentTime = dataset.AcquisitionTime = "120000"
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "1", 1, 1
    dataset.AccessionNumber = f"GOLD{golden.seed}"
    dataset.ReferringPhysicianName = ""
    dataset.Manufacturer = "calcedge"
    dataset.ManufacturerModelName = "phantom"
    dataset.DeviceSerialNumber = "PHANTOM"
    dataset.Modality = "DX"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.BodyPartExamined = "HAND"
    dataset.ImageLaterality = {"left": "L", "right": "R", "both": "B"}[golden.layout]
    dataset.ViewPosition = "PA"
    dataset.PatientOrientation = ["L", "F"]
    dataset.KVP = f"{picture.exposure.kvp:.1f}"
    dataset.ImagerPixelSpacing = [f"{film.grid.pitch_mm:.4f}"] * 2
    dataset.BurnedInAnnotation = "NO"
    dataset.Rows, dataset.Columns = film.grid.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, _STORED_BITS, _STORED_BITS - 1
    dataset.PixelRepresentation = 0
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.PresentationLUTShape = "IDENTITY"
    full = 2**_STORED_BITS - 1
    dataset.WindowCenter, dataset.WindowWidth = f"{(full + 1) / 2}", f"{full + 1}"
    dataset.LossyImageCompression = "00"
    dataset.PixelData = np.round(picture.image * full).astype("<u2").tobytes()
    return dataset
