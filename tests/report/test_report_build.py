"""All objects, from all sorts of sources: valid to a foreign judge, of the right patient, the original untouched."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.charset import convert_encodings
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComputedRadiographyImageStorage,
    SecondaryCaptureImageStorage,
)

from edge.errors import ReportError
from edge.report.build import make_reports
from edge.report.header import read_source
from edge.types import Analysis, Findings, ImageFacts, QualityNote, ReportKind, ReportObject
from tests.peers import dicom_validator
from tests.peers.dciodvfy import judge
from tests.report.report_samples import (
    COLUMNS,
    DEVICE,
    MADE_AT,
    ROWS,
    SERIES_UID,
    SOURCE_UID,
    STUDY_UID,
    Uids,
    findings,
    hand,
    lesion,
    not_analysed,
    png,
    save,
    source,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # headers here are wrong on purpose


def order() -> Dataset:
    item = Dataset()
    item.RequestedProcedureID = "RP-1"
    item.RequestedProcedureDescription = "Hand, two views"
    item.ScheduledProcedureStepID = "SPS-1"
    return item


def table(modality: str | None = None) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [256, 0, 16])
    item.add_new("LUTData", "OW", np.linspace(0, 65535, 256).astype("<u2").tobytes())
    item.LUTExplanation = "Größe"
    if modality:
        item.ModalityLUTType = modality
    return item


SILENT = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
)
SOURCES: dict[str, Callable[[], Dataset]] = {
    "DX": source,
    "CR": lambda: source(ComputedRadiographyImageStorage),
    "digitised film": lambda: source(SecondaryCaptureImageStorage, NominalScannedPixelSpacing=[0.2, 0.2]),
    "attributes absent": lambda: source(**dict.fromkeys((*SILENT, "BodyPartExamined", "Modality"))),
    "attributes empty": lambda: source(**dict.fromkeys(SILENT, "")),
    "sex U": lambda: source(PatientSex="U"),
    "dates that are none": lambda: source(PatientBirthDate="19600000", StudyDate="22.11.2026"),
    "an order": lambda: source(RequestAttributesSequence=[order()]),
    "time zone": lambda: source(TimezoneOffsetFromUTC="-0500"),
    "lossy": lambda: source(
        LossyImageCompression="01",
        LossyImageCompressionRatio=[12.5],
        LossyImageCompressionMethod="ISO_15444_1",
    ),
    "side and burned-in name": lambda: source(ImageLaterality="L", BurnedInAnnotation="YES", PatientAge="066Y"),
    "Cyrillic": lambda: source(SpecificCharacterSet="ISO_IR 144", PatientName="Люксембург^Роза"),
    "Japanese": lambda: source(
        SpecificCharacterSet=["", "ISO 2022 IR 87"],
        PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    "tables and oblong pixels": lambda: source(
        SpecificCharacterSet="ISO_IR 100",
        ModalityLUTSequence=[table("OD")],
        VOILUTSequence=[table()],
        PixelSpacing=[0.2, 0.1],
    ),
    "inverted, rescaled, two windows": lambda: source(
        PhotometricInterpretation="MONOCHROME1",
        RescaleSlope="0.1",
        RescaleIntercept="-3",
        RescaleType="US",
        WindowCenter=["2048.0", "90"],
        WindowWidth=["4096", "60"],
        VOILUTFunction="SIGMOID",
    ),
    "bytes without a character set": lambda: raw_name("Müller^Jörg".encode("latin-1")),
}
ANALYSES: dict[str, Analysis] = {
    "findings": findings(),
    "no findings": findings(lesions=()),
    "unknown size, two hands": findings(
        image=ImageFacts(ROWS, COLUMNS, None, "unknown"),
        hands=(hand("U"), hand("U")),
        lesions=(lesion(1, "CARPUS", 200, 300), lesion(2, "MC2", 100, 200, hand=1, type="net")),
        quality=(QualityNote("motion", "warning", "The hand moved."),),
    ),
    "not analysed": not_analysed("unusable-image", quality=(QualityNote("too-dark", "warning", "Too dark."),)),
    "deadline": not_analysed("deadline"),
}


JUDGED_AS: dict[ReportKind, str] = {
    "structured-report": "Comprehensive3DSR",
    "overlay": "SCImage",
    "segmentation": "Segmentation",
    "presentation-state": "GrayscaleSoftcopyPresentationState",
    "key-object": "KeyObjectSelectionDocument",
}


def raw_name(name: bytes) -> Dataset:
    ds = source()
    tag = Tag("PatientName")
    ds[tag] = RawDataElement(tag, "PN", len(name), name, 0, False, True)
    return ds


def make_all(ds: Dataset, analysis: Analysis, folder: Path, picture: bytes | None = None) -> tuple[ReportObject, ...]:
    path = save(ds, folder / "source.dcm")
    return make_reports(path, analysis, picture, made_at=MADE_AT, device=DEVICE, uid=Uids())


def make(ds: Dataset, analysis: Analysis, folder: Path, picture: bytes | None = None) -> tuple[ReportObject, ...]:
    """The report and the picture, which every analysis has."""
    return make_all(ds, analysis, folder, picture)[:2]


def parsed(item: ReportObject) -> Dataset:
    return dcmread(BytesIO(item.content))


@pytest.mark.needs("dciodvfy")
@pytest.mark.parametrize("name", SOURCES)
def test_two_foreign_judges_find_no_error_in_any_object(name: str, tmp_path: Path) -> None:
    for analysis in ANALYSES.values():
        picture = png() if name == "DX" else None  # a whole film takes the judge long
        for item in make_all(SOURCES[name](), analysis, tmp_path, picture):
            verdict = judge(item.content, tmp_path)
            assert verdict.kind == JUDGED_AS[item.kind]
            assert verdict.errors == ()
            assert dicom_validator.judge(item.content) == ()


@pytest.mark.needs("dsrdump", "dcm2pnm")
def test_dcmtk_reads_the_tree_and_the_picture(tmp_path: Path) -> None:
    report, capture = make(SOURCES["Japanese"](), findings(), tmp_path, png())
    (tmp_path / "report.dcm").write_bytes(report.content)
    (tmp_path / "capture.dcm").write_bytes(capture.content)
    dump = subprocess.run(["dsrdump", str(tmp_path / "report.dcm")], capture_output=True, timeout=60, check=True)
    assert dump.stdout.count(b"<contains SCOORD:") == 3
    assert "山田^太郎".encode() in dump.stdout
    assert [line for line in dump.stderr.splitlines() if line.startswith(b"E:")] == []
    command = ["dcm2pnm", "--write-raw-pnm", str(tmp_path / "capture.dcm"), str(tmp_path / "picture.ppm")]
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    with Image.open(tmp_path / "picture.ppm") as picture:
        assert (np.asarray(picture) == parsed(capture).pixel_array).all()


BREAKS: dict[ReportKind, tuple[Callable[[Dataset], None], ...]] = {
    "structured-report": (
        lambda ds: ds.__delitem__("CompletionFlag"),
        lambda ds: setattr(ds, "PatientSex", "U"),
        lambda ds: ds.ContentSequence[-1].ContentSequence[0].__delitem__("TextValue"),
        lambda ds: ds.ContentSequence[-1].ContentSequence[0].__delitem__("RelationshipType"),
    ),
    "overlay": (lambda ds: ds.__delitem__("ConversionType"),),
    "segmentation": (
        lambda ds: setattr(ds, "SegmentationType", "BLACK"),
        lambda ds: ds.SegmentSequence[0].__delitem__("SegmentLabel"),
        lambda ds: ds.PerFrameFunctionalGroupsSequence[0].__delitem__("FrameContentSequence"),
    ),
    "presentation-state": (
        lambda ds: setattr(ds, "PresentationLUTShape", "ROUND"),
        lambda ds: ds.GraphicAnnotationSequence[0].GraphicObjectSequence[0].__delitem__("GraphicType"),
        lambda ds: ds.__delitem__("DisplayedAreaSelectionSequence"),
    ),
    "key-object": (
        lambda ds: ds.__delitem__("CurrentRequestedProcedureEvidenceSequence"),
        lambda ds: ds.ContentSequence[0].__delitem__("ValueType"),
    ),
}


@pytest.mark.needs("dciodvfy")
def test_the_judges_would_find_an_error(tmp_path: Path) -> None:
    found = dict.fromkeys(BREAKS, (0, 0))
    for item in make_all(source(), findings(), tmp_path):
        for spoil in BREAKS[item.kind]:
            broken = parsed(item)
            spoil(broken)
            buffer = BytesIO()
            broken.save_as(buffer)
            one, other = judge(buffer.getvalue(), tmp_path).errors, dicom_validator.judge(buffer.getvalue())
            assert one or other, item.kind
            found[item.kind] = found[item.kind][0] + len(one), found[item.kind][1] + len(other)
    assert all(one and other for one, other in found.values()), found


@pytest.mark.needs("dciodvfy")
def test_the_judge_would_find_each_error(tmp_path: Path) -> None:
    (report, _) = make(source(), findings(), tmp_path)
    broken = parsed(report)
    del broken.CompletionFlag
    broken.PatientSex = "U"
    buffer = BytesIO()
    broken.save_as(buffer)
    assert len(judge(buffer.getvalue(), tmp_path).errors) >= 2


@pytest.mark.requirement("a result never appears under another's identity")
@pytest.mark.parametrize("name", SOURCES)
def test_every_object_is_of_the_sources_patient_and_study_in_a_new_series(name: str, tmp_path: Path) -> None:
    ds = SOURCES[name]()
    made = [parsed(item) for item in make_all(ds, findings(), tmp_path, png())]
    received = dcmread(tmp_path / "source.dcm")
    for result in made:
        assert str(result.PatientName) == str(received.get("PatientName", ""))
        assert result.PatientID == received.get("PatientID", "")
        assert result.StudyInstanceUID == STUDY_UID
        assert result.SeriesInstanceUID not in {SERIES_UID, ""}
        assert result.Manufacturer == DEVICE.manufacturer
        assert "unverified" in result.SeriesDescription
    assert len({result.SeriesInstanceUID for result in made}) == 5
    assert len({result.SOPInstanceUID for result in made} | {SOURCE_UID}) == 6


NAMES = {
    "ISO_IR 100": "Müller^Jörg",
    "ISO_IR 101": "Dvořák^Jiří",
    "ISO_IR 144": "Люксембург^Роза",
    "ISO_IR 166": "นามสกุล^ชื่อ",
    "ISO_IR 192": "Müller^山田",
    "GB18030": "Wang^XiaoDong=王^小东",
    "\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "\\ISO 2022 IR 149": "Hong^Gildong=洪^吉洞=홍^길동",
}


@pytest.mark.requirement("names survive whatever their character set")
@pytest.mark.parametrize(("stated", "name"), NAMES.items(), ids=[name.strip("\\") for name in NAMES])
def test_names_survive(stated: str, name: str, tmp_path: Path) -> None:
    ds = source(SpecificCharacterSet=stated.split("\\") if "\\" in stated else stated, PatientName=name)
    items = make_all(ds, findings(), tmp_path, png())
    received = dcmread(tmp_path / "source.dcm").get_item("PatientName").value.rstrip()
    for item in items:
        result = parsed(item)
        assert str(result.PatientName) == name
        assert result.PatientName.encode(convert_encodings(stated.split("\\"))).rstrip() == received, "byte for byte"
        assert result.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize("codec", ["latin-1", "utf-8"])
def test_a_name_without_a_character_set_is_kept_and_the_report_says_how(codec: str, tmp_path: Path) -> None:
    report, capture = (parsed(item) for item in make(raw_name("Müller^Jörg".encode(codec)), findings(), tmp_path))
    assert str(report.PatientName) == str(capture.PatientName) == "Müller^Jörg"
    words = [item.TextValue for item in report.ContentSequence[-1].ContentSequence]
    assert sum("PatientName is not valid in the character set" in text for text in words) == 1


def test_ascii_needs_no_character_set(tmp_path: Path) -> None:
    for item in make(source(SpecificCharacterSet="ISO_IR 100"), findings(), tmp_path):
        assert "SpecificCharacterSet" not in parsed(item)
    noted = findings(quality=(QualityNote("x", "note", "Größe"),))
    for item in make(source(), noted, tmp_path):
        assert parsed(item).SpecificCharacterSet == "ISO_IR 192"


def test_the_original_is_not_touched_and_is_the_evidence(tmp_path: Path) -> None:
    path = save(source(), tmp_path / "source.dcm")
    before = hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns
    report, capture, *_ = make_reports(path, findings(), png(), made_at=MADE_AT, device=DEVICE)
    assert (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) == before
    study = parsed(report).CurrentRequestedProcedureEvidenceSequence[0]
    assert study.StudyInstanceUID == STUDY_UID
    assert study.ReferencedSeriesSequence[0].SeriesInstanceUID == SERIES_UID
    assert study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == SOURCE_UID
    assert parsed(capture).SourceImageSequence[0].ReferencedSOPInstanceUID == SOURCE_UID


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    first = make_all(source(), findings(), tmp_path, png())
    assert make_all(source(), findings(), tmp_path, png()) == first
    path = tmp_path / "source.dcm"
    fresh = make_reports(path, findings(), png(), made_at=MADE_AT, device=DEVICE)
    assert {item.sop_instance_uid for item in fresh}.isdisjoint(item.sop_instance_uid for item in first)


def test_what_is_returned_names_what_it_is(tmp_path: Path) -> None:
    report, capture = make(source(), findings(), tmp_path, png())
    assert (report.kind, report.sop_class_uid) == ("structured-report", Comprehensive3DSRStorage)
    assert (capture.kind, capture.sop_class_uid) == ("overlay", SecondaryCaptureImageStorage)
    for item in (report, capture):
        assert parsed(item).SOPInstanceUID == item.sop_instance_uid
        assert parsed(item).file_meta.MediaStorageSOPClassUID == item.sop_class_uid


def test_the_picture_says_that_it_is_derived_and_cannot_be_measured_on(tmp_path: Path) -> None:
    capture = parsed(make(SOURCES["lossy"](), findings(), tmp_path, png())[1])
    assert list(capture.ImageType) == ["DERIVED", "SECONDARY"]
    assert capture.ConversionType == "WSD"
    assert capture.LossyImageCompression == "01"
    assert capture.LossyImageCompressionRatio == 12.5
    assert "PixelSpacing" not in capture
    assert "NominalScannedPixelSpacing" not in capture
    assert "BurnedInAnnotation" not in capture, "the source does not say, so we don't know"
    assert capture.pixel_array.shape == (capture.Rows, capture.Columns, 3)
    told = parsed(make(SOURCES["side and burned-in name"](), findings(), tmp_path, png())[1])
    assert (told.BurnedInAnnotation, told.Laterality) == ("YES", "L")


def test_dates_are_in_the_sources_time_zone(tmp_path: Path) -> None:
    report = parsed(make(SOURCES["time zone"](), findings(), tmp_path)[0])
    assert (report.TimezoneOffsetFromUTC, report.ContentDate) == ("-0500", "20261122")
    assert report.ContentTime == "053005.250000"
    assert report.ObservationDateTime == "20261122103005.250000+0000"


def test_an_order_is_referred_to(tmp_path: Path) -> None:
    report = parsed(make(SOURCES["an order"](), findings(), tmp_path)[0])
    (request,) = report.ReferencedRequestSequence
    assert (request.AccessionNumber, request.RequestedProcedureID) == ("A123", "RP-1")
    unordered = parsed(make(source(AccessionNumber=""), findings(), tmp_path)[0])
    assert "ReferencedRequestSequence" not in unordered


@pytest.mark.requirement("a failure never looks like 'no finding'")
def test_not_analysed_says_so_in_both_objects(tmp_path: Path) -> None:
    report, capture = (parsed(item) for item in make(source(), not_analysed("not-a-hand"), tmp_path, png()))
    assert report.ContentSequence[-1].ContentSequence[0].TextValue.startswith("NOT ANALYSED: ")
    assert capture.ImageComments.startswith("NOT ANALYSED: ")


def test_an_object_that_is_no_image_gets_its_report_too(tmp_path: Path) -> None:
    ds = source("1.2.840.10008.5.1.4.1.1.88.11", Modality="SR")
    for keyword in ("Rows", "Columns", "PixelData", "BitsAllocated", "BitsStored", "HighBit", "SamplesPerPixel"):
        delattr(ds, keyword)
    report, capture = make_all(ds, not_analysed("not-a-radiograph"), tmp_path)
    assert judge(report.content, tmp_path).errors == ()
    assert judge(capture.content, tmp_path).errors == ()
    assert "SourceImageSequence" not in parsed(capture)


def test_a_picture_that_is_none_is_a_reason(tmp_path: Path) -> None:
    for picture in (b"", b"no png", png()[:2000]):
        with pytest.raises(ReportError) as caught:
            make(source(), findings(), tmp_path, picture)
        assert caught.value.reason.code == "report-failed"


def test_damaged_headers_end_as_a_report_or_a_reason(tmp_path: Path) -> None:
    chance = random.Random(7)
    path = save(SOURCES["Japanese"](), tmp_path / "source.dcm")
    whole = path.read_bytes()
    ends: Counter[str] = Counter()
    for _ in range(60):
        content = bytearray(whole[:1400])
        for _ in range(chance.choice((1, 2, 8))):
            content[chance.randrange(132, 1250)] = chance.choice((0, 255, 0x1B, 0x3D, 0x5C, chance.randrange(256)))
        path.write_bytes(content)
        try:
            uid = read_source(path)["SOPInstanceUID"]
            make_reports(path, _of(uid, findings()), None, made_at=MADE_AT, device=DEVICE)
            ends["made"] += 1
        except ReportError as error:
            ends[error.reason.code] += 1
    assert ends["made"] >= 10
    assert ends["missing-identity"] >= 5


def test_importing_the_package_does_not_load_highdicom() -> None:
    code = (
        "import sys, edge.report.build as b; assert 'highdicom' not in sys.modules; "
        "b.warm_up(); assert 'highdicom' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.needs("dciodvfy")
@pytest.mark.shared_data
def test_real_films_of_other_makers_get_valid_reports(shared_data: Path, tmp_path: Path) -> None:
    counted = 0
    for path in sorted((shared_data / "dicom").glob("RG*.dcm")):
        uid = str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)
        analysis: Analysis
        for analysis in (_of(uid, findings()), _of(uid, not_analysed("not-a-hand"))):
            for item in make_reports(path, analysis, None, made_at=MADE_AT, device=DEVICE):
                assert judge(item.content, tmp_path).errors == (), path.name
                assert dicom_validator.judge(item.content) == (), path.name
                counted += 1
    assert counted >= 63


def _of(uid: str, analysis: Any) -> Any:
    return type(analysis)(**{name: getattr(analysis, name) for name in analysis.__slots__} | {"sop_instance_uid": uid})


def test_many_findings_on_two_hands_still_make_a_report(tmp_path: Path) -> None:
    places = np.random.default_rng(5).integers(20, 400, (60, 2))
    many = findings(
        hands=(hand("L"), hand("R")),
        lesions=tuple(lesion(n, "DP2", float(x), float(y), hand=n % 2) for n, (x, y) in enumerate(places)),
    )
    report, _ = make(source(), many, tmp_path, png())
    assert isinstance(many, Findings)
    assert report.content.count(b"-DP2-") >= 60
