"""Solid bodies on a film: their mineral is kept, and they come in every look they claim."""

from __future__ import annotations

import numpy as np
import pytest

from models.phantom import solids

PITCH_MM = 0.2


@pytest.mark.parametrize("kind", list(solids.SHARE))
@pytest.mark.parametrize("size_mm", [0.8, 2.0, 8.0])
def test_laying_a_solid_keeps_its_volume(kind: str, size_mm: float) -> None:
    points, volume_mm3 = solids._MAKE[kind](size_mm, np.random.default_rng(3))
    body = solids._laid(points, volume_mm3, PITCH_MM)
    assert float(body.thickness_mm.sum()) * PITCH_MM**2 == pytest.approx(volume_mm3, rel=0.02)
    assert body.mask.any()
    assert not body.mask[0].any()
    assert not body.mask[:, -1].any()


def test_a_shell_is_brightest_at_its_rim() -> None:
    rng = np.random.default_rng(11)
    towards = solids._directions(20_000, rng)
    body = solids._laid(3.0 * towards, 10.0, PITCH_MM)
    middle = body.thickness_mm.shape[0] // 2
    profile = body.thickness_mm[middle]
    assert profile.max() > 2 * float(np.median(profile[profile > 0]))
    assert abs(int(profile.argmax()) - middle) * PITCH_MM > 2.2


def test_the_same_seed_gives_the_same_body_and_sizes_are_those_of_lesions() -> None:
    one, two = (solids.make_body(np.random.default_rng(5), PITCH_MM) for _ in range(2))
    assert np.array_equal(one.thickness_mm, two.thickness_mm)
    rng = np.random.default_rng(6)
    areas = [float(solids.make_body(rng, PITCH_MM).mask.sum()) * PITCH_MM**2 for _ in range(60)]
    assert 0.5 < float(np.median(areas)) < 8.0
    assert max(areas) < 200.0
