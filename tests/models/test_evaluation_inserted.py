"""Lesions put into a drawn hand: where, how bright, and what stays untouched."""

from __future__ import annotations

import numpy as np

from models.evaluation.inserted import PER_HAND, grey_per_contrast, insert
from tests.models.drawn_hand import MM, POINTS, hand


def test_grey_per_contrast_is_the_step_from_soft_tissue_to_cortex() -> None:
    assert 0.3 < grey_per_contrast(hand(), POINTS, MM) * 0.6 < 0.6  # drawn: soft 0.3, cortex 0.75


def test_lesions_brighten_their_place_and_nothing_else() -> None:
    film = hand()
    changed = insert(film, POINTS, MM, np.random.default_rng(3))
    assert 1 <= len(changed.lesions) <= PER_HAND
    assert {lesion.number for lesion in changed.lesions} >= set(np.unique(changed.numbers)) - {0}
    step = changed.image - film
    rows, columns = np.nonzero(changed.numbers)
    assert float(step[rows, columns].mean()) > 0
    far = np.ones(film.shape, dtype=bool)
    for row, column in zip(rows, columns, strict=True):
        far[max(0, row - 15) : row + 16, max(0, column - 15) : column + 16] = False
    assert float(np.abs(step[far]).max()) <= 1 / 255


def test_the_same_seed_puts_in_the_same() -> None:
    first, second = (insert(hand(), POINTS, MM, np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(first.image, second.image)


def test_what_cannot_be_seen_is_not_asked_for_and_excuses_marks() -> None:
    changed = insert(hand(), POINTS, MM, np.random.default_rng(4))
    hidden = [lesion.number for lesion in changed.lesions if not lesion.visible]
    assert np.array_equal(changed.undecided, np.isin(changed.numbers, hidden) & (changed.numbers > 0))
