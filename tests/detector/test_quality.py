"""Each note on a picture's quality, and that a good picture has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detector import prepare, quality
from edge.detector.anatomy import SeenHand
from edge.detector.quality import View
from edge.detector.regions import CARPUS, RegionMap
from edge.types import DIGITS, REGIONS, ImageFacts, Point, Side

TIPS: dict[str, Point] = {f"TIP{d}": (100.0 * d, 50.0) for d in DIGITS}
DP3 = 1 + REGIONS.index("DP3")
MC2 = 1 + REGIONS.index("MC2")

SHARE = np.zeros((20, 80, 60), np.float32)


def image() -> NDArray[np.float32]:
    return np.random.default_rng(3).uniform(0.2, 0.9, (800, 600)).astype(np.float32)


def hand(labels: NDArray[np.uint8] | None = None, *, side: Side = "L", points: dict[str, Point] = TIPS) -> SeenHand:
    """A hand in the middle of the film, in cells of 10 pixels."""
    if labels is None:
        labels = np.zeros((80, 60), np.uint8)
        labels[10:70, 10:50] = MC2
    region = RegionMap(labels, (labels > 0).astype(np.float32), (0, 0, 599, 799), prepare.Mapping(0.2), SHARE)
    return SeenHand(side, (0, 0, 10, 10), points, 0.6, region)


def view(**changes: object) -> View:
    """A good picture of a left hand, but for the changes."""
    good = View(
        image=image(),
        facts=ImageFacts(800, 600, 0.2, "ImagerPixelSpacing"),
        hands=(hand(),),
        laterality="L",
        stated_mm=0.2,
        estimated_mm=0.21,
        metal_mm2=0.0,
        presentation=True,
    )
    return replace(good, **changes)  # type: ignore[arg-type]


def codes(seen: View) -> list[str]:
    return [note.code for note in quality.notes(seen)]


def cut_at_the_top(label: int) -> SeenHand:
    labels = np.zeros((80, 60), np.uint8)
    labels[0:70, 20:30] = label
    return hand(labels)


def greys(value: float, share: float) -> NDArray[np.float32]:
    out = image()
    out[np.random.default_rng(5).uniform(size=out.shape) < share] = value
    return out


def test_a_good_picture_has_no_note() -> None:
    assert codes(view()) == []


@pytest.mark.requirement("a picture that may mislead says so")
@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (lambda: view(hands=(cut_at_the_top(DP3),)), "clipped-fingertip"),
        (lambda: view(hands=(cut_at_the_top(MC2),)), "clipped-hand"),
        (lambda: view(hands=(cut_at_the_top(CARPUS),)), "clipped-wrist"),
        (lambda: view(hands=(hand(points={"TIP1": (0.0, 0.0)}),)), "fingertip-not-found"),
        (lambda: view(image=greys(0.0, 0.3)), "soft-tissue-lost"),
        (lambda: view(image=greys(1.0, 0.1)), "bone-clipped"),
        (lambda: view(image=0.4 + 0.1 * image()), "low-contrast"),
        (lambda: view(metal_mm2=20.0), "metal"),
        (lambda: view(laterality="R"), "side-mismatch"),
        (lambda: view(hands=(hand(), hand()), laterality="B"), "sides-alike"),
        (lambda: view(facts=ImageFacts(800, 600, 0.2, "estimated"), stated_mm=None), "spacing-estimated"),
        (lambda: view(facts=ImageFacts(800, 600, 0.2, "estimated"), stated_mm=1.0), "spacing-implausible"),
        (lambda: view(facts=ImageFacts(800, 600, None, "unknown"), stated_mm=None), "spacing-unknown"),
    ],
)
def test_each_defect_has_its_note(seen: Callable[[], View], code: str) -> None:
    assert codes(seen()) == [code]


@pytest.mark.parametrize(
    "seen",
    [
        lambda: view(laterality=""),
        lambda: view(laterality="B"),
        lambda: view(hands=(hand(side="U"),), laterality="R"),
        lambda: view(hands=(hand(side="L"), hand(side="R")), laterality="R"),
        lambda: view(image=greys(0.0, 0.3), presentation=False),
    ],
    ids=["nothing stated", "both stated", "side not seen", "two hands", "raw"],
)
def test_what_is_no_defect_has_none(seen: Callable[[], View]) -> None:
    assert codes(seen()) == []


def knuckles(breadth: float) -> SeenHand:
    """A hand whose second to fifth knuckle lie so far apart, over its palm's length."""
    row: dict[str, Point] = {f"MCP{d}": (300.0 + (d - 3) * breadth * 100, 300.0) for d in DIGITS[1:]}
    return hand(points={**TIPS, **row, "WRIST": (300.0, 600.0)})


def overlying() -> SeenHand:
    """A hand whose fingers are seen and whose knuckles are not."""
    return hand(points={f"{kind}{d}": (100.0 * d, 200.0) for kind in ("PIP", "DIP") for d in DIGITS[1:]})


@pytest.mark.requirement("a hand that isn't seen flat is told")
@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (lambda: view(position="LL"), "view-lateral"),
        (lambda: view(position="Lateral"), "view-lateral"),
        (lambda: view(position="LLO"), "view-oblique"),
        (lambda: view(hands=(knuckles(0.4),)), "view-oblique"),
        (lambda: view(hands=(overlying(),)), "view-oblique"),
    ],
)
def test_another_view_than_pa_is_told(seen: Callable[[], View], code: str) -> None:
    assert code in codes(seen())


@pytest.mark.parametrize("position", ["PA", "AP", ""])
def test_a_flat_hand_is_not_called_turned(position: str) -> None:
    told = codes(view(position=position, hands=(knuckles(0.62),)))
    assert not [code for code in told if code.startswith("view")]


@pytest.mark.parametrize(
    ("stated", "estimated", "credible"),
    [
        (0.15, 0.15, True),
        (0.15, 0.2, True),
        (0.15, 0.5, False),
        (1.0, 0.2, False),
        (0.2, None, True),
        (None, 0.2, False),
    ],
)
def test_a_stated_scale_is_believed_unless_no_hand_is_that_size(
    stated: float | None,
    estimated: float | None,
    credible: bool,  # noqa: FBT001 - a table
) -> None:
    assert quality.is_credible(stated, estimated) is credible


def test_each_check_says_what_it_looks_for() -> None:
    assert all(check.__doc__ for check in quality.CHECKS)
