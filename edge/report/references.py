"""How an object says what it is about: the source image, its order, and other objects of the same report."""

from __future__ import annotations

from collections.abc import Mapping

from pydicom.dataset import Dataset

from edge.report.header import Source


def evidence(source: Source, *siblings: Dataset) -> Dataset:
    """An item of Current Requested Procedure Evidence Sequence: the source, and objects of the same report."""
    study = Dataset()
    study.StudyInstanceUID = source["StudyInstanceUID"]
    study.ReferencedSeriesSequence = [
        _series(source["SeriesInstanceUID"], referenced(source)),
        *(_series(str(sibling.SeriesInstanceUID), instance(sibling)) for sibling in siblings),
    ]
    return study


def source_series(source: Source, *, tag: str) -> Dataset:
    """An item of Referenced Series Sequence with the source; `tag` names the sequence its instance stands in."""
    series = Dataset()
    series.SeriesInstanceUID = source["SeriesInstanceUID"]
    setattr(series, tag, [referenced(source)])
    return series


def referenced(source: Source) -> Dataset:
    """The source as a referenced instance."""
    return _instance(source["SOPClassUID"], source["SOPInstanceUID"])


def instance(ds: Dataset) -> Dataset:
    """An object of ours as a referenced instance."""
    return _instance(str(ds.SOPClassUID), str(ds.SOPInstanceUID))


def put_requests(ds: Dataset, source: Source) -> None:
    """Names the orders that the source was made for, where it names any."""
    if source.requests or source["AccessionNumber"]:
        ds.ReferencedRequestSequence = [_request(source, item) for item in source.requests or ({},)]


def _series(uid: str, item: Dataset) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = uid
    series.ReferencedSOPSequence = [item]
    return series


def _instance(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item


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
