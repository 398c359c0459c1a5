"""The structured report: Comprehensive 3D SR around the content of `content`.

CompletionFlag is COMPLETE (the software has said all it has to say), VerificationFlag UNVERIFIED (no person has
looked), PreliminaryFlag PRELIMINARY (a clinician's reading is the definitive means of communicating findings,
PS3.3 C.17.2). The source image is the evidence; the study is the source's own, the series new.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset

from edge.report import codes
from edge.report.content import Content
from edge.report.device import DeviceId
from edge.report.document import Setting, new_object, utc_dicom
from edge.report.references import evidence, put_requests
from edge.report.tracked import Tracked
from edge.types import Analysis


def structured_report(setting: Setting, analysis: Analysis, tracked: Sequence[Tracked]) -> Dataset:
    """The report as a dataset. `tracked` are the lesions it shows, with the names and UIDs they go by."""
    ds = new_object(setting, "structured-report")
    ds.CompletionFlag = "COMPLETE"
    ds.VerificationFlag = "UNVERIFIED"
    ds.PreliminaryFlag = "PRELIMINARY"
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.PerformedProcedureCodeSequence = []
    ds.CurrentRequestedProcedureEvidenceSequence = [evidence(setting.source)]
    put_requests(ds, setting.source)
    ds.CodingSchemeIdentificationSequence = [_private_scheme(setting.device)]
    for element in Content(setting, analysis, tracked).root():
        ds.add(element)
    ds.ObservationDateTime = utc_dicom(setting.made_at)
    return ds


def _private_scheme(device: DeviceId) -> Dataset:
    ds = Dataset()
    ds.CodingSchemeDesignator = codes.SCHEME
    ds.CodingSchemeName = codes.SCHEME_NAME
    ds.CodingSchemeResponsibleOrganization = device.manufacturer
    return ds
