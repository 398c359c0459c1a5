"""Held-out phantoms through the appliance's analysis, held against their truth.

Seeds are apart from the training's. Every second film is seen through the processing family that training never saw.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edge.types import REGIONS, Findings
from models.evaluation.appliance import Appliance
from models.evaluation.marks import Scored, meet
from models.phantom.film import Film, Layout, Recipe, make_film
from models.phantom.render import Picture, render
from models.training.samples import IGNORE, bits, visible

FIRST_SEED = 500_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """One held-out hand."""

    scored: Scored
    area_mm2: dict[int, float]
    """Of each visible lesion."""
    joints_mm: tuple[float, ...]
    """Distance of each joint and tuft tip from the truth."""
    joints_missing: int
    side_right: bool
    regions_right: tuple[bool, ...]
    """For each mark that hit a lesion: whether it was given the region the lesion lies in."""
    confidence: float
    held_out_chain: bool


def held_out(count: int, first_seed: int = FIRST_SEED) -> Iterator[tuple[Film, Picture, bool]]:
    """Films of one hand each, healthy and diseased, with their pictures."""
    for index in range(count):
        layout: Layout = "left" if index % 4 < 2 else "right"
        film = make_film(first_seed + index, Recipe(layout=layout, cut_off=False))
        unseen = bool(index % 2)
        yield film, render(film, 0, held_out=unseen), unseen


def measure(film: Film, picture: Picture, appliance: Appliance, *, held_out_chain: bool) -> Outcome | None:
    """The outcome of one film of one hand; None when it was not analysed."""
    pitch = film.grid.pitch_mm
    analysis = appliance.analyse(picture.image, pitch)
    if not isinstance(analysis, Findings):
        return None
    shown = {lesion.id: lesion.area_mm2 for lesion in film.lesions if visible(film, picture, lesion.id)}
    undecided = (bits(film, picture) & IGNORE) > 0
    truth = film.hands[0].keypoints
    hand = analysis.hands[0]
    found = {name: (joint.x, joint.y) for name, joint in hand.joints.items()}
    found |= {f"TIP{name[-1]}": (tuft.x, tuft.y) for name, tuft in hand.tufts.items()}
    expected = [name for name in truth if name != "WRIST"]
    return Outcome(
        scored=meet(analysis.lesions, film.lesion_ids, undecided, list(shown), pitch),
        area_mm2=shown,
        joints_mm=tuple(pitch * math.dist(truth[name], found[name]) for name in expected if name in found),
        joints_missing=sum(name not in found for name in expected),
        side_right=hand.side == film.hands[0].side,
        regions_right=_regions_right(film, analysis),
        confidence=appliance.confidence(picture.image),
        held_out_chain=held_out_chain,
    )


def _regions_right(film: Film, analysis: Findings) -> tuple[bool, ...]:
    right = []
    for mark in analysis.lesions:
        x, y = (float(v) for v in np.mean(mark.polygon, axis=0))
        row, column = min(round(y), film.grid.rows - 1), min(round(x), film.grid.columns - 1)
        label = film.region_of(x, y)
        if film.lesion_ids[row, column] and label:
            right.append(REGIONS[label - 1] == mark.region)
    return tuple(right)
