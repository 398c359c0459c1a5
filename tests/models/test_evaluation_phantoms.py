"""A held-out specimen carries its truth, repeats, and half of them carry lesions that training never draws."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from models.evaluation.phantoms import FIRST_SEED, Specimen, specimen
from models.training.samples import LESION_PITCH_MM


@pytest.fixture(scope="module")
def grown() -> Specimen:
    return next(s for s in (specimen("measured", index) for index in (2, 6, 10, 14)) if s.truth.lesions)


def test_lesions_grown_in_voxels_are_in_the_maps_and_in_the_truth(grown: Specimen) -> None:
    for lesion in grown.truth.lesions:
        where = grown.numbers == lesion.number
        assert lesion.model == "voxels (held out)"
        assert float(grown.film.maps.ha_mm[where].max()) > 0
        assert float(where.sum()) * LESION_PITCH_MM**2 == pytest.approx(lesion.area_mm2, rel=1e-6)


def test_what_is_not_asked_for_is_undecided(grown: Specimen) -> None:
    hidden = [lesion.number for lesion in grown.truth.lesions if not lesion.visible]
    wanted = [lesion.number for lesion in grown.truth.lesions if lesion.visible]
    metal = grown.picture.metal
    assert grown.undecided[np.isin(grown.numbers, hidden) & ~metal].all()
    assert not (grown.undecided & np.isin(grown.numbers, wanted) & ~grown.film.maps.undecided).any()


def test_measures_are_those_of_the_visible_lesions(grown: Specimen) -> None:
    hand = grown.truth.hands[0]
    visible = [lesion for lesion in grown.truth.lesions if lesion.visible]
    assert hand.calcified_mm2 == pytest.approx(sum(lesion.area_mm2 for lesion in visible))
    assert (hand.burden_index > 0) == bool(visible)
    assert hand.lesions <= max(hand.bodies, 1)


def test_the_same_index_is_the_same_film() -> None:
    first, second = specimen("measured", 3), specimen("measured", 3)
    assert np.array_equal(first.picture.image, second.picture.image)
    assert first.truth == second.truth
    assert first.truth.family == "film"


def test_no_group_shares_a_seed_with_another_or_with_training() -> None:
    firsts = sorted(FIRST_SEED.values())
    assert firsts[0] >= 500_000
    assert all(b - a >= 10_000 for a, b in pairwise(firsts))
