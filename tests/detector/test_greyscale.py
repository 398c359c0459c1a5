"""The tables of the grey scale, where headers are at their worst."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from edge.detector import greyscale

VALUES = np.arange(-10.0, 266.0)


def header(**values: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def table(descriptor: list[int], data: Any, vr: str = "OW") -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, "SS" if descriptor[1] < 0 else "US", descriptor)
    item.add_new(0x00283006, vr, data)
    return header(VOILUTSequence=[item])


@pytest.mark.parametrize("slope", ["0", "nan", ""])
def test_a_slope_that_would_erase_the_picture_counts_as_none(slope: str) -> None:
    dataset = Dataset()
    dataset.add_new(0x00281053, "LO", slope)
    assert np.array_equal(greyscale.modality(dataset, VALUES, signed=False), VALUES)


@pytest.mark.parametrize("width", [0, -5, 0.5, None])
def test_a_window_that_can_be_none_counts_as_none(width: float | None) -> None:
    assert greyscale.values_of_interest(header(WindowCenter=100, WindowWidth=width), VALUES) is None


def test_a_window_of_width_one_is_a_threshold() -> None:
    shown = greyscale.values_of_interest(header(WindowCenter=100, WindowWidth=1), VALUES)
    assert shown is not None
    assert set(shown[VALUES < 100]) == {0.0}
    assert set(shown[VALUES >= 100]) == {1.0}


@pytest.mark.parametrize(
    ("data", "vr"),
    [
        (np.arange(256, dtype="<u2").tobytes(), "OW"),
        (list(range(256)), "US"),
        (np.arange(256, dtype=np.uint8).tobytes(), "OW"),
    ],
    ids=["words", "numbers", "bytes, two in a word"],
)
def test_a_table_is_read_however_it_is_written(data: Any, vr: str) -> None:
    shown = greyscale.values_of_interest(table([256, 0, 8], data, vr), VALUES)
    assert shown is not None
    assert np.allclose(shown, np.clip(VALUES, 0, 255) / 255)


def test_a_descriptor_of_zero_means_65536_entries() -> None:
    lut = greyscale.lut(table([0, 0, 16], np.arange(65536, dtype="<u2").tobytes()), "VOILUTSequence", signed=False)
    assert lut is not None
    assert len(lut.entries) == 65536
    assert lut.highest == 65535


def test_a_first_value_written_unsigned_is_read_as_signed_where_values_are() -> None:
    lut = greyscale.lut(table([256, 65436, 8], bytes(256)), "VOILUTSequence", signed=True)
    assert lut is not None
    assert lut.first == -100


@pytest.mark.parametrize("broken", [[256, 0], [256, 0, 40], [0, 0, 0]])
def test_a_table_that_can_not_be_read_counts_as_none(broken: list[int]) -> None:
    assert greyscale.lut(table(broken, bytes(256)), "VOILUTSequence", signed=False) is None


def test_a_table_is_preferred_to_a_window() -> None:
    both = table([256, 0, 8], np.arange(256, dtype="<u2").tobytes())
    both.WindowCenter, both.WindowWidth = 1, 1
    shown = greyscale.values_of_interest(both, VALUES)
    assert shown is not None
    assert shown[VALUES == 128][0] == pytest.approx(128 / 255)


@pytest.mark.parametrize(
    ("photometric", "shape", "turned"),
    [
        ("MONOCHROME1", "", True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME2", "", False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", "IDENTITY", True),  # both are against the standard:
        ("MONOCHROME2", "INVERSE", True),  # whoever asks for an inversion gets one
    ],
)
def test_the_picture_is_turned_over_at_most_once(photometric: str, shape: str, turned: bool) -> None:  # noqa: FBT001 - a table
    assert greyscale.inverted(header(PhotometricInterpretation=photometric, PresentationLUTShape=shape)) is turned
