"""Bodies laid on crops: labelled where they lie, only where there is room, asked for only where they can be seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.training.bodies import Bodies
from models.training.samples import CALCIFICATION, IGNORE, OVER_BONE, SESAMOID, SOFT

BODIES = Bodies(60, 7)


def _crop(noise: float, seed: int, label: int = 0) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A crop of even tissue with noise, with bodies laid on it."""
    rng = np.random.default_rng(seed)
    image = (0.3 + noise * rng.standard_normal((256, 256))).astype(np.float32)
    cells = np.full((128, 128), label, dtype=np.uint8)
    BODIES.put(image, cells, np.full((128, 128), SOFT, dtype=np.uint8), 0.7, rng)
    return image, cells


def test_a_body_brightens_what_its_label_covers() -> None:
    covered = 0
    for seed in range(30):
        image, cells = _crop(0.002, seed)
        mine = np.repeat(np.repeat((cells & CALCIFICATION) > 0, 2, 0), 2, 1)
        if not mine.any():
            continue
        covered += 1
        assert float(np.median(image[mine])) > 0.3 + 0.01
        assert abs(float(np.median(image[~mine])) - 0.3) < 0.002
    assert covered > 8


def test_what_drowns_in_noise_is_not_asked_for() -> None:
    def share(noise: float, bit: int) -> int:
        return sum(int(((_crop(noise, seed)[1] & bit) > 0).any()) for seed in range(30))

    assert share(0.25, IGNORE) > share(0.002, IGNORE)
    assert share(0.25, CALCIFICATION) < share(0.002, CALCIFICATION)


def test_nothing_is_laid_on_what_is_labelled_or_outside_the_hand() -> None:
    assert all((_crop(0.002, seed, SESAMOID)[1] == SESAMOID).all() for seed in range(10))
    rng = np.random.default_rng(1)
    image, cells = np.zeros((256, 256), np.float32), np.zeros((128, 128), np.uint8)
    for _ in range(10):
        BODIES.put(image, cells, np.zeros((128, 128), np.uint8), 0.7, rng)
    assert not image.any()
    assert not cells.any()


def test_few_bodies_lie_over_bone() -> None:
    rng = np.random.default_rng(2)
    ground = np.full((128, 128), SOFT, np.uint8)
    ground[:, 64:] = OVER_BONE
    over, beside = 0, 0
    for _ in range(60):
        image, cells = np.full((256, 256), 0.3, np.float32), np.zeros((128, 128), np.uint8)
        BODIES.put(image, cells, ground, 0.7, rng)
        over += int(cells[:, 70:].any())
        beside += int(cells[:, :58].any())
    assert 0 < over < beside / 2
