"""The set of objects of one analysis, built and not yet read back.

The report and the picture always; segmentation, outlines and key image only when there is a lesion to point at. A film
in colour has no greyscale presentation state; what is no image has none of the three.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from pydicom.dataset import Dataset

from edge.report.capture import secondary_capture
from edge.report.document import Setting
from edge.report.grey import read_grey
from edge.report.keyobject import key_object
from edge.report.presentation import presentation_state
from edge.report.segmentation import segmentation
from edge.report.structured import structured_report
from edge.report.tracked import track
from edge.types import Analysis, Findings, ReportKind


def objects(setting: Setting, analysis: Analysis, picture: Image.Image, source: Path) -> dict[ReportKind, Dataset]:
    """The objects by kind, in the order of `kinds.KINDS`. `source` is the file that `setting.source` was read from.

    Raises:
        ReportError: `report-failed` when the source can't be read.
    """
    tracked = track(analysis, setting.uid) if isinstance(analysis, Findings) else ()
    made: dict[ReportKind, Dataset] = {
        "structured-report": structured_report(setting, analysis, tracked),
        "overlay": secondary_capture(setting, analysis, picture),
    }
    rows, columns = setting.source.rows, setting.source.columns
    if not tracked or not isinstance(analysis, Findings) or not rows or not columns:
        return made
    made["segmentation"] = segmentation(setting, analysis, tracked, (rows, columns))
    if (grey := read_grey(source)) is not None:
        made["presentation-state"] = presentation_state(setting, tracked, (rows, columns), grey)
    made["key-object"] = key_object(setting, analysis, made.get("presentation-state"))
    return made
