"""The networks' input: sizes, grey scale, and the way back to the film."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.detector import prepare


def _blob(rows: int, columns: int, x: float, y: float, sigma: float) -> prepare.Image:
    yy, xx = np.mgrid[:rows, :columns]
    blob: prepare.Image = np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * sigma**2)).astype(np.float32)
    return blob


def _centre(image: prepare.Image) -> tuple[float, float]:
    yy, xx = np.mgrid[: image.shape[0], : image.shape[1]]
    total = float(image.sum())
    return float((image * xx).sum()) / total, float((image * yy).sum()) / total


@given(rows=st.integers(3, 60), columns=st.integers(3, 60), scale=st.floats(0.11, 3.0))
def test_resizing_keeps_a_flat_image_flat(rows: int, columns: int, scale: float) -> None:
    out = prepare.resize(np.full((rows, columns), 0.37, dtype=np.float32), scale)
    assert out.shape == (max(1, round(rows * scale)), max(1, round(columns * scale)))
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, 0.37, atol=1e-5)


def test_shrinking_by_two_is_the_mean_of_four() -> None:
    image = np.random.default_rng(1).random((8, 6)).astype(np.float32)
    expected = image.reshape(4, 2, 3, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(prepare.resize(image, 0.5), expected, atol=1e-6)


def test_shrinking_averages_noise_away() -> None:
    image = np.random.default_rng(2).normal(0, 1, (400, 400)).astype(np.float32)
    assert prepare.resample(image, 0.1, 0.4).std() == pytest.approx(0.25, rel=0.1)


@pytest.mark.requirement("a finding lies where the film shows it")
@pytest.mark.parametrize("scale", [0.31, 0.5, 0.744, 1.0, 1.4])
def test_a_point_is_found_again_after_resizing(scale: float) -> None:
    image = _blob(200, 150, 61.3, 118.7, 6.0)
    x, y = _centre(prepare.resize(image, scale))
    assert prepare.Mapping(scale).backward(x, y) == pytest.approx((61.3, 118.7), abs=0.15)
    assert prepare.Mapping(scale).forward(61.3, 118.7) == pytest.approx((x, y), abs=0.1)


@given(
    scale=st.floats(0.05, 4),
    dx=st.integers(0, 31),
    dy=st.integers(0, 31),
    x=st.floats(-10, 3000),
    y=st.floats(-10, 3000),
)
def test_mapping_goes_there_and_back(scale: float, dx: int, dy: int, x: float, y: float) -> None:
    mapping = prepare.Mapping(scale, dx, dy)
    assert mapping.backward(*mapping.forward(x, y)) == pytest.approx((x, y), abs=1e-6)


def test_the_output_grid_lies_between_its_pixels() -> None:
    assert prepare.grid_to_image(0, 3) == (0.5, 6.5)
    assert prepare.image_to_grid(*prepare.grid_to_image(11.25, 7.5)) == pytest.approx((11.25, 7.5))


@pytest.mark.parametrize(("rows", "columns"), [(2048, 1536), (300, 900), (288, 288), (97, 41)])
def test_letterbox_sides_are_multiples_and_points_return(rows: int, columns: int) -> None:
    image = _blob(rows, columns, columns * 0.3, rows * 0.6, max(rows, columns) / 30)
    boxed = prepare.letterbox(image, 288, 32)
    assert boxed.image.shape[0] % 32 == 0
    assert boxed.image.shape[1] % 32 == 0
    assert max(boxed.image.shape) == 288
    x, y = boxed.mapping.backward(*_centre(boxed.image))
    assert (x, y) == pytest.approx((columns * 0.3, rows * 0.6), abs=max(rows, columns) / 200)


def test_normalising_does_not_depend_on_window_or_offset() -> None:
    image = np.random.default_rng(3).random((120, 90)).astype(np.float32)
    np.testing.assert_allclose(
        prepare.normalise(image), prepare.normalise(image * np.float32(0.2) + np.float32(5)), atol=1e-4
    )


def test_padding_and_burnt_in_white_do_not_set_the_grey_scale() -> None:
    image = (0.3 + 0.4 * np.random.default_rng(4).random((200, 200))).astype(np.float32)
    framed = image.copy()
    framed[:70] = 0.0
    framed[-30:] = 1.0
    np.testing.assert_allclose(prepare.normalise(framed)[80:160], prepare.normalise(image)[80:160], atol=0.02)


def test_the_mask_sets_the_grey_scale() -> None:
    image = np.zeros((100, 100), dtype=np.float32)
    image[40:60, 40:60] = np.linspace(0.4, 0.6, 400, dtype=np.float32).reshape(20, 20)
    out = prepare.normalise(image, image > 0)
    assert out[40:60, 40:60].min() == pytest.approx(0, abs=0.02)
    assert out[40:60, 40:60].max() == pytest.approx(1, abs=0.02)
    assert out[0, 0] == prepare.CLIP[0]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_blank_image_stays_finite(value: float) -> None:
    out = prepare.normalise(np.full((64, 64), value, dtype=np.float32))
    assert np.array_equal(out, np.zeros((64, 64), dtype=np.float32))


def test_lesion_input_is_at_the_networks_pitch() -> None:
    image = _blob(640, 480, 250, 300, 40)
    boxed = prepare.lesion_input(image, 0.15, image > 0.1, 0.2, 32)
    assert boxed.image.shape == (480, 384)  # 640 x 0.75 = 480; 480 x 0.75 = 360, padded
    assert boxed.scale == pytest.approx(0.75)
    assert boxed.offset == (12, 0)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_scale_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="scale"):
        prepare.resize(np.zeros((4, 4), dtype=np.float32), scale)
