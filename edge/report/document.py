"""What every object we write has in common: whose it is, who made it, when, and how it becomes bytes.

An object copies the patient and study of its source, opens a new series in the same study, and names the appliance
as its equipment. Attributes that the standard wants present (type 2) are present, empty when the source is silent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from typing import Final

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from edge import __version__
from edge.clock import Stamp
from edge.report.device import DeviceId
from edge.report.header import Source
from edge.report.kinds import KINDS
from edge.types import ReportKind

IMPLEMENTATION_CLASS_UID: Final = "2.25.102912810683148198975692960069126549253"
"""The one that associations state too (`edge.network`): a test compares them."""
IMPLEMENTATION_VERSION: Final = f"CALCEDGE_{__version__}"[:16]

_ALWAYS: Final = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
)
_COMPRESSION: Final = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
_ARM: Final = (
    "FINGER",
    "THUMB",
    "HAND",
    "WRIST",
    "FOREARM",
    "ELBOW",
    "ARM",
    "HUMERUS",
    "SHOULDER",
    "CLAVICLE",
    "SCAPULA",
)
_LEG: Final = ("TOE", "FOOT", "CALCANEUS", "ANKLE", "LEG", "KNEE", "FEMUR", "HIP")
_PAIRED: Final = frozenset((*_ARM, *_LEG, "EXTREMITY"))
"""Parts of which there are two: Laterality must be there, if only empty (type 2C, PS3.3 C.7.3.1)."""
_WHERE_STATED: Final = ("IssuerOfPatientID", "PatientAge", "StudyDescription", "TimezoneOffsetFromUTC")


@dataclass(frozen=True, slots=True)
class Setting:
    """What all objects of one report share: the source, the moment, the appliance, where UIDs come from.

    `character_set` is None when every text that is written is ASCII.
    """

    source: Source
    made_at: Stamp
    device: DeviceId
    uid: Callable[[], str]
    character_set: str | None


def new_object(setting: Setting, kind: ReportKind) -> Dataset:
    """A dataset with patient, study, series, equipment and SOP common modules filled in (PS3.3 C.7, C.12).

    It takes two UIDs, in this order: series, instance.
    """
    source, device, place = setting.source, setting.device, KINDS[kind]
    ds = Dataset()
    if setting.character_set:
        ds.SpecificCharacterSet = setting.character_set
    for keyword in _ALWAYS:
        setattr(ds, keyword, source[keyword])
    for keyword in _WHERE_STATED:
        if source[keyword]:
            setattr(ds, keyword, source[keyword])
    moment = local_time(source, setting.made_at)
    ds.SOPClassUID = place.sop_class_uid
    ds.SeriesInstanceUID = setting.uid()
    ds.SOPInstanceUID = setting.uid()
    ds.SeriesNumber = place.series_number
    ds.SeriesDescription = f"calcedge {device.software_version} {place.word} (unverified)"
    ds.Modality = place.modality
    ds.InstanceNumber = 1
    ds.SeriesDate = ds.ContentDate = ds.InstanceCreationDate = moment.strftime("%Y%m%d")
    ds.SeriesTime = ds.ContentTime = ds.InstanceCreationTime = moment.strftime("%H%M%S.%f")
    ds.Manufacturer = device.manufacturer
    ds.ManufacturerModelName = device.model
    ds.DeviceSerialNumber = device.serial
    ds.SoftwareVersions = device.software_version
    return ds


def put_body_part(ds: Dataset, source: Source) -> None:
    """Repeats body part and side (General Series, PS3.3 C.7.3.1)."""
    part = source["BodyPartExamined"]
    side = source["Laterality"] or source["ImageLaterality"].strip("UB")
    if side or not part or part in _PAIRED:
        ds.Laterality = side
    if part:
        ds.BodyPartExamined = part


def put_compression(ds: Dataset, source: Source) -> None:
    """Repeats what the source says of its lossy compression: no later step undoes it (PS3.3 C.7.6.1.1.5)."""
    if source["LossyImageCompression"] == "01":
        for keyword in _COMPRESSION:
            if source[keyword]:
                setattr(ds, keyword, source[keyword].split("\\"))


def local_time(source: Source, made_at: Stamp) -> datetime:
    """`made_at` in the time zone that dates of this object are in.

    That is the source's, where it states one (0008,0201), since one offset governs the whole object; otherwise the
    machine's, since an object without an offset is read as local time.
    """
    stated = source["TimezoneOffsetFromUTC"]
    if not stated:
        return made_at.utc.astimezone()
    ahead = timedelta(hours=int(stated[1:3]), minutes=int(stated[3:5]))
    return made_at.utc.astimezone(timezone(-ahead if stated[0] == "-" else ahead))


def utc_dicom(made_at: Stamp) -> str:
    """`made_at` as a DT value with its offset (PS3.5 table 6.2-1)."""
    return made_at.utc.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f+0000")


def to_bytes(ds: Dataset) -> bytes:
    """The object as a DICOM file, explicit VR little endian."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    ds.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    buffer = BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()
