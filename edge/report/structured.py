"""The structured report: Comprehensive 3D SR around the content of `content`.

CompletionFlag is COMPLETE (the software has said all it has to say), VerificationFlag UNVERIFIED (no person has
looked), PreliminaryFlag PRELIMINARY (a clinician's reading is the definitive means of communicating findings,
PS3.3 C.17.2). The source image is the evidence; the study is the source's own, the series new.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage

from edge.report import codes
from edge.report.content import Content
from edge.report.device import DeviceId
from edge.report.document import Place, Setting, new_object, utc_dicom
from edge.report.header import Source
from edge.types import Analysis

SERIES_NUMBER: Final = 9801


def structured_report(setting: Setting, analysis: Analysis) -> Dataset:
    """The report as a dataset. UIDs are taken in order: series, instance, then one for each group."""
    source, device, uid = setting.source, setting.device, setting.uid
    place = Place(
        sop_class_uid=Comprehensive3DSRStorage,
        series_instance_uid=uid(),
        sop_instance_uid=uid(),
        series_number=SERIES_NUMBER,
        series_description=f"calcedge {device.software_version} report (unverified)",
        modality="SR",
    )
    ds = new_object(setting, place)
    ds.CompletionFlag = "COMPLETE"
    ds.VerificationFlag = "UNVERIFIED"
    ds.PreliminaryFlag = "PRELIMINARY"
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.PerformedProcedureCodeSequence = []
    ds.CurrentRequestedProcedureEvidenceSequence = [_evidence(source)]
    if source.requests or source["AccessionNumber"]:
        ds.ReferencedRequestSequence = [_request(source, item) for item in source.requests or ({},)]
    ds.CodingSchemeIdentificationSequence = [_private_scheme(device)]
    for element in Content(source, analysis, device, uid).root():
        ds.add(element)
    ds.ObservationDateTime = utc_dicom(setting.made_at)
    return ds


def _evidence(source: Source) -> Dataset:
    instance, series, study = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID = source["SOPClassUID"]
    instance.ReferencedSOPInstanceUID = source["SOPInstanceUID"]
    series.SeriesInstanceUID = source["SeriesInstanceUID"]
    series.ReferencedSOPSequence = [instance]
    study.StudyInstanceUID = source["StudyInstanceUID"]
    study.ReferencedSeriesSequence = [series]
    return study


def _request(source: Source, item: Mapping[str, str]) -> Dataset:
    ds = Dataset()
    ds.StudyInstanceUID = source["StudyInstanceUID"]
    ds.ReferencedStudySequence = []
    ds.AccessionNumber = source["AccessionNumber"]
    ds.PlacerOrderNumberImagingServiceRequest = ""
    ds.FillerOrderNumberImagingServiceRequest = ""
    ds.RequestedProcedureID = item.get("RequestedProcedureID", "")
    ds.RequestedProcedureDescription = item.get("RequestedProcedureDescription", "")
    ds.RequestedProcedureCodeSequence = []
    return ds


def _private_scheme(device: DeviceId) -> Dataset:
    ds = Dataset()
    ds.CodingSchemeDesignator = codes.SCHEME
    ds.CodingSchemeName = codes.SCHEME_NAME
    ds.CodingSchemeResponsibleOrganization = device.manufacturer
    return ds
