"""One film through the appliance, as a record. This is what the worker processes do.

A case names a film; the same case always gives the same film:

    phantom/<group>/<index>        models.evaluation.phantoms
    clean/<set>/<file>             a real hand as it is
    inserted/<set>/<file>          the same with lesions put in
    no hand/<kind>/<index>         models.evaluation.nonsense
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast
from zlib import crc32

import numpy as np

from edge.detector import prepare
from edge.types import Findings, Hand, NotAnalysed, Point
from models.evaluation import eyes, inserted, nonsense, real
from models.evaluation.appliance import Appliance
from models.evaluation.beneath import beneath, beneath_real
from models.evaluation.marks import Mark, met
from models.evaluation.phantoms import Group, Specimen, specimen
from models.evaluation.record import Listing, Shown, ShownHand
from models.evaluation.truth import Labels, Mask, TrueFilm, TrueHand


@dataclass(frozen=True, slots=True)
class Slide:
    """A film as it is shown to the appliance, with its truth.

    Attributes:
        image: float32 [rows, columns], 0 to 1.
        mm_per_pixel: as the header would say; None for real hands, which have none.
        truth: what is on it.
        numbers: the lesion in each pixel; None where there is none.
        undecided: where a mark is neither asked for nor punished.
        specimen: the phantom's maps; None for other films.
        clean: scores of the bodies on the untouched film, for films with lesions put in.
    """

    image: prepare.Image
    mm_per_pixel: float | None
    truth: TrueFilm
    numbers: Labels
    undecided: Mask
    specimen: Specimen | None = None
    clean: tuple[float, ...] = ()


class Observer:
    """A release with two sets of thresholds: one that lists everything, and its own."""

    def __init__(self, release: Path, thresholds: Mapping[str, float], real_root: Path | None) -> None:
        """Loads the release twice. `thresholds`: for what is shown."""
        self._listing = Appliance(release)
        self._showing = Appliance(release, thresholds)
        self._real = real_root
        self._eyes = eyes.load()

    def slide(self, case: str) -> Slide:
        """The film of a case."""
        kind, which, name = case.split("/")
        if kind == "phantom":
            made = specimen(cast(Group, which), int(name))
            pitch = made.truth.mm_per_pixel
            return Slide(made.picture.image, pitch, made.truth, made.numbers, made.undecided, made)
        if kind == "no hand":
            return _plain(nonsense.picture(which, int(name)), TrueFilm(case, kind, 0.0, "", 0.0, 0.0, (), ()))
        assert self._real is not None
        film = real.film(self._real, which, name)
        if kind == "clean":
            return _plain(film, real.truth_of(f"clean {which}", name))
        return self._with_lesions(film, which, name)

    def listing(self, slide: Slide) -> Listing:
        """Every body of a film with its score."""
        answer = self._listing.analyse(slide.image, slide.mm_per_pixel)
        confidence = self._listing.confidence(slide.image)
        if isinstance(answer, NotAnalysed):
            return Listing(slide.truth, answer.reason.code, confidence, (), slide.clean)
        return Listing(slide.truth, "", confidence, _marks(answer, slide), slide.clean)

    def shown(self, slide: Slide) -> Shown:
        """The analysis of a film as a technician would see it."""
        answer = self._showing.analyse(slide.image, slide.mm_per_pixel, all_scores=False)
        if isinstance(answer, NotAnalysed):
            return Shown(slide.truth, answer.reason.code, 0.0, (), (), (), ())
        partners = _partners(answer.hands, slide.truth.hands)
        return Shown(
            truth=slide.truth,
            code="",
            mm_per_pixel=answer.image.mm_per_pixel or 0.0,
            hands=tuple(_hand(hand, partner) for hand, partner in zip(answer.hands, partners, strict=True)),
            marks=_marks(answer, slide),
            quality=tuple(note.code for note in answer.quality),
            ignored=tuple(item.kind for item in answer.ignored),
        )

    def _with_lesions(self, film: prepare.Image, which: str, name: str) -> Slide:
        """Lesions beside joints marked by eye where there are such marks, else beside those that the appliance sees."""
        truth = real.truth_of(f"inserted {which}", name)
        clean = self._listing.analyse(film, None)
        if isinstance(clean, NotAnalysed) or clean.image.mm_per_pixel is None:
            return _plain(film, truth)
        marked = self._eyes.get(f"{which}/{name}")
        points = marked.points if marked is not None else keypoints_of(clean.hands[0])
        mm = clean.image.mm_per_pixel
        rng = np.random.default_rng([6, crc32(name.encode())])
        changed = inserted.insert(film, points, mm, rng, by_eye=marked is not None)
        truth = replace(truth, lesions=changed.lesions, mm_per_pixel=mm)
        scores = tuple(lesion.score for lesion in clean.lesions)
        return Slide(changed.image, None, truth, changed.numbers, changed.undecided, clean=scores)


def keypoints_of(hand: Hand) -> dict[str, Point]:
    """Joints and tips of an analysed hand, under the phantom's names."""
    points = {name: (joint.x, joint.y) for name, joint in hand.joints.items()}
    return points | {f"TIP{name[-1]}": (tuft.x, tuft.y) for name, tuft in hand.tufts.items()}


def _plain(image: prepare.Image, truth: TrueFilm) -> Slide:
    nothing = np.zeros(image.shape, dtype=bool)
    return Slide(image, None, truth, nothing.astype(np.int16), nothing)


def _marks(answer: Findings, slide: Slide) -> tuple[Mark, ...]:
    mm = slide.mm_per_pixel or answer.image.mm_per_pixel or 1.0
    wanted = frozenset(lesion.number for lesion in slide.truth.lesions if lesion.visible)
    marks = []
    for lesion in answer.lesions:
        mark = met(lesion, slide.numbers, slide.undecided, wanted, mm)
        if mark.is_false and slide.specimen is not None:
            mark = replace(mark, beneath=beneath(lesion.polygon, slide.specimen))
        elif mark.is_false:
            points = keypoints_of(answer.hands[lesion.hand])
            mark = replace(mark, beneath=beneath_real((mark.x, mark.y), lesion.region, points, mm))
        marks.append(mark)
    return tuple(marks)


def _partners(found: Sequence[Hand], true: Sequence[TrueHand]) -> list[int]:
    """For each found hand the true hand whose keypoints are nearest; -1 where another has it, or all lie far away."""
    pairs = []
    for f, hand in enumerate(found):
        here = keypoints_of(hand)
        for t, other in enumerate(true):
            both = [name for name in here if name in other.keypoints]
            if both:
                away = float(np.median([math.dist(here[name], other.keypoints[name]) for name in both]))
                pairs.append((away, f, t))
    partner = [-1] * len(found)
    for away, f, t in sorted(pairs):
        if partner[f] < 0 and t not in partner and away < 200:
            partner[f] = t
    return partner


def _hand(hand: Hand, true_hand: int) -> ShownHand:
    joints = hand.joints.items()
    return ShownHand(
        true_hand=true_hand,
        side=hand.side,
        burden_index=hand.burden_index,
        calcified_mm2=math.fsum(region.calcified_mm2 for region in hand.regions.values()),
        keypoints=keypoints_of(hand),
        spaces={name: joint.space_mm for name, joint in joints if joint.space_mm is not None},
        narrowing={name: joint.narrowing_grade for name, joint in joints if joint.narrowing_grade is not None},
        tufts={name: tuft.osteolysis_grade for name, tuft in hand.tufts.items() if tuft.osteolysis_grade is not None},
    )
