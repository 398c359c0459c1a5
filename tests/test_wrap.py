"""Pictures of films become DICOM files that keep every grey value and invent nothing."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from edge.errors import CalcedgeError
from edge.wrap import wrap
from tests.peers.dciodvfy import judge

Array = np.ndarray[Any, np.dtype[Any]]


def ramp(depth: int = 8) -> Array:
    """Grey values over the whole range, more columns than rows, odd in both."""
    values = np.linspace(0, 2**depth - 1, 301 * 275).reshape(275, 301)
    return values.astype(np.uint8 if depth == 8 else np.uint16)


def wrapped(picture: Path, **options: Any) -> Dataset:
    out = picture.with_suffix(".dcm")
    wrap(picture, out, mm_per_pixel=0.2, **options)
    return dcmread(out)


def saved(values: Array, path: Path, **options: Any) -> Path:
    Image.fromarray(values).save(path, **options)
    return path


@pytest.mark.parametrize("name", ["film.png", "film.tif"])
@pytest.mark.parametrize("depth", [8, 10, 12, 16])
def test_grey_values_are_kept_bit_for_bit(name: str, depth: int, tmp_path: Path) -> None:
    values = ramp(depth)
    ds = wrapped(saved(values, tmp_path / name))
    assert (ds.pixel_array == values).all()
    assert (ds.Rows, ds.Columns) == (275, 301)
    assert (ds.BitsAllocated, ds.BitsStored, ds.HighBit) == (8 if depth == 8 else 16, depth, depth - 1)
    assert ds.PhotometricInterpretation == "MONOCHROME2"
    assert list(ds.ImageType) == ["ORIGINAL", "SECONDARY"]


def test_a_wrapped_film_is_a_digitised_film(tmp_path: Path) -> None:
    ds = wrapped(saved(ramp(), tmp_path / "film.png"))
    assert ds.SOPClassUID == SecondaryCaptureImageStorage
    assert (ds.Modality, ds.ConversionType, ds.BodyPartExamined) == ("RG", "DF", "HAND")
    assert list(ds.NominalScannedPixelSpacing) == [0.2, 0.2]
    assert "PixelSpacing" not in ds, "nothing calibrated it"


@pytest.mark.requirement("nothing about a patient is invented")
def test_what_is_not_given_is_empty(tmp_path: Path) -> None:
    ds = wrapped(saved(ramp(), tmp_path / "film.png"))
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "AccessionNumber"):
        assert str(ds[keyword].value or "") == ""
    assert ds.Laterality == ""


def test_what_is_given_is_written(tmp_path: Path) -> None:
    ds = wrapped(
        saved(ramp(), tmp_path / "film.png"),
        side="L",
        patient_id="P 1",
        patient_name="Müller^Jörg",
        patient_birth_date="19600214",
        patient_sex="F",
    )
    assert (ds.PatientID, str(ds.PatientName), ds.PatientBirthDate) == ("P 1", "Müller^Jörg", "19600214")
    assert (ds.PatientSex, ds.Laterality, ds.SpecificCharacterSet) == ("F", "L", "ISO_IR 192")


@pytest.mark.parametrize("depth", [8, 12, 16])
def test_invert_turns_the_values_over(depth: int, tmp_path: Path) -> None:
    values = ramp(depth)
    ds = wrapped(saved(values, tmp_path / "film.png"), invert=True)
    assert (ds.pixel_array == 2**depth - 1 - values).all()
    assert "inverted" in ds.DerivationDescription
    assert list(ds.ImageType) == ["DERIVED", "SECONDARY"]


def test_grey_stored_as_colour_is_grey_again(tmp_path: Path) -> None:
    values = ramp()
    for mode in ("RGB", "RGBA", "LA", "P"):
        picture = tmp_path / f"{mode}.png"
        Image.fromarray(values).convert(mode).save(picture)
        ds = wrapped(picture)
        assert (ds.pixel_array == values).all()
        assert "DerivationDescription" not in ds


def test_colour_becomes_luminance_and_the_file_says_so(tmp_path: Path) -> None:
    colour = np.zeros((300, 280, 3), np.uint8)
    colour[..., 0] = 200
    ds = wrapped(saved(colour, tmp_path / "film.png"))
    assert ds.SamplesPerPixel == 1
    assert set(np.unique(ds.pixel_array)) == {60}
    assert "luminance of a colour picture" in ds.DerivationDescription


def white_is_zero(values: Array, order: str) -> bytes:
    """A minimal TIFF whose photometric interpretation is WhiteIsZero (TIFF 6.0 section 3)."""
    rows, columns = values.shape
    content = values.astype(f"{order}u{values.dtype.itemsize}").tobytes()
    bits = 8 * values.dtype.itemsize
    entries = [(256, columns), (257, rows), (258, bits), (259, 1), (262, 0), (273, 8), (277, 1), (278, rows)]
    entries = [*entries, (279, len(content))]
    directory = struct.pack(f"{order}H", len(entries))
    for tag, value in entries:
        directory += struct.pack(f"{order}HHII", tag, 4, 1, value)
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8 + len(content))
    return head + content + directory + struct.pack(f"{order}I", 0)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_film_stored_white_as_zero_is_turned_over(depth: int, tmp_path: Path) -> None:
    values = ramp(depth)
    path = tmp_path / "film.tif"
    path.write_bytes(white_is_zero(values, "<"))
    assert (wrapped(path).pixel_array == 2**depth - 1 - values).all()
    assert (wrapped(path, invert=True).pixel_array == values).all()


def test_big_endian_tiff(tmp_path: Path) -> None:
    values = ramp(16)
    path = tmp_path / "film.tif"
    path.write_bytes(
        white_is_zero(values, ">").replace(struct.pack(">HHII", 262, 4, 1, 0), struct.pack(">HHII", 262, 4, 1, 1))
    )
    assert (wrapped(path).pixel_array == values).all()


def test_a_jpeg_says_that_it_lost_something(tmp_path: Path) -> None:
    ds = wrapped(saved(ramp(), tmp_path / "film.jpg", quality=90))
    assert ds.LossyImageCompression == "01"
    assert ds.LossyImageCompressionMethod == "ISO_10918_1"
    assert ds.LossyImageCompressionRatio > 1


def test_a_photograph_turned_by_its_camera_stands_upright(tmp_path: Path) -> None:
    values = ramp()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter to the right to be shown
    ds = wrapped(saved(values, tmp_path / "film.png", exif=exif))
    assert (ds.pixel_array == np.rot90(values, -1)).all()


@pytest.mark.needs("dciodvfy")
@pytest.mark.parametrize("options", [{}, {"side": "R", "patient_name": "Люксембург^Роза", "patient_id": "7"}])
def test_a_foreign_judge_finds_no_error(options: dict[str, Any], tmp_path: Path) -> None:
    colour = np.dstack([ramp(), ramp()[::-1], ramp()])
    for name, values in (("a.png", ramp()), ("b.tif", ramp(12)), ("c.jpg", ramp()), ("d.png", colour)):
        wrapped(saved(values, tmp_path / name), **options)
        verdict = judge((tmp_path / name).with_suffix(".dcm").read_bytes(), tmp_path)
        assert verdict.kind == "SCImage"
        assert verdict.errors == (), name


def refused(picture: Path, **options: Any) -> str:
    out = picture.with_name("out.dcm")
    with pytest.raises(CalcedgeError) as caught:
        wrap(picture, out, mm_per_pixel=0.2, **options)
    assert not out.exists()
    assert list(picture.parent.glob(".*")) == []
    return caught.value.reason.code


@pytest.mark.parametrize("content", [b"", b"plain text", b"\x89PNG\r\n\x1a\n", bytes(200), b"GIF89a" + bytes(50)])
def test_what_is_no_picture_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    path.write_bytes(content)
    assert refused(path) == "not-a-picture"


@pytest.mark.parametrize("name", ["film.png", "film.tif", "film.jpg"])
def test_a_cut_picture_is_refused(name: str, tmp_path: Path) -> None:
    path = saved(ramp(), tmp_path / name)
    content = path.read_bytes()
    for share in range(1, 10):
        path.write_bytes(content[: len(content) * share // 10])
        assert refused(path) == "not-a-picture"


def test_dicom_is_told_apart(tmp_path: Path) -> None:
    wrapped(saved(ramp(), tmp_path / "film.png"))
    with pytest.raises(CalcedgeError, match="DICOM already"):
        wrap(tmp_path / "film.dcm", tmp_path / "again.dcm", mm_per_pixel=0.2)


def test_several_pages_are_refused(tmp_path: Path) -> None:
    page = Image.fromarray(ramp())
    page.save(tmp_path / "film.tif", save_all=True, append_images=[page])
    assert refused(tmp_path / "film.tif") == "multi-frame"


def test_values_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    assert refused(saved(np.full((300, 300), 0.5, np.float32), tmp_path / "f.tif")) == "not-a-picture"
    assert refused(saved(np.full((300, 300), 70000, np.int32), tmp_path / "i.tif")) == "not-a-picture"


def test_too_many_pixels_are_refused(tmp_path: Path) -> None:
    Image.new("1", (9000, 8000)).save(tmp_path / "film.png")
    assert refused(tmp_path / "film.png") == "too-large"


def test_the_picture_is_never_overwritten(tmp_path: Path) -> None:
    path = saved(ramp(), tmp_path / "film.png")
    before = path.read_bytes()
    with pytest.raises(CalcedgeError, match="overwrite"):
        wrap(path, path, mm_per_pixel=0.2)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    path = saved(ramp(), tmp_path / "film.png")
    (tmp_path / "folder").mkdir()
    for out in (tmp_path / "nowhere" / "film.dcm", tmp_path / "folder"):
        with pytest.raises(CalcedgeError) as caught:
            wrap(path, out, mm_per_pixel=0.2)
        assert caught.value.reason.code == "not-writable"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["film.png", "folder"]


def test_two_wraps_are_two_images(tmp_path: Path) -> None:
    path = saved(ramp(), tmp_path / "film.png")
    assert wrapped(path).SOPInstanceUID != wrapped(path).SOPInstanceUID


@pytest.mark.shared_data
def test_real_films_are_wrapped(shared_data: Path, tmp_path: Path) -> None:
    films = sorted((shared_data / "real_hands" / "mature").glob("*.png"))
    assert len(films) == 16
    for film in films:
        wrap(film, tmp_path / "film.dcm", mm_per_pixel=0.2)
        with Image.open(film) as picture:
            assert (dcmread(tmp_path / "film.dcm").pixel_array == np.asarray(picture.convert("L"))).all()
