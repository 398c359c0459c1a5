"""One report of an invented film, made and thrown away, so that the first real one does not wait for what loads late.

highdicom and its tables, Pillow's codecs and its typeface take about a second to load.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, generate_uid

from edge.clock import Stamp
from edge.report.capture import secondary_capture
from edge.report.device import DeviceId
from edge.report.document import Setting, to_bytes
from edge.report.grey import Grey
from edge.report.header import Source
from edge.report.keyobject import key_object
from edge.report.overlay import overlay
from edge.report.presentation import presentation_state
from edge.report.segmentation import segmentation
from edge.report.structured import structured_report
from edge.report.tracked import track
from edge.types import Findings, Hand, ImageFacts, Lesion, ModelId, RegionBurden

_UIDS: Final = {
    "SOPClassUID": str(DigitalXRayImageStorageForPresentation),
    "SOPInstanceUID": "2.25.1",
    "StudyInstanceUID": "2.25.2",
    "SeriesInstanceUID": "2.25.3",
    "Modality": "DX",
}
_LESION: Final = Lesion(
    id=1,
    hand=0,
    region="DP2",
    score=0.5,
    certainty="possible",
    polygon=((20.0, 20.0), (30.0, 20.0), (25.0, 30.0)),
    bbox=(20, 20, 30, 30),
    area_mm2=1.0,
    long_axis_mm=1.0,
    density_grade=1,
    type="stone",
    distribution="single",
    bodies=1,
)
_FINDINGS: Final = Findings(
    source="rehearsal",
    sop_instance_uid="2.25.1",
    model=ModelId("rehearsal", "0", ""),
    image=ImageFacts(64, 64, 0.1, "PixelSpacing"),
    quality=(),
    hands=(Hand("L", (0, 0, 63, 63), 1.0, {"DP2": RegionBurden(1.0, 2.0, 1, 1.0)}, {}, {}),),
    lesions=(_LESION,),
    ignored=(),
)
_ONE_PIXEL_PNG: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63680000008200"
    "8177cd72b60000000049454e44ae426082",
)


def rehearse() -> None:
    """Runs every part once on invented values. Nothing is kept."""
    source = Source(defaultdict(str, _UIDS), (), 64, 64, ())
    device = DeviceId("", "rehearsal", "", "")
    made_at = Stamp(datetime(2000, 1, 1, tzinfo=UTC), trusted=False, boot="", monotonic_ns=0)
    setting = Setting(source, made_at, device, lambda: str(generate_uid(prefix=None)), None)
    tracked = track(_FINDINGS, setting.uid)
    state = presentation_state(setting, tracked, (64, 64), Grey(Dataset(), Dataset(), inverse=False, aspect=(1, 1)))
    picture = overlay(_FINDINGS, _ONE_PIXEL_PNG, made_at=made_at, device=device)
    for ds in (
        structured_report(setting, _FINDINGS, tracked),
        secondary_capture(setting, _FINDINGS, picture),
        segmentation(setting, _FINDINGS, tracked, (64, 64)),
        state,
        key_object(setting, _FINDINGS, state),
    ):
        to_bytes(ds)
