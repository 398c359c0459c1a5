"""Bodies and clusters out of maps whose content is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detector import lesions, prepare
from edge.detector.bundle import Thresholds
from edge.detector.lesions import Body, Canvas
from edge.types import Point

LIMITS = Thresholds(possible=0.4, definite=0.8, hand_confidence=0.1)
CANVAS = Canvas(x0=100, y0=200, mapping=prepare.Mapping(0.75, 3, 5), mm_per_pixel=0.15)
"""The film has 0.15 mm, the network 0.2, a cell is 0.4."""
THUMB: dict[str, Point] = {"MCP1": (147.0, 237.0)}
"""About cell 16, 15."""


def maps(*discs: tuple[int, float, float, float, float], size: int = 100) -> NDArray[np.float32]:
    """Lesion maps [3, size, size] of soft discs: channel, x, y, radius in cells, height."""
    out = np.zeros((3, size, size), np.float32)
    y, x = np.mgrid[:size, :size]
    for channel, cx, cy, radius, height in discs:
        value = height * np.clip(0.5 + radius - np.hypot(x - cx, y - cy), 0, 1)
        out[channel] = np.maximum(out[channel], value)
    return out


def found(content: NDArray[np.float32], keypoints: dict[str, Point] | None = None) -> list[Body]:
    return lesions.bodies(content, CANVAS, LIMITS, keypoints or {})


def test_a_body_has_its_place_and_size_on_the_film() -> None:
    (body,) = found(maps((0, 50, 40, 5, 1.0)))
    assert body.kind == "calcification"
    assert body.score == pytest.approx(1.0)
    assert body.area_mm2 == pytest.approx(math.pi * (5 * 0.4) ** 2, rel=0.06)
    middle = CANVAS.to_film(np.array([[50.0, 40.0]]))[0]
    assert body.points.mean(axis=0) == pytest.approx(middle, abs=0.5)
    assert np.hypot(*(body.points - middle).T) == pytest.approx(5 * 0.4 / 0.15, rel=0.1)


def test_bodies_come_the_surest_first_and_faint_ones_are_kept() -> None:
    scores = [body.score for body in found(maps((0, 20, 20, 3, 0.3), (0, 60, 20, 3, 0.95), (0, 20, 70, 3, 0.6)))]
    assert scores == pytest.approx([0.95, 0.6, 0.3])


def test_what_is_fainter_than_the_floor_is_nothing() -> None:
    assert found(maps((0, 20, 20, 3, 0.07))) == []


def test_a_faint_body_is_outlined_at_half_its_peak() -> None:
    strong, faint = (found(maps((0, 50, 40, 5, height)))[0] for height in (1.0, 0.3))
    assert faint.area_mm2 == pytest.approx(strong.area_mm2, rel=0.05)


def test_the_halo_of_a_sure_body_is_no_second_one() -> None:
    content = maps((0, 50, 50, 4, 1.0))
    y, x = np.mgrid[:100, :100]
    skirt = 0.45 * np.exp(-np.clip(np.hypot(x - 50, y - 50) - 4, 0, None) / 4)
    content[0] = np.maximum(content[0], skirt)
    assert len(found(content)) == 1


@pytest.mark.requirement("normal sesamoids are named and not counted")
def test_a_sesamoid_is_named_where_sesamoids_are() -> None:
    content = maps((0, 18, 16, 5, 0.7), (1, 18, 16, 5, 0.9))
    assert [body.kind for body in found(content, THUMB)] == ["sesamoid"]


@pytest.mark.requirement("normal sesamoids are named and not counted")
def test_no_calcification_is_lost_to_a_sesamoid_where_there_are_none() -> None:
    content = maps((0, 85, 85, 5, 0.7), (1, 85, 85, 5, 0.9))
    assert [body.kind for body in found(content, THUMB)] == ["calcification"]


def test_only_what_is_asked_for_is_cut_out() -> None:
    content = maps((0, 20, 20, 3, 0.3), (0, 60, 20, 3, 0.95), (0, 20, 70, 3, 0.6))
    bodies = lesions.bodies(content, CANVAS, LIMITS, {}, least=0.4)
    assert [body.score for body in bodies] == pytest.approx([0.95, 0.6])


def test_noise_is_bounded() -> None:
    content = np.zeros((3, 300, 300), np.float32)
    content[0, 1::5, 1::5] = np.random.default_rng(8).uniform(0.1, 0.3, (60, 60))
    bodies = found(content)
    assert len(bodies) == lesions.MOST
    assert bodies[-1].score > 0.28, "the surest are kept"


def test_metal_is_not_counted_anywhere() -> None:
    assert [body.kind for body in found(maps((0, 70, 70, 5, 0.9), (2, 70, 70, 6, 0.95)))] == ["metal"]


def test_near_bodies_are_a_cluster_and_far_ones_are_not() -> None:
    bodies = found(maps((0, 20, 20, 2, 0.9), (0, 27, 20, 2, 0.8), (0, 34, 20, 2, 0.7), (0, 70, 70, 3, 0.95)))
    groups = lesions.clusters(bodies, CANVAS, (100, 100))
    assert [[round(body.score, 2) for body in group] for group in groups] == [[0.95], [0.9, 0.8, 0.7]]


@pytest.mark.parametrize(("gap_mm", "together"), [(1.4, True), (3.2, False)])
def test_the_gap_between_outlines_decides(gap_mm: float, together: bool) -> None:  # noqa: FBT001 - a table
    bodies = found(maps((0, 30, 30, 3, 0.9), (0, 36 + gap_mm / 0.4, 30, 3, 0.9)))
    assert len(bodies) == 2
    assert (len(lesions.clusters(bodies, CANVAS, (100, 100))) == 1) is together


def test_no_bodies_are_no_clusters() -> None:
    assert lesions.clusters([], CANVAS, (10, 10)) == []


def ranked(*discs: tuple[int, float, float, float, float]) -> NDArray[np.float32]:
    """Maps of a release with a certainty channel: `discs` as in `maps`, channel 3 being the certainty."""
    out = np.zeros((4, 100, 100), np.float32)
    y, x = np.mgrid[:100, :100]
    for channel, cx, cy, radius, height in discs:
        value = height * np.clip(0.5 + radius - np.hypot(x - cx, y - cy), 0, 1)
        out[channel] = np.maximum(out[channel], value)
    return out


def test_the_outline_comes_from_one_map_and_the_score_from_the_other() -> None:
    (body,) = found(ranked((0, 50, 40, 5, 0.99), (3, 50, 40, 2, 0.6)))
    assert body.score == pytest.approx(0.6)
    assert body.area_mm2 == pytest.approx(math.pi * (5 * 0.4) ** 2, rel=0.06)


def test_what_is_certain_without_an_outline_is_outlined_by_its_certainty() -> None:
    (body,) = found(ranked((0, 50, 40, 4, 0.3), (3, 50, 40, 4, 0.7)))
    assert body.score == pytest.approx(0.7)
    assert body.area_mm2 == pytest.approx(math.pi * (4 * 0.4) ** 2, rel=0.1)


def test_an_outline_without_certainty_is_nothing() -> None:
    assert found(ranked((0, 50, 40, 5, 0.99), (3, 50, 40, 5, 0.05))) == []
