"""Lesions grown in voxels have the size asked for, are solid mineral in millimetres, and repeat."""

from __future__ import annotations

import numpy as np
import pytest

from edge.types import LesionType
from models.evaluation import voxels
from models.evaluation.truth import shape_of


@pytest.mark.parametrize("kind", ["stone", "plate", "net", "amorphous"])
def test_sizes_and_thickness_are_of_the_order_asked_for(kind: LesionType) -> None:
    grown = [voxels.grow(kind, 6.0, 0.2, np.random.default_rng(seed)) for seed in range(4)]
    lengths = [shape_of(body.mask, 0.2)[0] for body in grown]
    assert 2.0 < float(np.median(lengths)) < 8.0
    for body in grown:
        assert body.thickness_mm.shape == body.mask.shape
        assert 0.01 < float(body.thickness_mm.max()) < 6.0


def test_the_same_seed_grows_the_same_body() -> None:
    first, second = (voxels.grow("stone", 3.0, 0.2, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.thickness_mm, second.thickness_mm)


def test_a_finer_grid_keeps_the_mineral() -> None:
    coarse, fine = (voxels.grow("stone", 4.0, pitch, np.random.default_rng(5)) for pitch in (0.2, 0.1))
    volumes = [float(body.thickness_mm.sum()) * pitch**2 for body, pitch in ((coarse, 0.2), (fine, 0.1))]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.1)


def test_sheets_and_nets_are_never_drawn_too_small_to_be_told() -> None:
    rng = np.random.default_rng(1)
    drawn = [voxels.sample(rng) for _ in range(400)]
    assert all(size >= 3.0 for kind, size in drawn if kind in {"plate", "net"})
    assert {kind for kind, _ in drawn} == set(voxels.SHARE)
