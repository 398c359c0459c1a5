"""Makes all report objects of one analysis. The only door into the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydicom.uid import generate_uid

from edge.clock import Stamp
from edge.errors import ReportError
from edge.report.device import DeviceId
from edge.types import Analysis, ReportObject

__all__ = ["DeviceId", "make_reports"]


def new_uid() -> str:
    """A fresh UUID-derived UID (PS3.5 B.2)."""
    return str(generate_uid(prefix=None))


def make_reports(
    source: Path,
    analysis: Analysis,
    picture_png: bytes | None,
    *,
    made_at: Stamp,
    device: DeviceId,
    uid: Callable[[], str] = new_uid,
) -> tuple[ReportObject, ...]:
    """The structured report and the overlay picture of one analysis, each read back and compared with `source`.

    Args:
        source: the DICOM object as received. It is read, never changed.
        analysis: what the detector said of it.
        picture_png: the film as 8-bit grey PNG, bright = dense, full size; None when it could not be decoded.
        made_at: the moment to write into the objects.
        device: the appliance.
        uid: where new UIDs come from.

    Raises:
        ReportError: `missing-identity` when the source has no study or instance UID, `report-mismatch` when an
            object read back differs from its source, `report-failed` for anything else that stops the report.
    """
    raise ReportError(
        "report-failed",
        f"{source.name}: not built yet {analysis.outcome} {picture_png is None} {made_at.iso} {device.model} {uid}",
    )
