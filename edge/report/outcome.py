"""What became of an analysis, and of the image's quality, as codes: the same in every object."""

from __future__ import annotations

from pydicom.sr.coding import Code

from edge.report import codes
from edge.types import Analysis, NotAnalysed


def outcome_code(analysis: Analysis) -> Code:
    """The coded outcome (CID 6047). Without a pixel spacing nothing could be measured: then it is partial."""
    if isinstance(analysis, NotAnalysed):
        return codes.NOT_ANALYSED
    found = analysis.outcome == "findings"
    if analysis.image.mm_per_pixel is None:
        return codes.PARTLY_WITH_FINDINGS if found else codes.PARTLY_WITHOUT_FINDINGS
    return codes.SUCCEEDED_WITH_FINDINGS if found else codes.SUCCEEDED_WITHOUT_FINDINGS


def quality_code(analysis: Analysis) -> Code | None:
    """The coded quality of the image, None when the analysis says nothing of it: most refusals don't."""
    if isinstance(analysis, NotAnalysed):
        return codes.UNUSABLE if analysis.reason.code == "unusable-image" else None
    warned = any(note.severity == "warning" for note in analysis.quality)
    return codes.USABLE_WITH_WARNING if warned else codes.USABLE
