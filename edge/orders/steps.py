"""The messages of a performed procedure step. Rules without I/O. Source: PS3.4 table F.7.2-1.

Patient and order are copied from the worklist's item, element by element, in the item's own character set: so names
come back byte for byte as they were given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydicom import Dataset
from pydicom.uid import generate_uid

from edge.orders.item import item_of, step_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from edge.store.exposures import Exposure
    from edge.store.orders import Order
    from edge.store.performed import Outcome, PerformedStep
    from edge.types import Identity

_PATIENT: Final = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
_SCHEDULED: Final = ("ScheduledProcedureStepDescription", "ScheduledProcedureStepID", "ScheduledProtocolCodeSequence")
_REQUESTED: Final = ("AccessionNumber", "StudyInstanceUID", "RequestedProcedureID", "RequestedProcedureDescription")


@dataclass(frozen=True, slots=True)
class Done:
    """What was made for an order."""

    images: Sequence[Identity]
    exposures: Sequence[Exposure]


def create(order: Order, step: PerformedStep, title: str, started: datetime) -> Dataset:
    """The N-CREATE: work on the order has begun. `started` is local time."""
    item = item_of(order.facts)
    scheduled = step_of(item)
    message = Dataset()
    if "SpecificCharacterSet" in item:
        message["SpecificCharacterSet"] = item["SpecificCharacterSet"]
    _copy(item, message, _PATIENT)
    request = Dataset()
    _copy(item, request, _REQUESTED)
    _copy(scheduled, request, _SCHEDULED)
    request.ReferencedStudySequence = item.get("ReferencedStudySequence") or []
    message.ScheduledStepAttributesSequence = [request]
    message.ReferencedPatientSequence = item.get("ReferencedPatientSequence") or []
    message.PerformedProcedureStepID = f"CE{step.id}"
    message.PerformedStationAETitle = title
    message.PerformedStationName = message.PerformedLocation = ""
    message.PerformedProcedureStepStartDate = f"{started:%Y%m%d}"
    message.PerformedProcedureStepStartTime = f"{started:%H%M%S}"
    message.PerformedProcedureStepStatus = "IN PROGRESS"
    message.PerformedProcedureStepDescription = _short(order.facts.description)
    message.PerformedProcedureTypeDescription = ""
    message.ProcedureCodeSequence = item.get("RequestedProcedureCodeSequence") or []
    message.PerformedProcedureStepEndDate = message.PerformedProcedureStepEndTime = ""
    message.Modality = order.facts.modality or "DX"
    message.StudyID = order.facts.procedure_id
    message.PerformedProtocolCodeSequence = scheduled.get("ScheduledProtocolCodeSequence") or []
    message.PerformedSeriesSequence = []
    return message


def end(order: Order, outcome: Outcome, done: Done, ended: datetime) -> Dataset:
    """The N-SET that ends the step, with what was made and at what exposure. `ended` is local time."""
    message = Dataset()
    message.PerformedProcedureStepStatus = outcome
    message.PerformedProcedureStepEndDate = f"{ended:%Y%m%d}"
    message.PerformedProcedureStepEndTime = f"{ended:%H%M%S}"
    series = list(dict.fromkeys(image.series_instance_uid for image in done.images))
    if not series and outcome == "COMPLETED":
        series = [str(generate_uid(entropy_srcs=[order.facts.study_instance_uid, order.facts.step_id]))]
    message.PerformedSeriesSequence = [_series(uid, order, done.images) for uid in series]
    if done.exposures:
        message.TotalNumberOfExposures = len(done.exposures)
        message.ExposureDoseSequence = [_dose(exposure) for exposure in done.exposures]
    return message


def _series(uid: str, order: Order, images: Sequence[Identity]) -> Dataset:
    series = Dataset()
    series.PerformingPhysicianName = series.OperatorsName = series.SeriesDescription = series.RetrieveAETitle = ""
    series.ProtocolName = _short(order.facts.description) or "HAND"
    series.SeriesInstanceUID = uid
    series.ReferencedImageSequence = [_reference(image) for image in images if image.series_instance_uid == uid]
    series.ReferencedNonImageCompositeSOPInstanceSequence = []
    return series


def _reference(image: Identity) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.sop_class_uid, image.sop_instance_uid
    return item


def _dose(exposure: Exposure) -> Dataset:
    item = Dataset()
    item.KVP = f"{exposure.kvp:.1f}"
    item.XRayTubeCurrentInuA = f"{exposure.tube_current_ma * 1000:.0f}"
    item.ExposureTime = f"{exposure.exposure_time_ms:.0f}"
    return item


def _copy(source: Dataset, target: Dataset, keywords: Sequence[str]) -> None:
    for keyword in keywords:
        if keyword in source:
            target[keyword] = source[keyword]
        elif not keyword.endswith("Sequence"):
            setattr(target, keyword, "")
        else:
            setattr(target, keyword, [])


def _short(text: str) -> str:
    """A value of VR LO: 64 characters, no backslash."""
    return text.replace("\\", " ")[:64]
