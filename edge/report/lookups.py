"""Answers highdicom's two questions about films, so that it needn't look them up.

It asks for every outline and every drawing whether the film's kind of object may have many frames, and whether it has
pixels. To find out it would read the whole standard: 60 MB of memory and 0.3 s of a processor at each start.
What always holds: the answers are those that it would find.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from highdicom import _standard_utils
from highdicom.sr import content
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)

FILMS: Final = frozenset(
    {
        ComputedRadiographyImageStorage,
        DigitalXRayImageStorageForPresentation,
        DigitalXRayImageStorageForProcessing,
        SecondaryCaptureImageStorage,
    }
)
"""What admission lets in."""
ANSWERS: Final = {"NumberOfFrames": False, "PixelData": True}
"""Whether a film's kind of object has the attribute (PS3.3 A.2.3, A.8.1.3, A.26.3)."""

looked_up = _standard_utils.is_attribute_in_iod
"""highdicom's own way."""


def mend() -> None:
    """Puts the answers in place. May be called often."""
    _standard_utils.is_attribute_in_iod = answer
    content.is_attribute_in_iod = answer  # type: ignore[attr-defined]  # it took the name over


def answer(attribute: str, sop_class_uid: str, exclude_path_elements: Sequence[str] | None = None) -> bool:
    """Whether objects of the class may have the attribute."""
    if sop_class_uid in FILMS and attribute in ANSWERS:
        return ANSWERS[attribute]
    return bool(looked_up(attribute, sop_class_uid, exclude_path_elements))
