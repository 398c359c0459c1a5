"""A release inside the appliance's own analysis: what is measured here is what a technician would see.

Pictures go in as DICOM, as they would from a unit. `LISTING` thresholds list every body by itself with its score, so
that one pass serves every threshold; with the release's own thresholds the analysis is the one that is shown.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from edge.detector import anatomy, bundle, golden, prepare
from edge.detector.analyse import Analyser
from edge.detector.engine import Engine
from edge.types import Findings, NotAnalysed

LISTING: Final[Mapping[str, float]] = {"possible": 1.0, "definite": 1.0, "hand_confidence": 0.0}
"""A *possible* threshold that no body reaches: bodies are then listed one by one, not as clusters."""
_DX: Final = UID("1.2.840.10008.5.1.4.1.1.1.1")
_INSTANCE: Final = UID("2.25.20261122")


class Appliance:
    """A release, loaded with other thresholds than its own; use it in a `with` statement."""

    def __init__(self, release: Path, thresholds: Mapping[str, float] = LISTING, *, threads: int = 1) -> None:
        """Loads a copy of the release.

        Args:
            release: its folder.
            thresholds: those that shall differ from the manifest's; none for the release as it is.
            threads: for the networks.

        Raises:
            ModelError: if the release can't be used.
        """
        self._scratch = tempfile.TemporaryDirectory(prefix="calcedge-evaluation-")
        folder = Path(self._scratch.name)
        shutil.copytree(release, folder / "release")
        self._set(folder / "release" / "manifest.json", thresholds)
        loaded = bundle.load(folder / "release")
        self._bundle, self._file = loaded, folder / "film.dcm"
        self._analyser = Analyser(folder / "release", threads=threads)
        self._engine = Engine(loaded, threads=threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._scratch.cleanup()

    def analyse(
        self, image: prepare.Image, mm_per_pixel: float | None, *, all_scores: bool = True
    ) -> Findings | NotAnalysed:
        """The analysis of a picture, 0 to 1; without millimetres per pixel the appliance estimates them."""
        dicom(image, mm_per_pixel).save_as(self._file, enforce_file_format=True)
        seen = self._analyser.analyse(self._file, golden.header(self._file), source="film", all_scores=all_scores)
        return seen.analysis

    def confidence(self, image: prepare.Image) -> float:
        """How sure the anatomy network is of the likeliest hand; 0 when it sees none."""
        hands = anatomy.candidates(image, self._engine.anatomy, self._bundle.anatomy, self._bundle.thresholds)
        return max((hand.confidence for hand in hands), default=0.0)

    @staticmethod
    def _set(manifest: Path, thresholds: Mapping[str, float]) -> None:
        content: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        content["thresholds"] |= thresholds
        manifest.write_text(json.dumps(content), encoding="utf-8")


def dicom(image: prepare.Image, mm_per_pixel: float | None) -> Dataset:
    """A picture, 0 to 1, as a DX object of 12 bits. The same picture gives the same object."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = _DX
    meta.MediaStorageSOPInstanceUID = _INSTANCE
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = _DX, _INSTANCE
    dataset.Modality, dataset.PresentationIntentType = "DX", "FOR PRESENTATION"
    dataset.Rows, dataset.Columns = image.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.WindowCenter, dataset.WindowWidth = "2048", "4096"
    if mm_per_pixel is not None:
        dataset.ImagerPixelSpacing = [f"{mm_per_pixel:.6f}"] * 2
    dataset.PixelData = np.round(image * 4095).astype("<u2").tobytes()
    return dataset
