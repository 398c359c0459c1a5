"""One analysis as FHIR R4: a DiagnosticReport with its Observations, in a Bundle of type `collection`.

What always holds:

- Every resource is validated by fhir.resources; the bundle is parsed from its own text and its identity compared.
- A report is `preliminary`, never `final`: no person has looked. A film that was not analysed makes a `cancelled`
  report whose conclusion begins with NOT ANALYSED, and an observation without a value.
- The codes are those of the structured report.
- Nothing is invented: without an identifier or a name there is no Patient.

R4 and R4B (4.3.0, which the library models) have the same DiagnosticReport, Observation, Patient, Device and Bundle.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from edge.clock import Stamp
from edge.errors import ReportError
from edge.report import codes, wording
from edge.report.algorithm import algorithm
from edge.report.device import DeviceId
from edge.report.fhir_observations import Observed, concept, observed
from edge.report.header import Source, read_source
from edge.report.outcome import outcome_code
from edge.types import Analysis, NotAnalysed

_GENDERS: Final = {"M": "male", "F": "female", "O": "other"}
_RADIOLOGY: Final = {"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD", "display": "Radiology"}
_ACCESSION: Final = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}
_DICOM_UID: Final = "urn:dicom:uid"

Json = dict[str, Any]


def fhir_bundle(source: Path, analysis: Analysis, *, made_at: Stamp, device: DeviceId) -> str:
    """The bundle as JSON text. The same arguments give the same text.

    Args:
        source: the DICOM object as received; only its header is read.
        analysis: what the detector said of it.
        made_at: the moment to write into the report.
        device: the appliance.

    Raises:
        ReportError: `missing-identity` when the source lacks a UID, `report-mismatch` when the analysis is of another
            image or the text read back differs, `report-failed` when a value has no place in FHIR.
    """
    header = read_source(source)
    if analysis.sop_instance_uid not in (None, header["SOPInstanceUID"]):
        raise ReportError("report-mismatch", "the analysis is of another image")
    try:
        text = str(Bundle.model_validate(_bundle(header, analysis, made_at, device)).model_dump_json(indent=2))
        back: Json = Bundle.model_validate_json(text).model_dump()
    except ValidationError as error:
        raise ReportError("report-failed", f"not valid as FHIR: {error.errors()[0]['type']}") from error
    _compare(back, header, analysis)
    return text


def _bundle(header: Source, analysis: Analysis, made_at: Stamp, device: DeviceId) -> Json:
    def full_url(name: str) -> str:
        return f"urn:uuid:{uuid5(NAMESPACE_OID, '|'.join((header['SOPInstanceUID'], made_at.iso, name)))}"

    patient = _patient(header)
    shared: Json = {"device": {"reference": full_url("device")}}
    if patient is not None:
        shared["subject"] = {"reference": full_url("patient")}
    observations = [(item.name, _observation(item, shared, made_at)) for item in observed(analysis)]
    report = _report(header, analysis, made_at)
    report["result"] = [{"reference": full_url(name)} for name, _ in observations]
    if patient is not None:
        report["subject"] = shared["subject"]
    entries = [("report", report), ("patient", patient), ("device", _device(analysis, device)), *observations]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": made_at.iso,
        "entry": [{"fullUrl": full_url(name), "resource": item} for name, item in entries if item is not None],
    }


def _report(header: Source, analysis: Analysis, made_at: Stamp) -> Json:
    failed = isinstance(analysis, NotAnalysed)
    outcome = concept(outcome_code(analysis)) | ({"text": "NOT ANALYSED"} if failed else {})
    report: Json = {
        "resourceType": "DiagnosticReport",
        "status": "cancelled" if failed else "preliminary",
        "category": [{"coding": [_RADIOLOGY]}],
        "code": concept(codes.RADIOLOGY_REPORT) | {"text": "Automated analysis of a hand radiograph, unverified"},
        "issued": made_at.iso,
        "imagingStudy": [_by_uid("ImagingStudy", header["StudyInstanceUID"])],
        "conclusion": "\n".join((*wording.summary(analysis), *wording.comments(analysis), *header.notes)),
        "conclusionCode": [outcome],
    }
    if header["AccessionNumber"]:
        order = {"type": {"coding": [_ACCESSION]}, "value": header["AccessionNumber"]}
        report["basedOn"] = [{"type": "ServiceRequest", "identifier": order}]
    return report


def _patient(header: Source) -> Json | None:
    if not header["PatientID"] and not header["PatientName"].strip("^= "):
        return None
    patient: Json = {"resourceType": "Patient"}
    if header["PatientID"]:
        issuer = {"assigner": {"display": header["IssuerOfPatientID"]}} if header["IssuerOfPatientID"] else {}
        patient["identifier"] = [{"value": header["PatientID"]} | issuer]
    if names := [_name(group) for group in header["PatientName"].split("=") if group.strip("^ ")]:
        patient["name"] = names
    if header["PatientSex"]:
        patient["gender"] = _GENDERS[header["PatientSex"]]
    if day := header["PatientBirthDate"]:
        patient["birthDate"] = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    return patient


def _name(group: str) -> Json:
    """One component group of a person name (PS3.5 6.2.1): family, given, middle, prefix, suffix."""
    parts = [part.strip() for part in (*group.split("^"), "", "", "", "", "")]
    name: Json = {"text": group.strip("^ ")}
    given = [part for part in parts[1:3] if part]
    for key, value in (("family", parts[0]), ("given", given), ("prefix", [parts[3]]), ("suffix", [parts[4]])):
        if value and value != [""]:
            name[key] = value
    return name


def _device(analysis: Analysis, device: DeviceId) -> Json:
    by = algorithm(analysis, device)
    return {
        "resourceType": "Device",
        "manufacturer": device.manufacturer,
        "serialNumber": device.serial,
        "modelNumber": device.model,
        "deviceName": [{"name": by.name, "type": "model-name"}],
        "version": [{"type": {"text": "algorithm"}, "value": by.version}],
        "property": [{"type": {"text": name}, "valueCode": [{"text": value}]} for name, value in by.parameters],
    }


def _observation(item: Observed, shared: Json, made_at: Stamp) -> Json:
    return {"resourceType": "Observation", "issued": made_at.iso} | item.body | shared


def _by_uid(kind: str, uid: str) -> Json:
    return {"type": kind, "identifier": {"system": _DICOM_UID, "value": f"urn:oid:{uid}"}}


def _compare(back: Json, header: Source, analysis: Analysis) -> None:
    """The bundle as read back, against the header and the analysis."""
    resources = [entry["resource"] for entry in back["entry"]]
    report = resources[0]
    patients = [item for item in resources if item["resourceType"] == "Patient"]
    said = patients[0]["identifier"][0]["value"] if patients and "identifier" in patients[0] else ""
    if said != header["PatientID"]:
        raise ReportError("report-mismatch", "PatientID")
    if report["imagingStudy"][0]["identifier"]["value"] != f"urn:oid:{header['StudyInstanceUID']}":
        raise ReportError("report-mismatch", "StudyInstanceUID")
    if (report["status"] == "cancelled") != isinstance(analysis, NotAnalysed):
        raise ReportError("report-mismatch", "status")
    if sum(item["resourceType"] == "Observation" for item in resources) != len(observed(analysis)):
        raise ReportError("report-mismatch", "the observations")
