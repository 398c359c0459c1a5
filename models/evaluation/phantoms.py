"""Held-out phantoms through the whole way: found, cropped, scaled by anatomy, marked; then held against the truth.

Seeds are apart from the training's. Every second film is seen through the processing family that training never saw.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.detector import prepare
from models.evaluation.marks import Scored, score
from models.evaluation.runtime import Graph, HandView, calcification, lesion_map, look
from models.phantom.film import Film, Layout, Recipe, make_film
from models.phantom.render import Picture, render
from models.phantom.soft import REGION_STEP
from models.training.samples import CALCIFICATION, IGNORE, bits, visible

FIRST_SEED = 500_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """One held-out hand."""

    scored: Scored
    area_mm2: dict[int, float]
    """Of each visible lesion."""
    keypoint_mm: dict[str, float]
    """Distance of each keypoint from the truth."""
    confidence: float
    """Mean height of the keypoints' peaks."""
    scale_error: float
    """Estimated over true millimetres per pixel, less 1."""
    regions_right: float
    """Part of the true hand's cells that got the right region."""
    held_out_chain: bool


def held_out(count: int, first_seed: int = FIRST_SEED) -> Iterator[tuple[Film, Picture, bool]]:
    """Films of one hand each, healthy and diseased, with their pictures."""
    for index in range(count):
        seed = first_seed + index
        layout: Layout = "left" if index % 4 < 2 else "right"
        film = make_film(seed, Recipe(layout=layout, lesions=None, cut_off=False))
        unseen = bool(index % 2)
        yield film, render(film, 0, held_out=unseen), unseen


def measure(film: Film, picture: Picture, anatomy: Graph, lesions: Graph, *, held_out_chain: bool) -> Outcome | None:
    """The outcome of one film of one hand; None when no hand was found."""
    view = look(anatomy, picture.image)
    if view is None:
        return None
    boxed, planes = lesion_map(lesions, view)
    label = bits(film, picture)
    ids = np.where((label & CALCIFICATION) > 0, film.lesion_ids, 0).astype(np.int32)
    truth = _on_grid(ids, view, boxed, planes.shape[1:])
    undecided = _on_grid((label & IGNORE).astype(np.int32), view, boxed, planes.shape[1:]) > 0
    free = np.ones(planes.shape[1:], dtype=bool)
    shown = {lesion.id: lesion.area_mm2 for lesion in film.lesions if visible(film, picture, lesion.id)}
    scored = score(calcification(planes), truth, free, undecided)
    pitch = film.grid.pitch_mm
    errors = {
        name: pitch * math.dist(place, (view.keypoints[name][0] + view.left, view.keypoints[name][1] + view.top))
        for name, place in film.hands[0].keypoints.items()
    }
    return Outcome(
        scored=Scored({number: scored.lesions.get(number, 0.0) for number in shown}, scored.false),
        area_mm2=shown,
        keypoint_mm=errors,
        confidence=float(np.mean([height for _, _, height in view.keypoints.values()])),
        scale_error=view.mm_per_pixel / pitch - 1,
        regions_right=_regions_right(film, view),
        held_out_chain=held_out_chain,
    )


def _on_grid(
    labels: NDArray[np.int32], view: HandView, boxed: prepare.Letterboxed, shape: tuple[int, ...]
) -> NDArray[np.int32]:
    """Labels of the film, picked for each cell of the lesion network's output."""
    rows = _film_index(np.arange(shape[0]), boxed.offset[1], boxed.scale, view.top, labels.shape[0])
    columns = _film_index(np.arange(shape[1]), boxed.offset[0], boxed.scale, view.left, labels.shape[1])
    picked = labels[np.clip(rows, 0, labels.shape[0] - 1)][:, np.clip(columns, 0, labels.shape[1] - 1)]
    inside = ((rows >= 0) & (rows < labels.shape[0]))[:, None] & ((columns >= 0) & (columns < labels.shape[1]))[None, :]
    return np.where(inside, picked, 0).astype(np.int32)


def _film_index(cells: NDArray[np.int64], offset: int, scale: float, start: int, _side: int) -> NDArray[np.int64]:
    inputs = (cells + 0.5) * 2 - 0.5
    return np.round((inputs - offset + 0.5) / scale - 0.5 + start).astype(np.int64)


def _regions_right(film: Film, view: HandView) -> float:
    ys, xs = np.nonzero(film.regions)
    rows = np.round((ys + 0.5) * REGION_STEP - 0.5 - view.top).astype(int)
    columns = np.round((xs + 0.5) * REGION_STEP - 0.5 - view.left).astype(int)
    inside = (rows >= 0) & (rows < view.regions.shape[0] * view.region_px) & (columns >= 0)
    inside &= columns < view.regions.shape[1] * view.region_px
    found = np.zeros(ys.size, dtype=int)
    found[inside] = view.regions[rows[inside] // view.region_px, columns[inside] // view.region_px]
    return float((found == film.regions[ys, xs]).mean())
