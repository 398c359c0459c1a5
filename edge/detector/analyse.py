r"""From a received file to an analysis: the detector's one way in.

    file -> pixels -> gate -> anatomy -> lesions -> measures -> Findings
                 \________\________\_________\_____________-> NotAnalysed(reason)

What always holds:

- Whatever the file is, the answer is an `Analysis`; what can't be analysed is `NotAnalysed`, never an empty list.
- The same file, release and operating points give the same analysis, `timing_ms` aside; an analysis says which.
- Golden images are analysed at the release's own points, wherever a site has moved them.
- The identity comes from the admitted header, and a file that holds another object than that is not analysed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import UID

from edge import wire
from edge.clock import Clock, SystemClock
from edge.detector import anatomy, bundle, distal, gate, golden, lesions, measures, prepare, quality
from edge.detector.anatomy import SeenHand
from edge.detector.bundle import Bundle
from edge.detector.engine import Engine
from edge.detector.measures import MeasuredBody, Scale
from edge.detector.pixels import Film, film
from edge.detector.png import grey_png
from edge.detector.regions import away_px
from edge.detector.run import Run
from edge.detector.turn import upright
from edge.errors import CalcedgeError, ModelError, Refused
from edge.quiet import PARSER_ERRORS, reading
from edge.types import (
    Analysed,
    Bounds,
    Findings,
    Header,
    Ignored,
    ImageFacts,
    Lesion,
    ModelId,
    NotAnalysed,
    OperatingPoints,
)

_CROP_MARGIN_MM: Final = 6.0
_LEAST_IN_HAND: Final = {"calcification": 0.05, "sesamoid": 0.3, "metal": 0.5}
"""Less of a body than this within the hand: it lies beside it. Markers lie beside hands; calcinosis may bulge, and the
region map's edge is uncertain by a cell."""
_READ_ERRORS: Final = (*PARSER_ERRORS, OSError, RuntimeError)


