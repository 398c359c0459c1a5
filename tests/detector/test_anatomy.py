"""Side, scale and proportions from keypoints; hands out of the network's first look."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detector import anatomy, gate, prepare
from edge.detector.anatomy import SeenHand
from edge.detector.bundle import AnatomyInput, Thresholds
from edge.detector.engine import Look, Maps
from edge.detector.regions import RegionMap
from edge.detector.skeleton import SEGMENT_MM
from edge.errors import Refused
from edge.types import Point

LIMITS = Thresholds(possible=0.4, definite=0.8, hand_confidence=0.3)
EMPTY = RegionMap(
    np.zeros((4, 4), np.uint8),
    np.zeros((4, 4), np.float32),
    (0, 0, 7, 7),
    prepare.Mapping(1.0),
    np.zeros((20, 4, 4), np.float32),
)


def keypoints(*, px_per_mm: float = 5.0, turn_deg: float = 0.0, mirrored: bool = False) -> dict[str, Point]:
    """A left hand seen from behind: fingers up, thumb on the right; mirrored: a right one."""
    points: dict[str, Point] = {"WRIST": (0.0, 0.0), "MCP1": (38.0, 50.0), "IP1": (52.0, 80.0), "TIP1": (60.0, 100.0)}
    for digit, x in ((2, 20.0), (3, 0.0), (4, -18.0), (5, -34.0)):
        y = 95.0 - 3 * (digit - 2)
        points[f"MCP{digit}"] = (x, y)
        for a, b in (("MCP", "PIP"), ("PIP", "DIP"), ("DIP", "TIP")):
            y += SEGMENT_MM[f"{a}{digit}-{b}{digit}"]
            points[f"{b}{digit}"] = (x, y)
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    k = px_per_mm
    flat = {name: ((-x if mirrored else x), -y) for name, (x, y) in points.items()}
    return {name: (1000 + k * (c * x - s * y), 1000 + k * (s * x + c * y)) for name, (x, y) in flat.items()}


def seen(points: dict[str, Point], confidence: float = 0.5) -> SeenHand:
    return SeenHand(anatomy.side_of(points), (0, 0, 7, 7), points, confidence, EMPTY)


@pytest.mark.requirement("the side is the hand's own")
@pytest.mark.parametrize("turn_deg", range(0, 360, 45))
def test_a_hand_s_side_doesn_t_depend_on_how_it_lies(turn_deg: float) -> None:
    assert anatomy.side_of(keypoints(turn_deg=turn_deg)) == "L"
    assert anatomy.side_of(keypoints(turn_deg=turn_deg, mirrored=True)) == "R"


@pytest.mark.parametrize("gone", [["WRIST"], ["MCP1"], ["MCP5", "WRIST"], ["MCP3", "MCP2", "PIP5"]])
def test_a_side_needs_no_single_joint(gone: list[str]) -> None:
    assert anatomy.side_of({name: p for name, p in keypoints().items() if name not in gone}) == "L"


def test_a_thumb_across_the_palm_doesn_t_change_the_side() -> None:
    points = keypoints()
    assert anatomy.side_of(points | {"MCP1": points["MCP5"], "TIP1": points["PIP5"]}) == "L"


def test_too_little_of_a_hand_has_no_side() -> None:
    points = keypoints()
    assert anatomy.side_of({name: points[name] for name in ("WRIST", "MCP3", "TIP3")}) == "U"
    assert anatomy.side_of({}) == "U"


def test_the_scale_is_that_of_adult_bones() -> None:
    for px_per_mm in (2.0, 5.0, 10.0):
        assert anatomy.estimated_mm_per_pixel((seen(keypoints(px_per_mm=px_per_mm)),)) == pytest.approx(1 / px_per_mm)


def test_one_wrong_joint_doesn_t_spoil_the_scale() -> None:
    points = keypoints() | {"DIP3": (1300.0, 900.0)}
    assert anatomy.estimated_mm_per_pixel((seen(points),)) == pytest.approx(0.2, rel=0.02)


def strewn() -> dict[str, Point]:
    """Keypoints at random places."""
    places = np.random.default_rng(2).uniform(0, 900, (20, 2))
    return {name: (float(x), float(y)) for name, (x, y) in zip(keypoints(), places, strict=True)}


def test_bones_that_disagree_give_no_scale() -> None:
    assert anatomy.estimated_mm_per_pixel((seen(strewn()),)) is None
    assert anatomy.estimated_mm_per_pixel(()) is None


@pytest.mark.requirement("what is not a hand is not analysed")
def test_the_gate_believes_hands_and_nothing_else() -> None:
    whole = keypoints()
    assert gate.believed((seen(whole),), LIMITS)
    few = {name: whole[name] for name in list(whole)[:11]}
    for hand in (seen(whole, 0.29), seen(few), seen(strewn())):
        with pytest.raises(Refused) as refused:
            gate.believed((hand,), LIMITS)
        assert refused.value.reason.code == "not-a-hand"
    with pytest.raises(Refused):
        gate.believed((), LIMITS)
    assert len(gate.believed((seen(whole), seen(few)), LIMITS)) == 1


@pytest.mark.parametrize(
    "image",
    [np.zeros((300, 300)), np.full((300, 300), 0.7), np.repeat([[0.2, 0.9]], 150, axis=1).repeat(300, axis=0)],
    ids=["black", "grey", "two shades"],
)
def test_a_blank_film_is_unusable(image: NDArray[np.float64]) -> None:
    with pytest.raises(Refused) as refused:
        gate.check_picture(image.astype(np.float32))
    assert refused.value.reason.code == "unusable-image"


def test_a_film_with_something_on_it_passes() -> None:
    gate.check_picture(np.random.default_rng(1).uniform(0.3, 0.5, (300, 300)).astype(np.float32))


def _network(parts: list[tuple[slice, slice]]) -> Look:
    """A network that sees hands in parts of the whole film, given in its grid."""

    def answer(image: NDArray[np.float32]) -> dict[str, Maps]:
        grid = image.shape[0] // 2, image.shape[1] // 2
        regions = np.zeros((21, *grid), np.float32)
        regions[0] = 1
        for part in parts if image.shape == (64, 96) else [(slice(4, -4), slice(4, -4))]:
            regions[0][part], regions[20][part] = 0, 1
        return {"regions": regions, "keypoints": np.zeros((20, *grid), np.float32)}

    return answer


@pytest.mark.parametrize(
    ("parts", "count"),
    [
        ([(slice(5, 28), slice(4, 20)), (slice(4, 28), slice(28, 45))], 2),
        ([(slice(5, 28), slice(4, 20)), (slice(4, 8), slice(28, 32))], 1),
        ([], 0),
    ],
    ids=["two", "a hand and a spot", "none"],
)
def test_each_part_of_fair_size_is_looked_at(parts: list[tuple[slice, slice]], count: int) -> None:
    image = np.random.default_rng(0).uniform(size=(640, 960)).astype(np.float32)
    found = anatomy.candidates(image, _network(parts), AnatomyInput(long_side_px=96, multiple=32), LIMITS)
    assert len(found) == count
    assert [hand.bbox[0] for hand in found] == sorted(hand.bbox[0] for hand in found)
    for hand in found:
        assert 0 <= hand.bbox[0] < hand.bbox[2] < 960
        assert 0 <= hand.bbox[1] < hand.bbox[3] < 640


def test_two_hands_that_touch_are_parted_between_their_knuckles() -> None:
    part = np.zeros((60, 100), np.bool_)
    part[10:50, 5:95] = True
    heats = np.zeros((20, 60, 100), np.float32)
    for channel, (left, right) in {2: (22, 78), 3: (25, 75), 4: (28, 72)}.items():
        heats[channel, 30, left] = heats[channel, 30, right] = 0.6
    parts = anatomy._split(part, heats)
    assert len(parts) == 2
    assert not (parts[0] & parts[1]).any()
    assert (parts[0] | parts[1]).sum() == part.sum()
    assert parts[0].sum() == pytest.approx(part.sum() / 2, rel=0.05)
    assert len(anatomy._split(part, heats[:, :, ::-1] * (np.arange(100) < 50))) == 1
