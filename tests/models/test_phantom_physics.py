"""The phantom's X-rays agree with the polyenergetic tables they are fitted to."""

from __future__ import annotations

import numpy as np
import pytest

from models.phantom import physics
from models.phantom.raster import Map


def _mm(value: float) -> Map:
    return np.full((1, 1), value, dtype=np.float32)


ZERO = _mm(0)


@pytest.mark.parametrize(
    ("thickness_mm", "packing", "expected"),
    [(0.5, 0.15, 0.032), (0.5, 0.40, 0.083), (1, 0.15, 0.063), (1, 0.40, 0.163), (2, 0.15, 0.12), (2, 0.40, 0.31),
     (5, 0.15, 0.30), (5, 0.40, 0.72)],
)  # fmt: skip
def test_contrast_of_a_calcification_at_55_kvp(thickness_mm: float, packing: float, expected: float) -> None:
    """SpekPy and xraylib, behind 15 mm of soft tissue."""
    contrast = physics.mineral_contrast(ZERO, _mm(thickness_mm * packing), ZERO, 55.0)
    assert float(contrast[0, 0]) == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize(("cortex_mm", "expected"), [(1.0, 0.275), (2.0, 0.52)])
def test_contrast_of_two_cortices_at_55_kvp(cortex_mm: float, expected: float) -> None:
    contrast = physics.mineral_contrast(_mm(2 * cortex_mm), ZERO, ZERO, 55.0)
    assert float(contrast[0, 0]) == pytest.approx(expected, rel=0.03)


def test_a_softer_beam_shows_more_contrast() -> None:
    contrasts = [float(physics.mineral_contrast(_mm(1), ZERO, ZERO, kvp)[0, 0]) for kvp in physics.KVP]
    assert contrasts == sorted(contrasts, reverse=True)


def test_metal_is_denser_than_any_bone() -> None:
    metal = physics.mineral_contrast(ZERO, ZERO, _mm(1), 55.0)
    bone = physics.mineral_contrast(_mm(8), ZERO, ZERO, 55.0)
    assert metal[0, 0] > 1.5 * bone[0, 0]


def test_noise_has_the_deviation_that_the_dose_allows() -> None:
    """4 uGy at 0.2 mm behind 15 mm of soft tissue: about 3.1 % in -ln I."""
    depth = np.full((256, 256), 0.0333 * 15, dtype=np.float32)
    exposure = physics.Exposure(kvp=55.0, detector_dose_ugy=4.0, scatter_fraction=0.0, blur_mm=0.0)
    noisy = physics.expose(depth, 0.2, exposure, np.random.default_rng(1))
    assert float(noisy.std()) == pytest.approx(0.031, rel=0.06)
    assert float(noisy.mean()) == pytest.approx(0.0333 * 15, abs=0.005)


def test_a_quarter_of_the_dose_doubles_the_noise() -> None:
    depth = np.full((256, 256), 0.5, dtype=np.float32)
    deviations = []
    for dose in (8.0, 2.0):
        exposure = physics.Exposure(kvp=55.0, detector_dose_ugy=dose, scatter_fraction=0.0, blur_mm=0.0)
        deviations.append(float(physics.expose(depth, 0.2, exposure, np.random.default_rng(2)).std()))
    assert deviations[1] / deviations[0] == pytest.approx(2.0, rel=0.05)


def test_scatter_lowers_contrast() -> None:
    depth = np.zeros((400, 400), dtype=np.float32)
    depth[:, 200:] = 1.0
    steps = []
    for fraction in (0.0, 0.3):
        exposure = physics.Exposure(55.0, 1e6, fraction, 0.05)
        out = physics.expose(depth, 0.2, exposure, np.random.default_rng(3))
        steps.append(float(out[:, 210:230].mean() - out[:, 170:190].mean()))
    assert steps[1] < 0.9 * steps[0]