class Analyser:
    """A release, loaded, that analyses one film after another. The first one takes longer: the self-test is one."""

    def __init__(self, bundle_dir: Path, *, threads: int | None = None, clock: Clock | None = None) -> None:
        """Loads a release.

        Args:
            bundle_dir: a folder with a manifest.
            threads: for the networks; the machine's cores less one unless told.
            clock: for the timing alone.

        Raises:
            ModelError: if the release can't be used.
        """
        self._bundle = bundle.load(bundle_dir)
        self._engine = Engine(self._bundle, threads=threads)
        self._clock: Clock = clock or SystemClock()

    @property
    def model(self) -> ModelId:
        """Which release this is, at its own operating points."""
        return self._bundle.model

    @property
    def bounds(self) -> Bounds | None:
        """Within which a site may move the operating points; None: not at all."""
        return self._bundle.bounds

    def analyse(
        self,
        path: Path,
        header: Header,
        *,
        source: str,
        all_scores: bool = False,
        points: OperatingPoints | None = None,
    ) -> Analysed:
        """Analyses one admitted file.

        Args:
            path: of the file.
            header: what admission read from it.
            source: what the analysis calls the file.
            all_scores: list lesions below the *possible* threshold too, as `below`.
            points: the site's operating points. The release's own hold without them, or beyond its bounds.

        Returns:
            The analysis and the film as a picture; bad input is `NotAnalysed`, never an exception.
        """
        run, release = Run(self._clock), self._bundle.at(points)
        answer: Findings | NotAnalysed
        try:
            with run.step("decode"):
                seen = film(_read(path, header))
            rows, columns = seen.image.shape
            run.facts = ImageFacts(rows, columns, seen.mm_per_pixel, seen.spacing_source)
            run.picture = seen.image
            answer = self._look(seen, header, run, release, source=source, all_scores=all_scores)
        except CalcedgeError as refusal:
            answer = NotAnalysed(source, refusal.reason, header.identity.sop_instance_uid, release.model, run.facts)
        picture = None if run.picture is None else picture_png(run.picture)
        return Analysed(replace(answer, timing_ms=run.timing_ms()), picture)

    def rest(self) -> None:
        """Gives back memory until the next film comes.

        Raises:
            ModelError: if a network fails.
        """
        self._engine.rest()

    def self_test(self, *, thorough: bool = True) -> None:
        """Analyses the release's golden images and compares with what was proven at its making.

        Args:
            thorough: all of them; otherwise as many as a start needs, see `edge.detector.golden`.

        Raises:
            ModelError: unless every golden image gives the expected analysis, or if there is none.
        """
        golden.check(self._bundle, self._analyse_golden, thorough=thorough)

    def _analyse_golden(self, path: Path) -> dict[str, Any]:
        header = golden.header(path)
        return wire.to_dict(self.analyse(path, header, source=path.name, all_scores=True).analysis)

    def _look(
        self, seen: Film, header: Header, run: Run, release: Bundle, *, source: str, all_scores: bool
    ) -> Findings:
        """From the film to findings.

        Raises:
            Refused: if there is nothing to see, or no hand.
            ModelError: if a network fails.
        """
        given, thresholds = release.anatomy, release.thresholds
        with run.step("gate"):
            gate.check_picture(seen.image)
            turn = upright(seen.image, self._engine.anatomy, given)
        with run.step("anatomy"):
            image = turn.film(seen.image)
            seen_hands = anatomy.candidates(turn.dimmed(image), self._engine.anatomy, given, thresholds)
            hands = gate.believed(seen_hands, thresholds)
            estimated = anatomy.estimated_mm_per_pixel(hands)
            run.facts = facts = _with_scale(seen, hands, estimated)
            mm = facts.mm_per_pixel
            if mm is None:
                raise Refused("not-a-hand", "no scale can be told")
        with run.step("distal"):
            hands = tuple(self._with_fine_joints(image, hand, mm) for hand in hands)
            signs = [self._distal_signs(image, hand, mm) for hand in hands]
            hands = tuple(anatomy.refined(hand, distal.places(ends)) for hand, ends in zip(hands, signs, strict=True))
        scale = Scale(image.shape[0], image.shape[1], mm)
        least = min(lesions.FLOOR, thresholds.possible) if all_scores else thresholds.possible
        views = [
            _without_the_other_s(view, hands)
            for view in (self._examine(image, hand, scale, run, release, least=least) for hand in hands)
        ]
        with run.step("measure"):
            return Findings(
                source=source,
                sop_instance_uid=header.identity.sop_instance_uid,
                model=release.model,
                image=facts,
                quality=quality.notes(
                    quality.View(
                        image=image,
                        facts=facts,
                        hands=hands,
                        laterality=header.laterality,
                        stated_mm=seen.mm_per_pixel,
                        estimated_mm=estimated,
                        metal_mm2=sum(view.metal_mm2 for view in views),
                        presentation=seen.presentation,
                        position=header.view_position,
                    )
                ),
                hands=tuple(
                    turn.hand(measures.hand(view.hand, view.counted(thresholds.possible), mm, ends))
                    for view, ends in zip(views, signs, strict=True)
                ),
                lesions=tuple(
                    turn.lesion(lesion) for lesion in _lesions(views, thresholds, scale, all_scores=all_scores)
                ),
                ignored=tuple(turn.ignored(ignored) for view in views for ignored in view.ignored(scale)),
            )

    def _with_fine_joints(self, image: NDArray[np.float32], hand: SeenHand, mm: float) -> SeenHand:
        """The hand with its middle joints and knuckles placed at fine resolution, where the release can."""
        look = self._engine.distal
        return hand if look is None else anatomy.refined(hand, distal.middle_joints(image, hand.keypoints, mm, look))

    def _distal_signs(self, image: NDArray[np.float32], hand: SeenHand, mm: float) -> Mapping[int, distal.DistalSign]:
        """What is said of the ends of a hand's digits; nothing in a release without the distal network."""
        look = self._engine.distal
        if look is None:
            return {}
        found = distal.signs(image, hand.keypoints, mm, look)
        return distal.without_spaces(found) if quality.is_turned(hand) else found

    def _examine(
        self, image: NDArray[np.float32], hand: SeenHand, scale: Scale, run: Run, release: Bundle, *, least: float
    ) -> _Examined:
        """Bodies of one hand, measured; calcifications from a score of `least`."""
        given, thresholds, mm = release.lesions, release.thresholds, scale.mm_per_pixel
        with run.step("lesions"):
            x0, y0, x1, y1 = _crop(hand, scale)
            crop = image[y0 : y1 + 1, x0 : x1 + 1]
            boxed = prepare.lesion_input(
                crop, mm, _tissue(hand, (x0, y0), crop.shape), given.mm_per_pixel, given.multiple
            )
            maps = self._engine.lesions(boxed.image)["lesions"]
        with run.step("measure"):
            canvas = lesions.Canvas(x0, y0, boxed.mapping, mm)
            found = lesions.bodies(maps, canvas, thresholds, hand.keypoints, least=least)
            counted = [body for body in found if body.kind != "calcification" or body.score >= thresholds.possible]
            grey = measures.greys(boxed.image, hand.region, canvas, counted)
            measured = []
            for body in found:
                region, inside = measures.region_of(body, hand.region, hand.keypoints, canvas)
                if inside >= _LEAST_IN_HAND[body.kind]:
                    grade = measures.density_grade(measures.density_ratio(body, grey))
                    measured.append(MeasuredBody(body, region, grade))
            return _Examined(hand, canvas, (maps.shape[1], maps.shape[2]), tuple(measured))


