"""The overlay picture as a DICOM object: Secondary Capture Image, 8-bit RGB (PS3.3 A.8.1).

It is derived from the source and says so; it carries no pixel spacing, because nobody should measure on it. Whether
a patient's name can be read in it (Burned In Annotation) is what the source says of itself: we draw none.
"""

from __future__ import annotations

from PIL import Image
from pydicom.dataset import Dataset

from edge.report import codes, wording
from edge.report.document import Setting, local_time, new_object, put_body_part, put_compression
from edge.types import Analysis


def secondary_capture(setting: Setting, analysis: Analysis, picture: Image.Image) -> Dataset:
    """The picture as a dataset."""
    source, device = setting.source, setting.device
    ds = new_object(setting, "overlay")
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
    put_body_part(ds, source)
    if source["BurnedInAnnotation"]:
        ds.BurnedInAnnotation = source["BurnedInAnnotation"]
    put_compression(ds, source)
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
