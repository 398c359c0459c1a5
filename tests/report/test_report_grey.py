"""The greyscale of the source, step by step: copied where it is well formed, left out where no viewer could use it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian

from edge.errors import ReportError
from edge.report.grey import Grey, read_grey
from tests.report.report_samples import save, source

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # headers here are wrong on purpose


def read(folder: Path, **values: Any) -> Grey:
    grey = read_grey(save(source(**values), folder / "source.dcm"))
    assert grey is not None
    return grey


def table(entries: int, data: Any, vr: str = "OW", **more: Any) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [entries, 0, 16])
    item.add_new("LUTData", vr, data)
    for keyword, value in more.items():
        setattr(item, keyword, value)
    return item


def test_an_image_without_steps_has_none(tmp_path: Path) -> None:
    grey = read(tmp_path)
    assert (len(grey.modality), len(grey.voi), grey.inverse, grey.aspect) == (0, 0, False, (1, 1))


@pytest.mark.parametrize(
    ("values", "inverse"),
    [
        ({"PhotometricInterpretation": "MONOCHROME1"}, True),
        ({"PresentationLUTShape": "INVERSE"}, True),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}, True),
        ({"PresentationLUTShape": "IDENTITY"}, False),
        ({"PresentationLUTShape": ""}, False),
    ],
)
def test_polarity_is_turned_once(values: dict[str, Any], inverse: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a table
    assert read(tmp_path, **values).inverse is inverse


def test_the_first_of_several_windows_is_taken(tmp_path: Path) -> None:
    voi = read(tmp_path, WindowCenter=[90, 10], WindowWidth=[60, 20], VOILUTFunction="SIGMOID").voi
    assert (voi.WindowCenter, voi.WindowWidth, voi.VOILUTFunction) == (90, 60, "SIGMOID")


@pytest.mark.parametrize(
    "values",
    [
        {"WindowCenter": 90, "WindowWidth": 0},
        {"WindowCenter": 90, "WindowWidth": -5},
        {"WindowCenter": 90},
        {"WindowWidth": 90},
        {"WindowCenter": "", "WindowWidth": ""},
        {"VOILUTSequence": []},
        {"VOILUTSequence": [table(256, b"\0" * 100)]},
        {"VOILUTSequence": [Dataset()]},
    ],
)
def test_what_no_viewer_can_use_is_left_out(values: dict[str, Any], tmp_path: Path) -> None:
    assert len(read(tmp_path, **values).voi) == 0


@pytest.mark.parametrize("raw", [b"wide", b"1e999", b"nan ", b"60\\wide "])
def test_a_window_that_is_no_number_is_none(raw: bytes, tmp_path: Path) -> None:
    ds = source(WindowCenter=90)
    tag = Tag("WindowWidth")
    ds[tag] = RawDataElement(tag, "DS", len(raw), raw, 0, False, True)
    grey = read_grey(save(ds, tmp_path / "source.dcm"))
    assert grey is not None
    assert len(grey.voi) == 0 or grey.voi.WindowWidth == 60


def test_an_unknown_function_is_not_repeated(tmp_path: Path) -> None:
    voi = read(tmp_path, WindowCenter=90, WindowWidth=60, VOILUTFunction="CURVY").voi
    assert "VOILUTFunction" not in voi


@pytest.mark.parametrize(("vr", "data"), [("OW", np.arange(256, dtype="<u2").tobytes()), ("US", list(range(256)))])
def test_a_table_goes_before_a_window(vr: str, data: Any, tmp_path: Path) -> None:
    voi = read(tmp_path, VOILUTSequence=[table(256, data, vr)], WindowCenter=90, WindowWidth=60).voi
    (item,) = voi.VOILUTSequence
    assert item.LUTDescriptor == [256, 0, 16]
    assert item.LUTData == data
    assert "WindowCenter" not in voi


def test_the_modality_step_is_a_table_or_a_rescale(tmp_path: Path) -> None:
    modality = read(tmp_path, RescaleSlope=2, RescaleIntercept=-50).modality
    assert (modality.RescaleSlope, modality.RescaleIntercept, modality.RescaleType) == (2, -50, "US")
    assert len(read(tmp_path, RescaleSlope=0, RescaleIntercept=-50).modality) == 0
    assert len(read(tmp_path, RescaleIntercept=-50).modality) == 0
    item = table(4, np.arange(4, dtype="<u2").tobytes(), ModalityLUTType="OD")
    both = read(tmp_path, ModalityLUTSequence=[item], RescaleSlope=2, RescaleIntercept=0).modality
    assert both.ModalityLUTSequence[0].ModalityLUTType == "OD"
    assert "RescaleSlope" not in both


@pytest.mark.parametrize(
    ("values", "aspect"),
    [
        ({"PixelSpacing": [0.2, 0.1]}, (20000, 10000)),
        ({"ImagerPixelSpacing": [0.1, 0.2]}, (5000, 10000)),
        ({"ImagerPixelSpacing": None, "PixelAspectRatio": [1, 2]}, (5000, 10000)),
        ({"ImagerPixelSpacing": [0, 0]}, (1, 1)),
    ],
)
def test_pixels_that_are_not_square_stay_so(values: dict[str, Any], aspect: tuple[int, int], tmp_path: Path) -> None:
    assert read(tmp_path, **values).aspect == aspect


def test_an_implicit_image_tells_the_same(tmp_path: Path) -> None:
    ds = source(VOILUTSequence=[table(4, np.arange(4, dtype="<u2").tobytes())], RescaleSlope=2, RescaleIntercept=1)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    path = tmp_path / "implicit.dcm"
    ds.save_as(path, enforce_file_format=True)
    grey = read_grey(path)
    assert grey is not None
    assert grey.voi.VOILUTSequence[0].LUTDescriptor == [4, 0, 16]
    assert grey.voi.VOILUTSequence[0].LUTData == np.arange(4, dtype="<u2").tobytes()
    assert grey.modality.RescaleSlope == 2


@pytest.mark.parametrize("photometric", ["RGB", "PALETTE COLOR", "YBR_FULL", ""])
def test_colour_has_no_greyscale(photometric: str, tmp_path: Path) -> None:
    assert read_grey(save(source(PhotometricInterpretation=photometric), tmp_path / "source.dcm")) is None


@pytest.mark.parametrize("content", [b"", b"no dicom at all", bytes(range(256)) * 40])
def test_what_is_no_dicom_ends_as_nothing_or_a_reason(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "source.dcm"
    path.write_bytes(content)
    with suppress(ReportError):
        assert read_grey(path) is None


@pytest.mark.shared_data
def test_real_films_of_other_makers_are_read(shared_data: Path) -> None:
    windows = 0
    for path in sorted((shared_data / "dicom").glob("RG*.dcm")):
        grey = read_grey(path)
        assert grey is not None, path.name
        windows += "WindowCenter" in dcmread(path, stop_before_pixels=True) and len(grey.voi) > 0
    assert windows >= 3
