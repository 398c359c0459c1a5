"""Worklist items of synthetic patients."""

from __future__ import annotations

from datetime import date

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid


def item(number: int = 1, *, day: date | None = None, description: str = "XR HAND PA LT", **tags: object) -> Dataset:
    """One order, for today unless another day is given; `tags` replace by keyword."""
    step = Dataset()
    step.ScheduledStationAETitle, step.Modality = "CALCEDGE", "DX"
    step.ScheduledProcedureStepStartDate = f"{day or date.today():%Y%m%d}"  # noqa: DTZ011 - the worklist's local day
    step.ScheduledProcedureStepStartTime = f"{8 + number % 10:02d}1500"
    step.ScheduledPerformingPhysicianName = ""
    step.ScheduledProcedureStepDescription, step.ScheduledProcedureStepID = description, f"SPS{number}"
    step.ScheduledStationName = step.ScheduledProcedureStepLocation = ""
    step.ScheduledProtocolCodeSequence = []
    order = Dataset()
    order.SpecificCharacterSet = "ISO_IR 192"
    order.AccessionNumber, order.ReferringPhysicianName = f"A{number:04d}", ""
    order.PatientName, order.PatientID = f"Test^Patient {number}", f"T{number:04d}"
    order.PatientBirthDate, order.PatientSex = "19600101", "F"
    order.StudyInstanceUID = generate_uid(entropy_srcs=["order", str(number)])
    order.RequestedProcedureID, order.RequestedProcedureDescription = f"RP{number}", description
    order.ScheduledProcedureStepSequence = [step]
    for keyword, value in tags.items():
        setattr(order, keyword, value)
    return order
