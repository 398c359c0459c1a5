"""Processing chains: always 0 to 1, always bright for dense, and one family kept from training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.phantom.chain import process, sample_chain

PITCH_MM = 0.2


@pytest.fixture
def depth() -> NDArray[np.float32]:
    """Air, soft tissue and a bone, with noise."""
    flat = np.zeros((240, 200), dtype=np.float32)
    flat[30:210, 40:160] = 0.5
    flat[60:180, 80:120] = 1.0
    return flat + np.random.default_rng(1).normal(0, 0.02, flat.shape).astype(np.float32)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("family", ["trained", "held out"])
def test_every_chain_keeps_dense_bright(depth: NDArray[np.float32], seed: int, family: str) -> None:
    chain = sample_chain(np.random.default_rng(seed), held_out=family == "held out")
    image = process(depth, PITCH_MM, depth > 0.25, chain)
    assert image.shape == depth.shape
    assert image.dtype == np.float32
    assert 0 <= image.min() <= image.max() <= 1
    assert image[100:140, 90:110].mean() > image[100:140, 50:70].mean()
    assert image[100:140, 50:70].mean() > image[5:20, 5:20].mean()


def test_the_held_out_family_never_appears_in_training() -> None:
    rng = np.random.default_rng(2)
    assert {sample_chain(rng).family for _ in range(300)} == {"linear", "musica"}
    assert {sample_chain(rng, held_out=True).family for _ in range(20)} == {"film"}


def test_a_picture_stored_coarsely_loses_detail(depth: NDArray[np.float32]) -> None:
    depth[100, 60] += 0.4
    chain = replace(sample_chain(np.random.default_rng(3)), smoothing_mm=0.0)
    spread = [
        float(process(depth, PITCH_MM, depth > 0.25, replace(chain, native_mm=native))[98:103, 58:63].std())
        for native in (0.1, 0.33)
    ]
    assert spread[1] < 0.8 * spread[0]
