"""New images from the release's golden phantoms: other identifiers, the same film."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.peers.appliance import GOLDEN


def golden_files() -> list[Path]:
    """The release's golden images."""
    return sorted(GOLDEN.glob("*.dcm"))


def new_hand(number: int, example: Path | None = None) -> Dataset:
    """A golden phantom as the image of another exposure, told apart by `number`."""
    examples = golden_files()
    dataset = dcmread(example or examples[number % len(examples)])
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(dataset, keyword, generate_uid(entropy_srcs=["hand", keyword, str(number)]))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientID, dataset.PatientName = f"H{number:05d}", f"Hand^Number {number}"
    return dataset
