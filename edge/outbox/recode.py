"""Writes a DICOM object in another, uncompressed transfer syntax: `python -m edge.outbox.recode SOURCE TARGET SYNTAX`.

Runs as a process of its own with bounded memory and time, because it decodes pixels that came from outside. The copy
keeps every element as it was, identifiers and the bytes of names included; that is compared before it ends with 0.
"""

from __future__ import annotations

import resource
import sys
from array import array
from io import BytesIO
from pathlib import Path
from typing import Final

from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from edge.quiet import PARSER_ERRORS, reading

_MEMORY_BYTES: Final = 2 << 30
_CPU_S: Final = 60
_PIXELS: Final = frozenset({"PixelData", "PhotometricInterpretation", "PlanarConfiguration", "SamplesPerPixel"})
"""What decompression may change: samples, and how colour is written (PS3.5 section 8.2)."""


_WORDS: Final = frozenset({"OW", "OF", "OD", "OL", "OV"})


def recode(source: Path, target: Path, transfer_syntax_uid: str) -> bool:
    """Writes the copy. False when it would not be the same object."""
    dataset = dcmread(source, force=True)
    stated = getattr(dataset, "file_meta", FileMetaDataset()).get("TransferSyntaxUID")
    if stated is None:
        implicit, _ = dataset.original_encoding
        stated = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    before = _fingerprint(dataset)
    if UID(stated).is_encapsulated:
        dataset.decompress(generate_instance_uid=False)
    if not UID(stated).is_little_endian and not _turn(dataset):
        return False
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    dcmwrite(target, dataset, enforce_file_format=True)
    return _fingerprint(dcmread(target)) == before


def _turn(dataset: Dataset) -> bool:
    """Turns the bytes of pixels that were big endian. False when something else would have to be turned too."""
    words = [element for element in dataset.iterall() if element.VR in _WORDS]  # reading all turns the short values
    if any(element.keyword != "PixelData" for element in words) or dataset.get("BitsAllocated") != 16:
        return False
    if words:
        pixels = array("H", dataset.PixelData)
        pixels.byteswap()
        dataset.PixelData = pixels.tobytes()
    return True


def _fingerprint(dataset: Dataset) -> bytes:
    """Everything but the pixels, in the encoding that has no types: a reader may not know those of private elements."""
    plain = Dataset({tag: dataset[tag] for tag in dataset.keys() if dataset[tag].keyword not in _PIXELS})  # noqa: SIM118 - a data set iterates over elements
    buffer = BytesIO()
    plain.save_as(buffer, implicit_vr=True, little_endian=True)
    return buffer.getvalue()


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(arguments: list[str]) -> int:
    """Exits with 0 when the copy is there and the same object."""
    source, target, transfer_syntax_uid = arguments
    _limit()
    with reading():
        try:
            return 0 if recode(Path(source), Path(target), transfer_syntax_uid) else 1
        except (*PARSER_ERRORS, OSError, RuntimeError, MemoryError):
            return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
