"""Synthetic radiographs as DICOM files, seeded. No hand is in them: they are for the line, not for the detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid


def film(seed: int = 0, rows: int = 256, columns: int = 192, **tags: object) -> Dataset:
    """A CR image, 12 bits, with the identity and technique of a synthetic patient; `tags` replace by keyword."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns]
    shade = 2000 + 1500 * np.sin(x / columns * 6.0) * np.cos(y / rows * 4.0)
    pixels = np.clip(shade + rng.normal(0, 30, (rows, columns)), 0, 4095).astype(np.uint16)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["film", str(seed)])
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study", str(seed)])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series", str(seed)])
    dataset.StudyDate, dataset.StudyTime = "20261122", "101500"
    dataset.AcquisitionDate, dataset.AcquisitionTime = "20261122", "101500"
    dataset.Modality = "CR"
    dataset.PatientName, dataset.PatientID = f"Test^Patient {seed}", f"T{seed:04d}"
    dataset.PatientBirthDate, dataset.PatientSex = "19600101", "F"
    dataset.AccessionNumber, dataset.StudyID, dataset.ReferringPhysicianName = "", "1", ""
    dataset.SeriesNumber, dataset.InstanceNumber = "1", "1"
    dataset.BodyPartExamined, dataset.ViewPosition, dataset.Laterality = "HAND", "PA", "L"
    dataset.KVP, dataset.XRayTubeCurrent, dataset.ExposureTime, dataset.Exposure = "50", "100", "25", "3"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.ImagerPixelSpacing = ["0.15", "0.15"]
    dataset.PixelData = pixels.tobytes()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


def write(dataset: Dataset, path: Path) -> Path:
    """Writes a data set as a DICOM file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path
