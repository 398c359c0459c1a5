"""What a technician should know about the picture: each check looks at one thing and may say one or more notes.

A note never stops the analysis (`edge.detector.gate` does that). `warning`: the result may be wrong because of it;
`note`: good to know. `CHECKS` is their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.detector.anatomy import CREDIBLE, SeenHand, knuckle_breadth
from edge.detector.regions import CARPUS
from edge.types import DIGITS, REGIONS, ImageFacts, QualityNote

_TIPS: Final = tuple(1 + REGIONS.index(f"DP{d}") for d in DIGITS)
LEAST_BREADTH: Final = 0.52
"""Knuckles' breadth over the palm's length below which a hand is turned by about 35 degrees or more."""
_LATERAL: Final = ("LAT", "LL", "RL", "ML", "LM")
_OBLIQUE: Final = ("OB", "LLO", "RLO", "LPO", "RPO", "LAO", "RAO")
_SIDES: Final = {"L": "left", "R": "right"}


@dataclass(frozen=True, slots=True)
class View:
    """All that the checks may look at.

    Attributes:
        image: the film, float32 [rows, columns] in [0, 1].
        facts: its size and scale.
        hands: those found.
        laterality: what the header says: L, R, B, U or nothing.
        stated_mm: millimetres per pixel by the header.
        estimated_mm: by anatomy.
        metal_mm2: area of metal on the hands.
        presentation: False for raw images, whose grey scale can't be clipped.
        position: the header's View Position; empty where it is silent.
    """

    image: NDArray[np.float32]
    facts: ImageFacts
    hands: tuple[SeenHand, ...]
    laterality: str
    stated_mm: float | None
    estimated_mm: float | None
    metal_mm2: float
    presentation: bool
    position: str = ""


QualityCheck = Callable[[View], Iterator[QualityNote]]


def notes(view: View) -> tuple[QualityNote, ...]:
    """All notes on a picture."""
    return tuple(note for check in CHECKS for note in check(view))


def is_seen_flat(view: View) -> Iterator[QualityNote]:
    """PA or AP, by the header and by the look of it: in other views bones lie over each other."""
    stated = view.position.strip().upper()
    if stated.startswith(_OBLIQUE):
        yield QualityNote("view-oblique", "warning", "The header says oblique view; results hold for PA views only.")
    elif stated.startswith(_LATERAL):
        yield QualityNote("view-lateral", "warning", "The header says lateral view; results hold for PA views only.")
    elif any(is_turned(hand) for hand in view.hands):
        yield QualityNote(
            "view-oblique",
            "warning",
            "The hand looks turned (oblique or lateral view): regions are uncertain and joint spaces are not measured.",
        )


def is_turned(hand: SeenHand) -> bool:
    """The knuckles lie closer together than in a PA view, or lie over each other while the fingers are seen."""
    breadth = knuckle_breadth(hand)
    if breadth is not None:
        return breadth < LEAST_BREADTH
    knuckles = sum(f"MCP{d}" in hand.keypoints for d in DIGITS[1:])
    fingers = sum(f"{kind}{d}" in hand.keypoints for kind in ("PIP", "DIP") for d in DIGITS[1:])
    return knuckles < 3 and fingers >= 5


def is_whole(view: View) -> Iterator[QualityNote]:
    """No part of a hand lies beyond the film's edge; the forearm may."""
    rows, columns = view.image.shape
    cut: set[int] = set()
    for hand in view.hands:
        labels = hand.region.labels
        gy, gx = np.nonzero(labels)
        cell = hand.region.cell_px
        xs, ys = hand.region.film_of(gx, gy)
        edge = (xs < cell) | (ys < cell) | (xs > columns - 1 - cell) | (ys > rows - 1 - cell)
        touched, counts = np.unique(labels[gy[edge], gx[edge]], return_counts=True)
        cut |= {int(label) for label, count in zip(touched, counts, strict=True) if count >= 3}
    tips = sorted(REGIONS[label - 1] for label in cut if label in _TIPS)
    if tips:
        fingers = ", ".join(tips)
        yield QualityNote("clipped-fingertip", "warning", f"The film's edge cuts a fingertip ({fingers}).")
    others = cut - set(_TIPS) - {CARPUS}
    if others and not tips:
        yield QualityNote("clipped-hand", "warning", "The film's edge cuts the hand.")
    elif CARPUS in cut and not tips:
        yield QualityNote("clipped-wrist", "note", "The film ends at the wrist.")


