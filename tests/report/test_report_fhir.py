"""FHIR: valid by another's models, the same findings as the JSON, the same patient, and a failure that says so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from edge import wire
from edge.errors import ReportError
from edge.report import codes
from edge.report.fhir import fhir_bundle
from edge.types import Analysis, ImageFacts
from tests.report.report_samples import (
    COLUMNS,
    DEVICE,
    MADE_AT,
    ROWS,
    STUDY_UID,
    findings,
    hand,
    not_analysed,
    save,
    source,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # headers here are wrong on purpose
Json = dict[str, Any]


def bundle(analysis: Analysis, folder: Path, **header: Any) -> list[Json]:
    path = save(source(**header), folder / "source.dcm")
    text = fhir_bundle(path, analysis, made_at=MADE_AT, device=DEVICE)
    Bundle.model_validate_json(text)
    return [entry["resource"] for entry in json.loads(text)["entry"]]


def of_kind(resources: list[Json], kind: str) -> list[Json]:
    return [item for item in resources if item["resourceType"] == kind]


def parts(observation: Json) -> dict[str, Any]:
    """Component code to value: a number, or the code of a concept."""
    return {item["code"]["coding"][0]["code"]: value(item) for item in observation.get("component", ())}


def value(item: Json) -> Any:
    if "valueQuantity" in item:
        return item["valueQuantity"]["value"]
    return item["valueCodeableConcept"]["coding"][0]["code"]


def as_json(resources: list[Json]) -> list[Json]:
    """The lesions in the terms of the contract."""
    types = {code.value: name for name, code in codes.TYPES.items()}
    spreads = {code.value: name for name, code in codes.DISTRIBUTIONS.items()}
    read = []
    for item in of_kind(resources, "Observation"):
        if item["code"]["coding"][0]["code"] != codes.FINDING.value:
            continue
        said = parts(item)
        read.append(
            {
                "region": item["bodySite"]["coding"][1]["code"],
                "score": round(said[codes.CERTAINTY_PERCENT.value] / 100, 4),
                "certainty": said[codes.CERTAINTY.value],
                "area_mm2": said.get(codes.AREA.value),
                "long_axis_mm": said.get(codes.LONG_AXIS.value),
                "density_grade": said[codes.DENSITY_GRADE.value],
                "type": types[said[codes.CALCIFICATION_TYPE.value]],
                "distribution": spreads[said[codes.CALCIFICATION_DISTRIBUTION.value]],
                "bodies": said[codes.BODIES.value],
            }
        )
    return read


def expected(analysis: Analysis) -> list[Json]:
    listed = [item for item in wire.to_dict(analysis)["lesions"] if item["certainty"] != "below"]
    return [{key: item[key] for key in item if key not in {"id", "hand", "bbox", "polygon"}} for item in listed]


@pytest.mark.requirement("the report says what the analysis says")
def test_the_lesions_come_back_as_in_the_json(tmp_path: Path) -> None:
    read = as_json(bundle(findings(), tmp_path))
    assert len(read) == 3
    assert read == expected(findings())


def test_hand_region_joint_and_tuft_are_measured_with_units(tmp_path: Path) -> None:
    found = {item["code"]["coding"][0]["code"]: item for item in of_kind(bundle(findings(), tmp_path), "Observation")}
    burden = found[codes.BURDEN_HAND.value]
    assert (burden["valueQuantity"]["value"], burden["valueQuantity"]["code"]) == (31.4567, "1")
    assert parts(burden) == {codes.LATERALITY.value: codes.SIDES["L"].value}
    region = found[codes.BURDEN_REGION.value]
    assert region["bodySite"]["coding"][1]["code"] == "DP2"
    assert parts(region)[codes.CALCIFIED_AREA.value] == 6.1234
    joint = found[codes.JOINT_SPACE.value]
    assert (joint["valueQuantity"]["value"], joint["valueQuantity"]["code"]) == (0.61, "mm")
    assert parts(joint)[codes.NARROWING_GRADE.value] == 2
    tuft = found[codes.OSTEOLYSIS_GRADE.value]
    assert tuft["valueQuantity"]["value"] == 1
    assert parts(tuft)[codes.CERTAINTY_PERCENT.value] == 71.0


def test_nothing_is_final_and_the_device_names_its_algorithm(tmp_path: Path) -> None:
    resources = bundle(findings(), tmp_path)
    assert {item["status"] for item in resources if "status" in item} == {"preliminary"}
    (device,) = of_kind(resources, "Device")
    assert device["serialNumber"] == DEVICE.serial
    told = {item["type"]["text"]: item["valueCode"][0]["text"] for item in device["property"]}
    assert told == {
        "model sha256": "ab" * 32,
        "possible threshold": "0.3",
        "definite threshold": "0.7",
        "software": "0.1.0",
    }


@pytest.mark.requirement("a failure never looks like 'no finding'")
def test_not_analysed_is_cancelled_and_says_why(tmp_path: Path) -> None:
    resources = bundle(not_analysed("deadline"), tmp_path)
    (report,), (observation,) = of_kind(resources, "DiagnosticReport"), of_kind(resources, "Observation")
    assert report["status"] == observation["status"] == "cancelled"
    assert report["conclusion"].startswith("NOT ANALYSED: ")
    assert report["conclusionCode"][0]["text"] == "NOT ANALYSED"
    assert observation["dataAbsentReason"]["text"].startswith("NOT ANALYSED: ")
    assert not any(key.startswith("value") for key in observation)
    assert parts(observation)[codes.NOT_ANALYSED_REASON.value] == "deadline"


def test_nothing_found_does_not_exclude(tmp_path: Path) -> None:
    (report,) = of_kind(bundle(findings(lesions=()), tmp_path), "DiagnosticReport")
    assert "This does not exclude calcification." in report["conclusion"]
    assert report["conclusionCode"][0]["coding"][0]["code"] == codes.SUCCEEDED_WITHOUT_FINDINGS.value


def test_without_a_pixel_spacing_no_size_is_given(tmp_path: Path) -> None:
    read = as_json(bundle(findings(image=ImageFacts(ROWS, COLUMNS, None, "unknown")), tmp_path))
    assert {(item["area_mm2"], item["long_axis_mm"]) for item in read} == {(None, None)}


@pytest.mark.requirement("a result never appears under another's identity")
def test_the_patient_and_study_are_the_headers(tmp_path: Path) -> None:
    resources = bundle(findings(), tmp_path, IssuerOfPatientID="clinic")
    (patient,), (report,) = of_kind(resources, "Patient"), of_kind(resources, "DiagnosticReport")
    assert patient["identifier"] == [{"value": "P-4711", "assigner": {"display": "clinic"}}]
    assert patient["name"] == [{"text": "Perez^Maria", "family": "Perez", "given": ["Maria"]}]
    assert (patient["birthDate"], patient["gender"]) == ("1960-02-14", "female")
    assert report["imagingStudy"][0]["identifier"]["value"] == f"urn:oid:{STUDY_UID}"
    assert report["basedOn"][0]["identifier"]["value"] == "A123"


@pytest.mark.requirement("nothing is invented: what the header lacks stays empty")
@pytest.mark.parametrize("silent", [None, ""])
def test_what_the_header_lacks_is_not_there(silent: str | None, tmp_path: Path) -> None:
    keywords = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyDate")
    resources = bundle(findings(), tmp_path, **dict.fromkeys(keywords, silent))
    assert of_kind(resources, "Patient") == []
    assert not any("subject" in item or "basedOn" in item for item in resources)
    (named,) = of_kind(bundle(findings(), tmp_path, PatientID="", PatientSex="U", PatientBirthDate="1960"), "Patient")
    assert named.keys() == {"resourceType", "name"}


def test_every_group_of_a_name_is_kept(tmp_path: Path) -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    header = {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": name}
    (patient,) = of_kind(bundle(findings(), tmp_path, **header), "Patient")
    assert "=".join(item["text"] for item in patient["name"]) == name
    assert [item["family"] for item in patient["name"]] == ["Yamada", "山田", "やまだ"]


def test_the_same_arguments_give_the_same_text_and_references_resolve(tmp_path: Path) -> None:
    path = save(source(), tmp_path / "source.dcm")
    two = findings(hands=(hand("L"), hand("R")))
    first, second = (fhir_bundle(path, two, made_at=MADE_AT, device=DEVICE) for _ in range(2))
    assert first == second
    entries = json.loads(first)["entry"]
    urls = {entry["fullUrl"] for entry in entries}
    assert len(urls) == len(entries)
    for entry in entries:
        resource = entry["resource"]
        pointed = [*resource.get("result", ()), *(resource[key] for key in ("subject", "device") if key in resource)]
        assert {item["reference"] for item in pointed} <= urls


@pytest.mark.requirement("a result never appears under another's identity")
def test_an_analysis_of_another_image_makes_none(tmp_path: Path) -> None:
    path = save(source(SOPInstanceUID="2.25.77"), tmp_path / "source.dcm")
    with pytest.raises(ReportError, match="report-mismatch"):
        fhir_bundle(path, findings(), made_at=MADE_AT, device=DEVICE)


def test_the_command_writes_it_beside_the_objects(tmp_path: Path) -> None:
    path = save(source(), tmp_path / "source.dcm")
    command = [sys.executable, "-m", "edge", "analyze", str(path), "--fhir"]
    bad = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert bad.returncode == 2
    done = subprocess.run([*command, "--out", str(tmp_path / "out")], capture_output=True, timeout=120, check=False)
    assert done.returncode in (0, 3), done
    text = (tmp_path / "out" / "source.fhir.json").read_text(encoding="utf-8")
    Bundle.model_validate_json(text)
    report = json.loads(text)["entry"][0]["resource"]
    assert report["status"] == "cancelled", "a grey ramp is no hand"
