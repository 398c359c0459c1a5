"""Regions, grades, types and the index, on bodies whose measures are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge.detector import measures, prepare
from edge.detector.bundle import Thresholds
from edge.detector.lesions import Body, Canvas
from edge.detector.measures import Greys, MeasuredBody, Scale
from edge.detector.outline import area_of, hull
from edge.detector.regions import RegionMap
from edge.types import REGIONS

LIMITS = Thresholds(possible=0.4, definite=0.8, hand_confidence=0.1)
SCALE = Scale(rows=800, columns=600, mm_per_pixel=0.2)
CANVAS = Canvas(0, 0, prepare.Mapping(1.0), 0.2)


def body(points: list[tuple[float, float]], *, area_mm2: float | None = None, score: float = 0.9) -> Body:
    outline = np.array(points, dtype=float)
    xs, ys = outline[:, 0] / 2, outline[:, 1] / 2
    rows, columns = np.mgrid[int(ys.min()) : int(ys.max()) + 1, int(xs.min()) : int(xs.max()) + 1].reshape(2, -1)
    full = area_of(hull(outline)) * 0.2**2
    return Body("calcification", score, rows, columns, outline, full if area_mm2 is None else area_mm2)


def ellipse(x: float, y: float, a_mm: float, b_mm: float, *, filled: float = 1.0, score: float = 0.9) -> Body:
    t = np.linspace(0, 2 * math.pi, 60, endpoint=False)
    points = list(zip(x + a_mm / 0.2 * np.cos(t), y + b_mm / 0.2 * np.sin(t), strict=True))
    return body(points, area_mm2=math.pi * a_mm * b_mm * filled, score=score)


def two_regions() -> RegionMap:
    """DP2 above, PP3 below; cells of 1 mm."""
    labels = np.zeros((160, 120), np.uint8)
    labels[:40, :], labels[40:, :] = 1 + REGIONS.index("DP2"), 1 + REGIONS.index("PP3")
    share = np.stack([labels == 1 + index for index in range(len(REGIONS))]).astype(np.float32)
    labels[:, 100:] = 0
    inside = (labels > 0).astype(np.float32)
    return RegionMap(labels, inside, (0, 0, 599, 799), prepare.Mapping(0.4), share)


def greys(lesion: float, around: float = 0.3) -> tuple[Body, Greys]:
    values = np.full((60, 60), around, np.float32)
    spot = body([(40, 40), (80, 40), (80, 80), (40, 80)])
    values[spot.rows, spot.columns] = lesion
    blank = values != np.float32(around)
    return spot, Greys(values, np.ones((60, 60), np.uint8), soft=0.3, cortex=0.7, blank=blank)


@pytest.mark.parametrize(("brightness", "grade"), [(0.35, 1), (0.40, 1), (0.43, 2), (0.50, 2), (0.55, 3), (1.2, 3)])
def test_density_is_graded_against_the_hand_s_own_bone(brightness: float, grade: int) -> None:
    assert measures.density_grade(measures.density_ratio(*greys(brightness))) == grade


def test_density_is_what_a_body_adds_to_what_lies_under_it() -> None:
    assert measures.density_ratio(*greys(0.9, around=0.7)) == pytest.approx(0.5 * measures.RECOVERY, abs=0.02)


def test_soft_tissue_and_cortex_are_the_hand_s_tubular_bones() -> None:
    small = np.full((320, 240), 0.2, np.float32)
    small[:, 80:120] = 0.8
    spot = body([(0, 0), (60, 0), (60, 60), (0, 60)])
    small[:60, :60] = 1.5
    region = two_regions()
    found = measures.greys(small, region, Canvas(0, 0, prepare.Mapping(0.4), 0.5), [spot])
    assert found.soft == pytest.approx(0.2)
    assert found.cortex == pytest.approx(0.8)


def test_a_body_belongs_to_the_region_that_holds_most_of_it() -> None:
    region = two_regions()
    assert measures.region_of(ellipse(100, 100, 3, 3), region, {}, CANVAS) == ("DP2", 1.0)
    assert measures.region_of(ellipse(100, 208, 3, 3), region, {}, CANVAS)[0] == "PP3"


def test_a_joint_parts_two_regions_to_less_than_a_cell() -> None:
    keypoints = {"PIP2": (100.0, 300.0), "DIP2": (100.0, 201.0), "TIP2": (100.0, 120.0)}
    for at, name in ((196.0, "DP2"), (206.0, "MP2")):
        assert measures.region_of(ellipse(100, at, 1.6, 0.7), two_regions(), keypoints, CANVAS)[0] == name


def test_a_body_beside_the_hand_takes_the_nearest_region_and_says_so() -> None:
    region, inside = measures.region_of(ellipse(570, 100, 2, 2), two_regions(), {}, CANVAS)
    assert (region, inside) == ("DP2", 0.0)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        (ellipse(100, 100, 1, 1), "stone"),
        (ellipse(100, 100, 3, 2.5), "stone"),
        (ellipse(100, 100, 6, 1), "plate"),
        (ellipse(100, 100, 1.5, 0.3), "stone"),
        (ellipse(100, 100, 5, 4, filled=0.4), "net"),
        (ellipse(100, 100, 5, 4, filled=0.7), "amorphous"),
    ],
)
def test_types_follow_the_shape(shape: Body, kind: str) -> None:
    assert measures.lesion_type([shape], 0.2) == kind


def test_a_single_body_is_reported_as_it_is() -> None:
    stone = MeasuredBody(ellipse(100, 120, 2, 1.5), "DP2", 2)
    made = measures.lesion(1, 0, [stone], LIMITS, SCALE)
    assert (made.certainty, made.distribution, made.bodies, made.region) == ("definite", "single", 1, "DP2")
    assert made.area_mm2 == pytest.approx(math.pi * 3)
    assert made.long_axis_mm == pytest.approx(4.0, rel=0.01)
    assert made.bbox == (90, 113, 110, 127)


def test_a_cluster_is_outlined_together_and_measured_apart() -> None:
    group = [
        MeasuredBody(ellipse(100, 100, 1, 1, score=0.7), "DP2", 3),
        MeasuredBody(ellipse(120, 100, 1, 1, score=0.5), "PP3", 1),
        MeasuredBody(ellipse(110, 112, 2, 2, score=0.6), "PP3", 1),
    ]
    made = measures.lesion(3, 1, group, LIMITS, SCALE)
    assert (made.id, made.hand, made.bodies, made.distribution) == (3, 1, 3, "cluster")
    assert made.area_mm2 == pytest.approx(6 * math.pi)
    assert made.region == "PP3"
    assert made.score == 0.7
    assert made.certainty == "possible"
    assert made.density_grade == 1
    assert made.long_axis_mm > 6.0


@pytest.mark.requirement("the burden index is what it says")
def test_the_index_is_the_sum_of_percent_times_grade() -> None:
    counted = [
        MeasuredBody(ellipse(100, 100, 2, 2), "DP2", 3),
        MeasuredBody(ellipse(200, 400, 2, 2), "PP3", 1),
        MeasuredBody(ellipse(300, 400, 2, 2), "PP3", 2),
    ]
    region = two_regions()
    found = measures.regions(region, counted, 0.2)
    soft = {"DP2": 4000.0, "PP3": 12000.0}
    assert {name: burden.soft_tissue_mm2 for name, burden in found.items()} == pytest.approx(soft)
    assert found["DP2"].burden == pytest.approx(100 * 4 * math.pi / 4000)
    assert found["PP3"].density_grade == 2
    assert found["PP3"].burden == pytest.approx(100 * 8 * math.pi / 12000 * 2 / 3)


def test_a_region_without_calcification_has_no_burden() -> None:
    found = measures.regions(two_regions(), [], 0.2)
    assert {burden.burden for burden in found.values()} == {0.0}
    assert {burden.density_grade for burden in found.values()} == {0}
    assert set(found) == {"DP2", "PP3"}


def test_a_region_is_never_more_than_full() -> None:
    huge = MeasuredBody(ellipse(100, 100, 80, 80), "DP2", 3)
    assert measures.regions(two_regions(), [huge], 0.2)["DP2"].burden == pytest.approx(100.0)


@pytest.mark.parametrize(("score", "word"), [(0.39, "below"), (0.4, "possible"), (0.79, "possible"), (0.8, "definite")])
def test_two_operating_points(score: float, word: str) -> None:
    assert measures.certainty(score, LIMITS) == word


def test_boxes_stay_on_the_film() -> None:
    assert measures.bbox_of(np.array([[-3.0, -2.0], [700.0, 900.0]]), SCALE) == (0, 0, 599, 799)