@dataclass(frozen=True, slots=True)
class _Examined:
    """What was found on one hand."""

    hand: SeenHand
    canvas: lesions.Canvas
    shape: tuple[int, int]
    found: tuple[MeasuredBody, ...]

    @property
    def bodies(self) -> list[MeasuredBody]:
        """What may be calcinosis."""
        return [measured for measured in self.found if measured.body.kind == "calcification"]

    @property
    def metal_mm2(self) -> float:
        """Area of metal on the hand."""
        return math.fsum(measured.body.area_mm2 for measured in self.found if measured.body.kind == "metal")

    def ignored(self, scale: Scale) -> list[Ignored]:
        """What is normal or foreign: named, not counted."""
        return [
            Ignored(m.body.kind, m.region, measures.bbox_of(m.body.points, scale), m.body.score)
            for m in self.found
            if m.body.kind != "calcification"
        ]

    def counted(self, possible: float) -> list[MeasuredBody]:
        """Bodies at or above the *possible* threshold."""
        return [measured for measured in self.bodies if measured.body.score >= possible]

    def groups(self, possible: float, *, all_scores: bool) -> list[list[MeasuredBody]]:
        """Clusters of what is counted; what is below stands alone."""
        counted = {id(measured.body): measured for measured in self.counted(possible)}
        clusters = lesions.clusters([measured.body for measured in counted.values()], self.canvas, self.shape)
        groups = [[counted[id(body)] for body in cluster] for cluster in clusters]
        if all_scores:
            groups += [[measured] for measured in self.bodies if id(measured.body) not in counted]
        return groups


def picture_png(image: NDArray[np.float32]) -> bytes:
    """The film as a PNG: 8 bit grey, full size, bright = dense."""
    grey = (image * np.float32(255.0) + np.float32(0.5)).astype(np.uint8)
    return grey_png(grey)


def write_expected(bundle_dir: Path) -> None:
    """Writes what the golden images of a release give on this machine: done once, when the release is made.

    Raises:
        ModelError: if the release can't be used.
    """
    analyser = Analyser(bundle_dir)
    golden.write(analyser._bundle, analyser._analyse_golden)  # noqa: SLF001 - the same module's class


def _read(path: Path, header: Header) -> Dataset:
    """The data set with its pixels.

    Raises:
        Refused: `object-missing`, `damaged-pixels`, or `object-corrupt` if it isn't the object that was admitted.
    """
    with reading():
        try:
            dataset = dcmread(path, force=True)
            uid = str(dataset.get("SOPInstanceUID", ""))
            if "TransferSyntaxUID" not in dataset.file_meta:
                dataset.file_meta.TransferSyntaxUID = UID(header.transfer_syntax_uid)
        except FileNotFoundError as error:
            raise Refused("object-missing") from error
        except _READ_ERRORS as error:
            raise Refused("damaged-pixels") from error
    if uid.strip(" \0") != header.identity.sop_instance_uid:
        raise Refused("object-corrupt")
    return dataset


def _with_scale(seen: Film, hands: tuple[SeenHand, ...], estimated: float | None) -> ImageFacts:
    """The film's size, and the scale that is believed: the header's if it can be a hand's, else the bones'.

    Bones that agree too little to doubt a header still give a scale where there is no other.
    """
    rows, columns = seen.image.shape
    if quality.is_credible(seen.mm_per_pixel, estimated):
        return ImageFacts(rows, columns, seen.mm_per_pixel, seen.spacing_source)
    if estimated is None:
        estimated = anatomy.estimated_mm_per_pixel(hands, within=gate.MOST_DISPROPORTION)
    if estimated is not None:
        return ImageFacts(rows, columns, round(estimated, 5), "estimated")
    return ImageFacts(rows, columns, None, "unknown")


def _crop(hand: SeenHand, scale: Scale) -> tuple[int, int, int, int]:
    """The hand with a margin, within the film."""
    margin = round(_CROP_MARGIN_MM / scale.mm_per_pixel)
    x0, y0, x1, y1 = hand.bbox
    return (
        max(0, x0 - margin),
        max(0, y0 - margin),
        min(scale.columns - 1, x1 + margin),
        min(scale.rows - 1, y1 + margin),
    )


def _tissue(hand: SeenHand, start: tuple[int, int], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where in a crop the hand is, by the region map."""
    xs = np.arange(shape[1], dtype=np.float64) + start[0]
    ys = np.arange(shape[0], dtype=np.float64) + start[1]
    return hand.region.over(xs, ys) > 0


def _without_the_other_s(view: _Examined, hands: tuple[SeenHand, ...]) -> _Examined:
    """Where hands touch, a crop holds parts of both: each body goes to the hand whose bones are nearer."""
    others = [hand for hand in hands if hand is not view.hand]

    def is_own(measured: MeasuredBody) -> bool:
        x, y = measured.body.points.mean(axis=0, keepdims=True).T
        own = away_px(view.hand.keypoints, x, y)
        return all((own <= away_px(other.keypoints, x, y)).all() for other in others)

    return replace(view, found=tuple(measured for measured in view.found if is_own(measured))) if others else view


def _lesions(
    views: list[_Examined], thresholds: bundle.Thresholds, scale: Scale, *, all_scores: bool
) -> tuple[Lesion, ...]:
    """The lesions of all hands, the surest first, numbered from 1."""
    groups = [
        (index, group)
        for index, view in enumerate(views)
        for group in view.groups(thresholds.possible, all_scores=all_scores)
    ]
    ordered = sorted(groups, key=lambda pair: (-pair[1][0].body.score, pair[0]))
    return tuple(
        measures.lesion(number, index, group, thresholds, scale)
        for number, (index, group) in enumerate(ordered, start=1)
    )


__all__ = ["Analyser", "ModelError", "picture_png", "write_expected"]
