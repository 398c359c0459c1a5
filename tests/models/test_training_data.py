"""Crops: what is done to them on their way to the network."""

from __future__ import annotations

import numpy as np

from models.training.data import as_coarse_film


def test_a_film_of_larger_pixels_shows_the_same_with_less_detail() -> None:
    rng = np.random.default_rng(5)
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None, :].repeat(256, axis=0)
    fine = ramp + 0.1 * rng.standard_normal((256, 256), dtype=np.float32)
    kept = []
    for _ in range(20):
        coarse = as_coarse_film(fine, rng)
        assert coarse.shape == fine.shape
        assert coarse.dtype == np.float32
        assert float(np.abs(coarse.mean(axis=0)[8:-8] - ramp[0, 8:-8]).max()) < 0.05
        kept.append(float(np.diff(coarse, axis=0).std() / np.diff(fine, axis=0).std()))
    assert max(kept) < 0.9