def is_visible(view: View) -> Iterator[QualityNote]:
    """Each finger's tip was found."""
    for hand in view.hands:
        lost = [str(d) for d in DIGITS if f"TIP{d}" not in hand.keypoints]
        if lost:
            name = _SIDES.get(hand.side, "one")
            yield QualityNote(
                "fingertip-not-found", "note", f"Fingertips not recognised on the {name} hand: {', '.join(lost)}."
            )


def is_in_range(view: View) -> Iterator[QualityNote]:
    """Neither soft tissue nor bone is lost at an end of the grey scale."""
    values = _greys_of_hands(view)
    if not len(values):
        return
    if view.presentation and float((values <= 0.004).mean()) > 0.15:
        yield QualityNote("soft-tissue-lost", "warning", "Soft tissue is black: calcification at the skin is not seen.")
    if view.presentation and float((values >= 0.996).mean()) > 0.05:
        yield QualityNote("bone-clipped", "warning", "Bright parts are clipped: calcification on bone is not seen.")
    low, high = np.percentile(values, [5, 99])
    if high - low < 0.15:
        yield QualityNote("low-contrast", "warning", "The hand has very little contrast.")


def is_free_of_metal(view: View) -> Iterator[QualityNote]:
    """No ring, wire or marker lies on a hand."""
    if view.metal_mm2 >= 2.0:
        yield QualityNote("metal", "note", "Metal or another very dense object lies on the hand; it is not counted.")


def is_the_side_stated(view: View) -> Iterator[QualityNote]:
    """The header's laterality and the hand's shape agree."""
    said = view.laterality[:1]
    sides = {hand.side for hand in view.hands}
    if len(view.hands) == 1 and said in _SIDES and sides <= set(_SIDES) and said not in sides:
        seen = _SIDES[view.hands[0].side]
        yield QualityNote(
            "side-mismatch",
            "warning",
            f"The header says {_SIDES[said]} hand; seen from behind, this looks like a {seen} one. Check the side.",
        )


def is_a_pair(view: View) -> Iterator[QualityNote]:
    """Two hands on one film are a left and a right one."""
    sides = [hand.side for hand in view.hands]
    if len(sides) == 2 and sides[0] == sides[1] and sides[0] in _SIDES:
        yield QualityNote(
            "sides-alike",
            "warning",
            f"Both hands look like a {_SIDES[sides[0]]} one seen from behind. Check the sides.",
        )


def has_a_scale(view: View) -> Iterator[QualityNote]:
    """Millimetres come from the header and can be a hand's."""
    if view.facts.spacing_source == "unknown":
        yield QualityNote("spacing-unknown", "warning", "The pixel size is not known: millimetres can't be given.")
    elif view.facts.spacing_source == "estimated" and view.stated_mm is not None:
        yield QualityNote(
            "spacing-implausible",
            "warning",
            "The pixel size stated can't be a hand's; it was estimated from the bones.",
        )
    elif view.facts.spacing_source == "estimated":
        yield QualityNote(
            "spacing-estimated", "note", "The pixel size is not stated; it was estimated from the bones (about 10 %)."
        )


def is_credible(stated_mm: float | None, estimated_mm: float | None) -> bool:
    """Whether a stated pixel size can be right for these fingers."""
    if stated_mm is None or estimated_mm is None:
        return stated_mm is not None
    return CREDIBLE[0] <= stated_mm / estimated_mm <= CREDIBLE[1]


CHECKS: Final[tuple[QualityCheck, ...]] = (
    is_seen_flat,
    is_whole,
    is_visible,
    is_in_range,
    is_free_of_metal,
    is_the_side_stated,
    is_a_pair,
    has_a_scale,
)


def _greys_of_hands(view: View) -> NDArray[np.float32]:
    """The film's values at the centres of the cells of all hands."""
    out = []
    for hand in view.hands:
        gy, gx = np.nonzero(hand.region.labels)
        xs, ys = hand.region.film_of(gx, gy)
        rows = np.clip(np.rint(ys), 0, view.image.shape[0] - 1).astype(np.intp)
        columns = np.clip(np.rint(xs), 0, view.image.shape[1] - 1).astype(np.intp)
        out.append(view.image[rows, columns])
    return np.concatenate(out) if out else np.zeros(0, dtype=np.float32)
