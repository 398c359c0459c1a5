"""The overlay picture as a DICOM object: Secondary Capture Image, 8-bit RGB (PS3.3 A.8.1).

It is derived from the source and says so; it carries no pixel spacing, because nobody should measure on it. Whether
a patient's name can be read in it (Burned In Annotation) is what the source says of itself: we draw none.
"""

from __future__ import annotations

from typing import Final

from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from edge.report import codes, wording
from edge.report.document import Place, Setting, local_time, new_object
from edge.types import Analysis

SERIES_NUMBER: Final = 9802

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
_COMPRESSION: Final = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")


def secondary_capture(setting: Setting, analysis: Analysis, picture: Image.Image) -> Dataset:
    """The picture as a dataset. UIDs are taken in order: series, instance."""
    source, device = setting.source, setting.device
    place = Place(
        sop_class_uid=SecondaryCaptureImageStorage,
        series_instance_uid=setting.uid(),
        sop_instance_uid=setting.uid(),
        series_number=SERIES_NUMBER,
        series_description=f"calcedge {device.software_version} overlay (unverified)",
        modality="OT",
    )
    ds = new_object(setting, place)
    ds.ConversionType = "WSD"
    ds.SecondaryCaptureDeviceManufacturer = device.manufacturer
    ds.SecondaryCaptureDeviceManufacturerModelName = device.model
    ds.SecondaryCaptureDeviceSoftwareVersions = device.software_version
    moment = local_time(source, setting.made_at)
    ds.DateOfSecondaryCapture = moment.strftime("%Y%m%d")
    ds.TimeOfSecondaryCapture = moment.strftime("%H%M%S.%f")
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.DerivationDescription = "The film reduced in size, with automated findings drawn on it. Unverified."
    ds.ImageComments = " ".join(wording.summary(analysis))
    ds.PatientOrientation = []
    part = source["BodyPartExamined"]
    side = source["Laterality"] or source["ImageLaterality"].strip("UB")
    if side or not part or part in _PAIRED:
        ds.Laterality = side
    if part:
        ds.BodyPartExamined = part
    if source["BurnedInAnnotation"]:
        ds.BurnedInAnnotation = source["BurnedInAnnotation"]
    if source["LossyImageCompression"] == "01":
        for keyword in _COMPRESSION:
            if source[keyword]:
                setattr(ds, keyword, source[keyword].split("\\"))
    if source.rows is not None:
        ds.SourceImageSequence = [_derived_from(setting)]
    _put_pixels(ds, picture)
    return ds


def _derived_from(setting: Setting) -> Dataset:
    purpose, image = Dataset(), Dataset()
    purpose.CodeValue = codes.SOURCE_FOR_PROCESSING.value
    purpose.CodingSchemeDesignator = codes.SOURCE_FOR_PROCESSING.scheme_designator
    purpose.CodeMeaning = codes.SOURCE_FOR_PROCESSING.meaning
    image.ReferencedSOPClassUID = setting.source["SOPClassUID"]
    image.ReferencedSOPInstanceUID = setting.source["SOPInstanceUID"]
    image.PurposeOfReferenceCodeSequence = [purpose]
    return image


def _put_pixels(ds: Dataset, picture: Image.Image) -> None:
    assert picture.mode == "RGB", picture.mode
    ds.SamplesPerPixel = 3
    ds.PhotometricInterpretation = "RGB"
    ds.PlanarConfiguration = 0
    ds.Rows, ds.Columns = picture.height, picture.width
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PixelRepresentation = 0
    pixels = picture.tobytes()
    ds.PixelData = pixels if len(pixels) % 2 == 0 else pixels + b"\0"
