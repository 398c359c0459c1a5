"""What one analysis is made into: every kind of object, its class, its series.

The literal table that `docs/report.md` and the conformance statement are checked against.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pydicom.uid import (
    Comprehensive3DSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from edge.types import ReportKind

Made = Literal["always", "findings"]
"""Of every analysis, or only when there is something to point at."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object. `word` stands in Series Description: `calcedge 0.1.0 report (unverified)`."""

    sop_class_uid: str
    modality: str
    series_number: int
    word: str
    made: Made


KINDS: Final[Mapping[ReportKind, Kind]] = {
    "structured-report": Kind(Comprehensive3DSRStorage, "SR", 9801, "report", "always"),
    "overlay": Kind(SecondaryCaptureImageStorage, "OT", 9802, "overlay", "always"),
    "segmentation": Kind(SegmentationStorage, "SEG", 9803, "segmentation", "findings"),
    "presentation-state": Kind(GrayscaleSoftcopyPresentationStateStorage, "PR", 9804, "outlines", "findings"),
    "key-object": Kind(KeyObjectSelectionDocumentStorage, "KO", 9805, "key image", "findings"),
}
"""In the order in which they are made and sent: the report first."""
