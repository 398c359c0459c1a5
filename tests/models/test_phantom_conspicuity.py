"""A lesion counts when it can be seen in the picture: contrast against clutter."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.phantom.conspicuity import STANDS_OUT, conspicuity
from models.phantom.film import Recipe, make_film
from models.phantom.render import render

PITCH_MM = 0.2


Scene = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int16]]


def scene(contrast: float, *, noise: float, edges: bool = False) -> Scene:
    """A disc of 2 mm on a noisy ground, sometimes among bright lines: picture, picture without it, ids."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:120, :120]
    disc = (x - 60) ** 2 + (y - 60) ** 2 < 25
    ground = 0.4 + noise * rng.standard_normal((120, 120))
    if edges:
        ground = ground + 0.3 * (x % 6 == 0)
    without = ground.astype(np.float32)
    picture = (without + contrast * disc).astype(np.float32)
    return picture, without, disc.astype(np.int16)


def seen(contrast: float, *, noise: float, edges: bool = False) -> float:
    picture, without, ids = scene(contrast, noise=noise, edges=edges)
    return conspicuity(picture, without, ids, PITCH_MM)[1]


def test_a_bright_body_in_quiet_tissue_is_visible_and_a_faint_one_in_noise_is_not() -> None:
    assert seen(0.2, noise=0.01) > 2 * STANDS_OUT
    assert seen(0.02, noise=0.05) < STANDS_OUT


def test_it_grows_with_contrast_and_falls_with_noise_and_clutter() -> None:
    assert seen(0.2, noise=0.02) > 1.8 * seen(0.1, noise=0.02)
    assert seen(0.1, noise=0.02) > 1.5 * seen(0.1, noise=0.06)
    assert seen(0.1, noise=0.02) > 1.5 * seen(0.1, noise=0.02, edges=True)


def test_less_than_a_grey_step_of_a_screen_is_never_visible() -> None:
    assert seen(1 / 255, noise=0.0) <= 1.0


@pytest.mark.requirement("what is asked of the model can be seen by a person")
def test_every_lesion_of_a_film_is_judged_and_no_other() -> None:
    film = make_film(4242, Recipe(layout="left", lesions=6, cut_off=False))
    picture = render(film, 1)
    assert set(picture.conspicuity) == {int(n) for n in np.unique(film.lesion_ids)} - {0}
    assert len({round(value, 3) for value in picture.conspicuity.values()}) == len(picture.conspicuity)


def test_the_picture_is_the_same_whether_lesions_are_judged_or_not() -> None:
    clear = make_film(4242, Recipe(layout="left", lesions=0, cut_off=False))
    assert render(clear, 1).conspicuity == {}
    assert np.array_equal(render(clear, 1).image, render(clear, 1).image)
