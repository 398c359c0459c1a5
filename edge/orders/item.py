"""The worklist as messages: what is asked, and what an item says. Rules without I/O. Source: PS3.4 annex K."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from pydicom import Dataset, dcmread
from pydicom.uid import ImplicitVRLittleEndian

from edge.orders.side import side_of
from edge.quiet import PARSER_ERRORS, reading
from edge.store.orders import OrderFacts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from edge.config import Worklist

_PATIENT: Final = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
_REQUEST: Final = (
    "AccessionNumber", "ReferringPhysicianName", "StudyInstanceUID", "RequestedProcedureID",
    "RequestedProcedureDescription", "RequestedProcedurePriority", "RequestingPhysician", "AdmissionID", "Laterality",
)  # fmt: skip
_STEP: Final = (
    "ScheduledStationAETitle", "ScheduledProcedureStepStartTime", "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepDescription", "ScheduledProcedureStepID", "ScheduledStationName",
    "ScheduledProcedureStepLocation",
)  # fmt: skip
_SEQUENCES: Final = ("ReferencedStudySequence", "ReferencedPatientSequence", "RequestedProcedureCodeSequence")


def query(settings: Worklist, first: date, last: date) -> Dataset:
    """The identifier that asks for the orders of these days."""
    step = Dataset()
    for keyword in _STEP:
        setattr(step, keyword, "")
    step.ScheduledStationAETitle = settings.station_title or ""
    step.Modality = settings.modalities[0] if len(settings.modalities) == 1 else ""
    step.ScheduledProcedureStepStartDate = f"{first:%Y%m%d}-{last:%Y%m%d}"
    step.ScheduledProtocolCodeSequence = []
    identifier = Dataset()
    for keyword in (*_PATIENT, *_REQUEST):
        setattr(identifier, keyword, "")
    for keyword in _SEQUENCES:
        setattr(identifier, keyword, [])
    identifier.ScheduledProcedureStepSequence = [step]
    return identifier


def read_item(item: Dataset, settings: Worklist) -> OrderFacts | None:
    """What an item says; None for one that lacks what makes it an order, or is for another kind of unit."""
    try:
        with reading():
            return _facts(item, settings)
    except (*PARSER_ERRORS, OSError):  # OSError: pydicom's own, for a sequence that breaks off
        return None


def item_of(facts: OrderFacts) -> Dataset:
    """The whole item, as it was received."""
    with reading():
        item = dcmread(BytesIO(facts.item), force=True)
    item.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    return item


def step_of(item: Dataset) -> Dataset:
    """The scheduled procedure step of an item; an empty one where there is none."""
    steps = item.get("ScheduledProcedureStepSequence") or [Dataset()]
    first: Dataset = steps[0]
    return first


def _facts(item: Dataset, settings: Worklist) -> OrderFacts | None:
    step = step_of(item)
    study, step_id, modality = (
        _text(item, "StudyInstanceUID"),
        _text(step, "ScheduledProcedureStepID"),
        _text(step, "Modality"),
    )
    if not study or (settings.modalities and modality and modality not in settings.modalities):
        return None
    described = _text(step, "ScheduledProcedureStepDescription") or _text(item, "RequestedProcedureDescription")
    codes = list(_codes(item, step))
    texts = [described, _text(item, "RequestedProcedureDescription"), *(_text(code, "CodeMeaning") for code in codes)]
    buffer = BytesIO()
    item.save_as(buffer, implicit_vr=True, little_endian=True)
    return OrderFacts(
        study_instance_uid=study,
        step_id=step_id,
        procedure_id=_text(item, "RequestedProcedureID"),
        accession_number=_text(item, "AccessionNumber"),
        patient_id=_text(item, "PatientID"),
        patient_name=_text(item, "PatientName"),
        patient_birth_date=_text(item, "PatientBirthDate"),
        patient_sex=_text(item, "PatientSex"),
        side=side_of(_text(item, "Laterality"), [_text(code, "CodeValue") for code in codes], texts),
        modality=modality,
        description=described or next((text for text in texts if text), ""),
        scheduled=_scheduled(step),
        item=buffer.getvalue(),
    )


def _codes(item: Dataset, step: Dataset) -> Iterator[Dataset]:
    """Every code of the procedure and its protocol, with its modifiers."""
    for holder, keyword in ((item, "RequestedProcedureCodeSequence"), (step, "ScheduledProtocolCodeSequence")):
        for code in holder.get(keyword) or ():
            yield code
            for context in code.get("ProtocolContextSequence") or ():
                yield from context.get("ConceptCodeSequence") or ()


def _scheduled(step: Dataset) -> str:
    day, time = _text(step, "ScheduledProcedureStepStartDate"), _text(step, "ScheduledProcedureStepStartTime")
    if len(day) != 8:
        return ""
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2] or '00'}:{time[2:4] or '00'}"


def _text(dataset: Dataset, keyword: str) -> str:
    value: Any = dataset.get(keyword)
    return "" if value is None else str(value).strip(" \0")
