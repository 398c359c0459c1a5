"""Outlines become pixels: by hand, by another painter, and packed as the standard packs them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from pydicom.pixels.utils import pack_bits

from edge.report.masks import inside, packed, unpacked

SIZES = st.tuples(st.integers(1, 60), st.integers(1, 60))
CORNERS = st.lists(st.tuples(st.floats(-20, 80), st.floats(-20, 80)), min_size=3, max_size=12)


def test_a_square_holds_the_pixels_whose_centres_it_holds() -> None:
    square = [(1.5, 0.5), (4.5, 0.5), (4.5, 2.5), (1.5, 2.5)]
    assert inside(square, 10, 10).tolist() == [12, 13, 14, 22, 23, 24]


def test_what_lies_off_the_film_is_left_out() -> None:
    everything = [(-50.0, -50.0), (60.0, -50.0), (60.0, 60.0), (-50.0, 60.0)]
    assert inside(everything, 4, 5).tolist() == list(range(20))


def test_a_ring_drawn_as_one_line_keeps_its_hole() -> None:
    ring = [
        (0.5, 0.5),
        (8.5, 0.5),
        (8.5, 8.5),
        (0.5, 8.5),
        (0.5, 0.5),
        (3.5, 3.5),
        (5.5, 3.5),
        (5.5, 5.5),
        (3.5, 5.5),
        (3.5, 3.5),
    ]
    marked = np.zeros(100, dtype=bool)
    marked[inside(ring, 10, 10)] = True
    assert marked.sum() == 64 - 4
    assert not marked.reshape(10, 10)[4:6, 4:6].any()


@given(CORNERS, SIZES)
def test_a_segment_is_never_empty_and_never_off_the_film(
    corners: list[tuple[float, float]], size: tuple[int, int]
) -> None:
    found = inside(corners, *size)
    assert len(found) >= 1
    assert found.min() >= 0
    assert found.max() < size[0] * size[1]
    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize("seed", range(20))
def test_another_painter_marks_the_same_but_for_the_rim(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 24))
    radii = rng.uniform(15, 40, 24)
    corners = [
        (float(x), float(y)) for x, y in zip(60 + radii * np.cos(angles), 50 + radii * np.sin(angles), strict=True)
    ]
    ours = np.zeros(100 * 120, dtype=bool)
    ours[inside(corners, 100, 120)] = True
    canvas = Image.new("1", (120, 100))
    ImageDraw.Draw(canvas).polygon(corners, fill=1)
    rim = Image.new("1", (120, 100))
    ImageDraw.Draw(rim).line([*corners, corners[0]], fill=1, width=3)
    assert (ours.reshape(100, 120) != np.asarray(canvas))[~np.asarray(rim)].sum() == 0


@given(SIZES, st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_packing_is_pydicoms_and_comes_back(size: tuple[int, int], count: int, seed: int) -> None:
    pixels = size[0] * size[1]
    frames = np.random.default_rng(seed).random((count, *size)) < 0.3
    marked = [np.flatnonzero(frame) for frame in frames]
    content = packed(marked, pixels)
    assert content == pack_bits(frames.astype(np.uint8), pad=True)
    for found, frame in zip(unpacked(content, count, pixels), marked, strict=True):
        assert found.tolist() == frame.tolist()


def test_a_wrong_length_is_no_set_of_frames() -> None:
    content = packed([np.asarray([3])], 100)
    for wrong in (content[:-2], content + b"\0\0", b""):
        with pytest.raises(ValueError, match="bytes"):
            unpacked(wrong, 1, 100)
