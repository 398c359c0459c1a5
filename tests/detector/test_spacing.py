"""Which pixel spacing is believed."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom import Dataset

from edge.detector.spacing import spacing


@pytest.mark.requirement("measurements state the plane they are made in")
@pytest.mark.parametrize(
    ("header", "answer"),
    [
        ({}, (None, "unknown")),
        ({"ImagerPixelSpacing": [0.15, 0.15]}, (0.15, "ImagerPixelSpacing")),
        ({"PixelSpacing": [0.15, 0.15], "ImagerPixelSpacing": [0.15, 0.15]}, (0.15, "ImagerPixelSpacing")),
        ({"PixelSpacing": [0.14, 0.14], "ImagerPixelSpacing": [0.15, 0.15]}, (0.14, "PixelSpacing")),
        ({"PixelSpacing": [0.14, 0.14]}, (0.14, "PixelSpacing")),
        ({"NominalScannedPixelSpacing": [0.1, 0.1]}, (0.1, "NominalScannedPixelSpacing")),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.2, 0.2]}, (0.2, "ImagerPixelSpacing")),
        ({"PixelSpacing": [0, 0]}, (None, "unknown")),
        ({"PixelSpacing": [0.1, 0.2]}, (None, "unknown")),
        ({"PixelSpacing": [-0.1, -0.1]}, (None, "unknown")),
        ({"PixelSpacing": [150, 150]}, (None, "unknown")),
        ({"PixelSpacing": [0.15]}, (None, "unknown")),
        ({"PixelSpacing": None}, (None, "unknown")),
    ],
)
def test_the_first_credible_spacing_is_taken(header: dict[str, Any], answer: tuple[float | None, str]) -> None:
    dataset = Dataset()
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    found, source = spacing(dataset)
    assert source == answer[1]
    assert found == (None if answer[0] is None else pytest.approx(answer[0]))
