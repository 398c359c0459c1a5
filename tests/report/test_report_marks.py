"""Segmentation, presentation state, key object: read by other people's readers, and any change in them is caught."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset

from edge.errors import ReportError
from edge.report import codes, segmentation
from edge.report.build import make_reports
from edge.report.presentation import dashes
from edge.report.verify import verify
from edge.types import Analysis, Findings, ReportKind, ReportObject
from tests.report.report_samples import (
    COLUMNS,
    DEVICE,
    MADE_AT,
    ROWS,
    SOURCE_UID,
    Uids,
    film,
    findings,
    hand,
    lesion,
    not_analysed,
    save,
    source,
)

ALWAYS = {"structured-report", "overlay"}
NAMES = ["L-DP2-01", "L-DP1-01", "L-DP2-02"]


def made(folder: Path, analysis: Analysis | None = None, **header: Any) -> dict[ReportKind, ReportObject]:
    path = save(source(**header), folder / "source.dcm")
    items = make_reports(path, analysis or findings(), None, made_at=MADE_AT, device=DEVICE, uid=Uids())
    return {item.kind: item for item in items}


def parsed(item: ReportObject) -> Dataset:
    return dcmread(BytesIO(item.content))


# -- which are made -----------------------------------------------------------------------------------------------


@pytest.mark.requirement("a failure never looks like 'no finding'")
def test_only_findings_are_pointed_at(tmp_path: Path) -> None:
    assert made(tmp_path, findings(lesions=())).keys() == ALWAYS
    assert made(tmp_path, not_analysed()).keys() == ALWAYS
    below = findings(lesions=(lesion(1, "DP2", 210, 110, certainty="below", score=0.1),))
    assert made(tmp_path, below).keys() == ALWAYS
    assert made(tmp_path).keys() == ALWAYS | {"segmentation", "presentation-state", "key-object"}


def test_a_film_in_colour_has_no_greyscale_presentation_state(tmp_path: Path) -> None:
    colour: dict[str, Any] = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    objects = made(tmp_path, PixelData=bytes(ROWS * COLUMNS * 3), **colour)
    assert objects.keys() == ALWAYS | {"segmentation", "key-object"}
    (image,) = (item for item in parsed(objects["key-object"]).ContentSequence if item.ValueType == "IMAGE")
    assert "ReferencedSOPSequence" not in image.ReferencedSOPSequence[0]


# -- segmentation -------------------------------------------------------------------------------------------------


def test_highdicom_reads_each_lesions_pixels_with_its_tracking(tmp_path: Path) -> None:
    objects = made(tmp_path)
    read: Any = hd.seg.Segmentation.from_dataset(parsed(objects["segmentation"]))
    assert [read.get_segment_description(n).tracking_id for n in read.segment_numbers] == NAMES
    pixels = read.get_pixels_by_source_instance([SOURCE_UID])
    assert pixels.shape == (1, ROWS, COLUMNS, 3)
    for number, item in enumerate(findings().lesions[:3]):
        mask = pixels[0, :, :, number].astype(bool)
        y, x = np.nonzero(mask)
        points = np.asarray(item.polygon)
        assert abs(x.mean() - points[:, 0].mean()) < 0.3
        assert abs(y.mean() - points[:, 1].mean()) < 0.3
        area = 0.5 * abs(
            np.dot(points[:, 0], np.roll(points[:, 1], 1)) - np.dot(points[:, 1], np.roll(points[:, 0], 1))
        )
        assert mask.sum() == pytest.approx(area, rel=0.05)
    first = read.get_segment_description(1)
    assert first.segmented_property_type == codes.CALCIFICATION
    assert first.algorithm_identification.parameters["model sha256"] == "ab" * 32


def test_report_segmentation_and_outlines_share_their_tracking_uids(tmp_path: Path) -> None:
    objects = made(tmp_path)
    report: Any = hd.sr.Comprehensive3DSR.from_dataset(parsed(objects["structured-report"]))
    told = {
        group.tracking_identifier: group.tracking_uid for group in report.content.get_planar_roi_measurement_groups()
    }
    segments = {item.TrackingID: item.TrackingUID for item in parsed(objects["segmentation"]).SegmentSequence}
    drawn = {item.TrackingID: item.TrackingUID for item in lines(parsed(objects["presentation-state"]))}
    assert told == segments == drawn


def test_many_lesions_share_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation, "MOST_BYTES", 2 * ROWS * COLUMNS // 8)
    two = findings(hands=(hand("L"), hand("R")), lesions=(*findings().lesions, lesion(9, "MC4", 300, 400, hand=1)))
    read = hd.seg.Segmentation.from_dataset(parsed(made(tmp_path, two)["segmentation"]))
    descriptions = [read.get_segment_description(n) for n in read.segment_numbers]
    assert [item.tracking_id for item in descriptions] == ["L-DEFINITE", "L-POSSIBLE", "R-DEFINITE"]
    pixels = read.get_pixels_by_source_instance([SOURCE_UID])[0]
    assert pixels[110, 210, 0] == pixels[130, 240, 0] == pixels[260, 90, 1] == pixels[400, 300, 2] == 1


@pytest.mark.parametrize(("rows", "columns"), [(601, 439), (600, 440), (333, 257)])
def test_frames_of_any_size_follow_each_other_without_padding(rows: int, columns: int, tmp_path: Path) -> None:
    three = findings(lesions=tuple(lesion(n, "DP2", 60.0 + 50 * n, 100.0 + 40 * n) for n in range(3)))
    header = {
        "Rows": rows,
        "Columns": columns,
        "PixelData": film(rows, columns).tobytes() + b"\0" * (rows * columns % 2),
    }
    read = parsed(made(tmp_path, three, **header)["segmentation"])
    for n, frame in enumerate(read.pixel_array):
        assert frame.shape == (rows, columns)
        assert frame[100 + 40 * n, 60 + 50 * n] == 1
        assert 150 < frame.sum() < 230


# -- presentation state -------------------------------------------------------------------------------------------


def lines(state: Dataset) -> list[Dataset]:
    return [item for part in state.GraphicAnnotationSequence for item in part.get("GraphicObjectSequence", ())]


def test_definite_is_a_closed_line_and_possible_is_dashed_each_in_its_layer(tmp_path: Path) -> None:
    state = parsed(made(tmp_path)["presentation-state"])
    layers = {item.GraphicLayer for item in state.GraphicLayerSequence}
    assert layers == {"DEFINITE", "POSSIBLE", "NOTE"}
    drawn = {part.GraphicLayer: part.get("GraphicObjectSequence", []) for part in state.GraphicAnnotationSequence}
    assert [item.TrackingID for item in drawn["DEFINITE"]] == ["L-DP2-01", "L-DP2-02"]
    for item in drawn["DEFINITE"]:
        points = np.asarray(item.GraphicData).reshape(-1, 2)
        assert (points[0] == points[-1]).all()
    assert {item.TrackingID for item in drawn["POSSIBLE"]} == {"L-DP1-01"}
    assert len(drawn["POSSIBLE"]) >= 3
    texts = [text.UnformattedTextValue for part in state.GraphicAnnotationSequence for text in part.TextObjectSequence]
    assert "2 L-DP1-01 possible" in texts
    assert "calcedge: Automated, unverified, not for diagnosis." in texts


def test_dashes_are_half_of_the_outline_evenly() -> None:
    square = [(0.0, 0.0), (40.0, 0.0), (40.0, 40.0), (0.0, 40.0), (0.0, 0.0)]
    drawn = dashes(square)
    assert len(drawn) == 8
    for dash in drawn:
        assert sum(np.hypot(*np.diff(dash, axis=0).T)) == pytest.approx(10)
    assert dashes([(1.0, 1.0), (1.0, 1.0), (1.0, 1.0)]) == [[(1.0, 1.0), (1.0, 1.0)]]
    around = [(20 + 20 * float(np.cos(a)), 20 + 20 * float(np.sin(a))) for a in np.linspace(0, 2 * np.pi, 200)]
    assert all(np.hypot(x - 20, y - 20) == pytest.approx(20, rel=0.01) for dash in dashes(around) for x, y in dash)


def test_a_lesion_at_the_edge_is_drawn_on_the_film_and_its_label_too(tmp_path: Path) -> None:
    edge = findings(
        lesions=(lesion(1, "CARPUS", COLUMNS - 3.0, ROWS - 3.0), lesion(2, "DP2", 1.0, 1.0, certainty="possible"))
    )
    state = parsed(made(tmp_path, edge)["presentation-state"])
    for item in lines(state):
        points = np.asarray(item.GraphicData).reshape(-1, 2)
        assert points.min() >= 0
        assert (points <= (COLUMNS, ROWS)).all()
    anchors = [
        text.AnchorPoint
        for part in state.GraphicAnnotationSequence
        for text in part.TextObjectSequence
        if "AnchorPoint" in text
    ]
    assert all(x <= 0.8 * COLUMNS for x, _ in anchors)


GREYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "window": {"WindowCenter": [90, 10], "WindowWidth": [60, 20]},
    "inverted": {"PhotometricInterpretation": "MONOCHROME1"},
    "inverted window": {"PhotometricInterpretation": "MONOCHROME1", "WindowCenter": 90, "WindowWidth": 60},
    "rescale": {
        "RescaleSlope": 2,
        "RescaleIntercept": -50,
        "RescaleType": "US",
        "WindowCenter": 130,
        "WindowWidth": 120,
    },
    "impossible window": {"WindowCenter": 90, "WindowWidth": 0},
}


def lut(descriptor: list[int], data: bytes) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", descriptor)
    item.add_new("LUTData", "OW", data)
    return item


@pytest.mark.needs("dcmp2pgm", "dcm2pnm")
@pytest.mark.requirement("a presentation state shows the film as it is")
@pytest.mark.parametrize("grey", [*GREYS, "table"])
def test_dcmtk_shows_the_same_film_with_the_state_as_without(grey: str, tmp_path: Path) -> None:
    header = dict(GREYS.get(grey, {}))
    if grey == "table":
        curve = (np.linspace(0, 1, 256) ** 2 * 65535).astype("<u2").tobytes()
        header = {"VOILUTSequence": [lut([256, 0, 16], curve)]}
    objects = made(tmp_path, **header)
    (tmp_path / "state.dcm").write_bytes(objects["presentation-state"].content)
    image = tmp_path / "source.dcm"
    with_state = [
        "dcmp2pgm",
        "--pstate",
        str(tmp_path / "state.dcm"),
        str(image),
        str(tmp_path / "with.pgm"),
    ]
    done = subprocess.run(with_state, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    window = {"plain": [], "inverted": [], "impossible window": [], "table": ["+Wl", "1"]}.get(grey, ["+Wi", "1"])
    without = ["dcm2pnm", "--write-raw-pnm", *window, str(image), str(tmp_path / "without.pgm")]
    subprocess.run(without, capture_output=True, timeout=60, check=True)
    shown, plain = (np.asarray(Image.open(tmp_path / f"{name}.pgm")).astype(int) for name in ("with", "without"))
    assert shown.shape == plain.shape == (ROWS, COLUMNS)
    assert np.abs(shown - plain).max() <= 2, (shown[::200, ::200], plain[::200, ::200])


# -- key object ---------------------------------------------------------------------------------------------------


def test_the_key_image_is_the_film_with_its_outlines(tmp_path: Path) -> None:
    objects = made(tmp_path)
    document = hd.ko.KeyObjectSelectionDocument.from_dataset(parsed(objects["key-object"]))
    assert document.content[0].name == codes.OF_INTEREST
    (image,) = (item for item in document.content[0].ContentSequence if item.ValueType == "IMAGE")
    reference = image.ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == SOURCE_UID
    state = objects["presentation-state"]
    assert reference.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == state.sop_instance_uid
    assert document.resolve_reference(state.sop_instance_uid)[1] == parsed(state).SeriesInstanceUID
    assert document.resolve_reference(SOURCE_UID)[2] == SOURCE_UID
    (words,) = (
        item.TextValue
        for item in document.content[0].ContentSequence
        if item.ValueType == "TEXT" and "area" in item.TextValue
    )
    assert words.endswith("Automated, unverified, not for diagnosis.")


# -- nothing leaves unread ----------------------------------------------------------------------------------------


def _pixels_moved(ds: Dataset) -> None:
    ds.PixelData = ds.PixelData[COLUMNS * 5 :] + ds.PixelData[: COLUMNS * 5]


def _pixels_gone(ds: Dataset) -> None:
    ds.PixelData = bytes(len(ds.PixelData))


def _pixels_added(ds: Dataset) -> None:
    ds.PixelData = b"\xff" * 100 + ds.PixelData[100:]


def _segments_swapped(ds: Dataset) -> None:
    ds.SegmentSequence[0].TrackingID, ds.SegmentSequence[1].TrackingID = NAMES[1], NAMES[0]


def _segment_less(ds: Dataset) -> None:
    del ds.SegmentSequence[-1]


def _smaller(ds: Dataset) -> None:
    ds.Rows -= 1


def _line_moved(ds: Dataset) -> None:
    line = lines(ds)[0]
    line.GraphicData = [value + 3 for value in line.GraphicData]


def _dash_lost(ds: Dataset) -> None:
    (part,) = (item for item in ds.GraphicAnnotationSequence if item.GraphicLayer == "POSSIBLE")
    del part.GraphicObjectSequence[0]


def _dash_moved(ds: Dataset) -> None:
    line = lines(ds)[-1]
    line.GraphicData = [value + 40 for value in line.GraphicData]


def _line_named(ds: Dataset) -> None:
    lines(ds)[0].TrackingID = "R-DP2-01"


def _note_gone(ds: Dataset) -> None:
    (part,) = (item for item in ds.GraphicAnnotationSequence if item.GraphicLayer == "NOTE")
    part.TextObjectSequence[0].UnformattedTextValue = "calcedge"


def _label_says_definite(ds: Dataset) -> None:
    (part,) = (item for item in ds.GraphicAnnotationSequence if item.GraphicLayer == "POSSIBLE")
    part.TextObjectSequence[0].UnformattedTextValue = "2 L-DP1-01 definite"


def _polarity(ds: Dataset) -> None:
    ds.PresentationLUTShape = "INVERSE"


def _window(ds: Dataset) -> None:
    item = Dataset()
    item.WindowCenter, item.WindowWidth = 10, 20
    ds.SoftcopyVOILUTSequence = [item]


def _area_cut(ds: Dataset) -> None:
    ds.DisplayedAreaSelectionSequence[0].DisplayedAreaBottomRightHandCorner = [COLUMNS // 2, ROWS]


def _other_image(ds: Dataset) -> None:
    sequence = ds.ReferencedSeriesSequence[0]
    for tag in ("ReferencedInstanceSequence", "ReferencedImageSequence"):
        for item in sequence.get(tag, ()):
            item.ReferencedSOPInstanceUID = "2.25.999"


def _key_image_other(ds: Dataset) -> None:
    (image,) = (item for item in ds.ContentSequence if item.ValueType == "IMAGE")
    image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "2.25.999"


def _key_words(ds: Dataset) -> None:
    for item in ds.ContentSequence:
        if item.ValueType == "TEXT":
            item.TextValue = "Nothing to see."


def _key_title(ds: Dataset) -> None:
    ds.ConceptNameCodeSequence[0].CodeValue = "113001"


CHANGES: dict[ReportKind, tuple[Callable[[Dataset], None], ...]] = {
    "segmentation": (
        _pixels_moved,
        _pixels_gone,
        _pixels_added,
        _segments_swapped,
        _segment_less,
        _smaller,
        _other_image,
    ),
    "presentation-state": (
        _line_moved,
        _dash_lost,
        _dash_moved,
        _line_named,
        _note_gone,
        _label_says_definite,
        _area_cut,
        _polarity,
        _window,
        _other_image,
    ),
    "key-object": (_key_image_other, _key_words, _key_title),
}


@pytest.mark.requirement("the report says what the analysis says")
@pytest.mark.parametrize(("kind", "change"), [(kind, change) for kind, every in CHANGES.items() for change in every])
def test_a_changed_object_is_caught(kind: ReportKind, change: Callable[[Dataset], None], tmp_path: Path) -> None:
    objects = made(tmp_path)
    siblings = {item.sop_instance_uid for item in objects.values()}
    path = tmp_path / "source.dcm"
    verify(kind, objects[kind].content, path, findings(), siblings)
    ds = parsed(objects[kind])
    change(ds)
    buffer = BytesIO()
    dcmwrite(buffer, ds)
    with pytest.raises(ReportError, match="report-mismatch"):
        verify(kind, buffer.getvalue(), path, findings(), siblings)


OTHERS: tuple[Analysis, ...] = (
    findings(lesions=()),
    not_analysed(),
    findings(lesions=findings().lesions[:2]),
    findings(lesions=(lesion(1, "DP2", 215, 110), *findings().lesions[1:])),
    findings(hands=(hand("R"),)),
)


@pytest.mark.requirement("the report says what the analysis says")
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("kind", ["segmentation", "presentation-state"])
def test_marks_of_another_analysis_are_caught(kind: ReportKind, other: Findings, tmp_path: Path) -> None:
    objects = made(tmp_path)
    with pytest.raises(ReportError, match="report-mismatch"):
        verify(kind, objects[kind].content, tmp_path / "source.dcm", other)


def test_only_a_key_object_may_refer_to_its_siblings(tmp_path: Path) -> None:
    objects = made(tmp_path)
    path = tmp_path / "source.dcm"
    with pytest.raises(ReportError, match="the image it refers to"):
        verify("key-object", objects["key-object"].content, path, findings())
    ds = parsed(objects["segmentation"])
    state = objects["presentation-state"].sop_instance_uid
    ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID = state
    buffer = BytesIO()
    dcmwrite(buffer, ds)
    with pytest.raises(ReportError, match="the image it refers to"):
        verify("segmentation", buffer.getvalue(), path, findings(), {state})


@pytest.mark.parametrize("kind", ["segmentation", "presentation-state", "key-object"])
def test_a_cut_object_is_caught_at_every_length(kind: ReportKind, tmp_path: Path) -> None:
    objects = made(tmp_path)
    content, siblings = objects[kind].content, {item.sop_instance_uid for item in objects.values()}
    for share in range(20):
        with pytest.raises(ReportError, match="report-mismatch"):
            verify(kind, content[: len(content) * share // 20], tmp_path / "source.dcm", findings(), siblings)
