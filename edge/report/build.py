"""Makes all report objects of one analysis. The only door into the package.

What the reports are made with takes about a second to load; `warm_up` lets a process do that before an image waits.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from edge.clock import Stamp
from edge.errors import ReportError
from edge.report.device import DeviceId
from edge.report.document import Setting, to_bytes
from edge.report.header import Source, read_source
from edge.report.overlay import overlay
from edge.report.verify import verify
from edge.types import Analysis, ReportKind, ReportObject
from edge.wire import to_json

__all__ = ["DeviceId", "make_reports", "warm_up"]


def new_uid() -> str:
    """A fresh UUID-derived UID (PS3.5 B.2)."""
    return str(generate_uid(prefix=None))


def warm_up() -> None:
    """Loads what the first report needs, about a second's worth."""
    from edge.report.lookups import mend  # noqa: PLC0415 - brings highdicom: not before a report is near
    from edge.report.rehearsal import rehearse  # noqa: PLC0415

    mend()
    rehearse()


def make_reports(
    source: Path,
    analysis: Analysis,
    picture_png: bytes | None,
    *,
    made_at: Stamp,
    device: DeviceId,
    uid: Callable[[], str] = new_uid,
) -> tuple[ReportObject, ...]:
    """All objects of one analysis (`kinds.KINDS`), each read back and compared with `source`.

    The same arguments give the same bytes.

    Args:
        source: the DICOM object as received. It is read, never changed.
        analysis: what the detector said of it.
        picture_png: the film as 8-bit grey PNG, bright = dense, full size; None when it could not be decoded.
        made_at: the moment to write into the objects.
        device: the appliance.
        uid: where new UIDs come from.

    Raises:
        ReportError: `missing-identity` when the source lacks a UID, `report-mismatch` when the analysis is of
            another image or an object read back differs from its source, `report-failed` when the source's header
            or the picture can't be read, or a value has no place in a report.
    """
    from edge.report.lookups import mend  # noqa: PLC0415 - see warm_up
    from edge.report.objects import objects  # noqa: PLC0415

    mend()

    header = read_source(source)
    setting = Setting(header, made_at, device, uid, _character_set(header, analysis, device))
    try:
        made = objects(setting, analysis, overlay(analysis, picture_png, made_at=made_at, device=device), source)
    except OSError as error:
        raise ReportError("report-failed", "the picture can't be read") from error
    except (KeyError, TypeError, ValueError) as error:  # highdicom's answer to a class or a value that it doesn't know
        raise ReportError("report-failed", type(error).__name__) from error
    siblings = frozenset(str(ds.SOPInstanceUID) for ds in made.values())
    return tuple(_verified(kind, ds, source, analysis, siblings) for kind, ds in made.items())


def _verified(
    kind: ReportKind, ds: Dataset, source: Path, analysis: Analysis, siblings: frozenset[str]
) -> ReportObject:
    content = to_bytes(ds)
    verify(kind, content, source, analysis, siblings)
    return ReportObject(kind, str(ds.SOPClassUID), str(ds.SOPInstanceUID), content)


def _character_set(header: Source, analysis: Analysis, device: DeviceId) -> str | None:
    """UTF-8 when any text that will be written is beyond ASCII, otherwise none is stated."""
    ours = (to_json(analysis), device.manufacturer, device.model, device.serial, device.software_version)
    return header.character_set if all(text.isascii() for text in ours) else "ISO_IR 192"
