"""A PNG that others read, pixel for pixel."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from edge.detector.png import grey_png


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (257, 33)])
def test_pillow_reads_every_pixel(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    with Image.open(io.BytesIO(grey_png(picture))) as seen:
        seen.load()
        assert seen.mode == "L"
        assert np.array_equal(np.asarray(seen), picture)


def test_differences_wrap_and_a_smooth_picture_is_small() -> None:
    picture = np.tile(np.array([0, 255, 1, 254], dtype=np.uint8), (200, 100))
    packed = grey_png(picture)
    with Image.open(io.BytesIO(packed)) as seen:
        assert np.array_equal(np.asarray(seen), picture)
    ramp = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    assert len(grey_png(ramp)) < ramp.size / 20
