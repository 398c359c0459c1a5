"""Sources and analyses for the report tests: synthetic films with headers as units write them, findings by hand."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from edge.clock import Stamp
from edge.errors import reason
from edge.report.device import DeviceId
from edge.types import (
    Findings,
    Hand,
    Ignored,
    ImageFacts,
    Joint,
    Lesion,
    ModelId,
    NotAnalysed,
    QualityNote,
    RegionBurden,
    Tuft,
)

ROWS, COLUMNS = 600, 440
SOURCE_UID = "1.2.826.0.1.3680043.8.498.1001"
STUDY_UID = "1.2.826.0.1.3680043.8.498.1002"
SERIES_UID = "1.2.826.0.1.3680043.8.498.1003"
MODEL = ModelId("hand-calcinosis", "1.0.0", "ab" * 32, 0.3, 0.7)
DEVICE = DeviceId("calcedge project", "calcedge", "SN-0001", "0.1.0")
MADE_AT = Stamp(datetime(2026, 11, 22, 10, 30, 5, 250000, UTC), True, "boot", 5_000_000_000)


class Uids:
    """Counts up: the same calls give the same UIDs."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        """The next UID."""
        self.count += 1
        return f"2.25.{1000 + self.count}"


def film(rows: int = ROWS, columns: int = COLUMNS) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A grey ramp with a bright blob: enough for a picture test."""
    y, x = np.mgrid[0:rows, 0:columns]
    grey = 40 + 120 * np.exp(-(((x - columns / 2) / (columns / 3)) ** 2) - ((y - rows / 2) / (rows / 2)) ** 2)
    return np.asarray(grey, dtype=np.uint8)


def png(pixels: np.ndarray[Any, Any] | None = None) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(film() if pixels is None else pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def source(sop_class: str = DigitalXRayImageStorageForPresentation, /, **values: Any) -> Dataset:
    """An image as a unit sends it; `values` override attributes, None removes one."""
    ds = Dataset()
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = SOURCE_UID
    ds.StudyInstanceUID = STUDY_UID
    ds.SeriesInstanceUID = SERIES_UID
    ds.PatientName = "Perez^Maria"
    ds.PatientID = "P-4711"
    ds.PatientBirthDate = "19600214"
    ds.PatientSex = "F"
    ds.StudyID = "S1"
    ds.StudyDate = "20261122"
    ds.StudyTime = "101500"
    ds.AccessionNumber = "A123"
    ds.ReferringPhysicianName = "Gomez^Luis"
    ds.Modality = {
        ComputedRadiographyImageStorage: "CR",
        SecondaryCaptureImageStorage: "RG",
    }.get(sop_class, "DX")  # type: ignore[call-overload]
    ds.BodyPartExamined = "HAND"
    ds.Rows, ds.Columns = ROWS, COLUMNS
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PixelRepresentation = 0
    ds.ImagerPixelSpacing = [0.15, 0.15]
    ds.PixelData = film().tobytes()
    for keyword, value in values.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def save(ds: Dataset, path: Path) -> Path:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.save_as(path, enforce_file_format=True)
    return path


def lesion(n: int, region: str, x: float, y: float, **values: Any) -> Lesion:
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    polygon = tuple((round(x + 9.25 * np.cos(a), 2), round(y + 7.5 * np.sin(a), 2)) for a in angles)
    fields: dict[str, Any] = {
        "hand": 0,
        "score": 0.9321,
        "certainty": "definite",
        "bbox": (int(x - 9), int(y - 7), int(x + 9), int(y + 7)),
        "area_mm2": 6.1234,
        "long_axis_mm": 4.0506,
        "density_grade": 2,
        "type": "stone",
        "distribution": "cluster",
        "bodies": 3,
    }
    return Lesion(id=n, region=region, polygon=polygon, **(fields | values))


def hand(side: Any = "L", **values: Any) -> Hand:
    fields: dict[str, Any] = {
        "bbox": (40, 30, 400, 580),
        "burden_index": 31.4567,
        "regions": {"DP2": RegionBurden(6.1234, 182.0, 2, 2.2431), "PP1": RegionBurden(0.0, 240.5, 0, 0.0)},
        "joints": {"DIP2": Joint(210.0, 150.0, 0.61, 2), "PIP3": Joint(200.0, 240.0)},
        "tufts": {"DP2": Tuft(205.0, 90.0, 1, 0.71), "DP3": Tuft(230.0, 80.0)},
    }
    return Hand(side=side, **(fields | values))


def findings(**values: Any) -> Findings:
    fields: dict[str, Any] = {
        "source": "hand.dcm",
        "sop_instance_uid": SOURCE_UID,
        "model": MODEL,
        "image": ImageFacts(ROWS, COLUMNS, 0.15, "ImagerPixelSpacing"),
        "quality": (QualityNote("clipped-fingertip", "note", "A fingertip is cut off."),),
        "hands": (hand(),),
        "lesions": (
            lesion(1, "DP2", 210, 110),
            lesion(
                2, "DP1", 90, 260, score=0.41, certainty="possible", type="amorphous", distribution="single", bodies=1
            ),
            lesion(3, "DP2", 240, 130, score=0.75, type="plate"),
            lesion(4, "CARPUS", 220, 520, score=0.12, certainty="below"),
        ),
        "ignored": (Ignored("sesamoid", "PP1", (100, 300, 110, 310), 0.88),),
        "timing_ms": {"total": 330.0},
    }
    return Findings(**(fields | values))


def not_analysed(code: str = "unusable-image", **values: Any) -> NotAnalysed:
    return NotAnalysed(source="hand.dcm", reason=reason(code), sop_instance_uid=SOURCE_UID, **values)
