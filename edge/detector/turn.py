"""Films lie as they were taken: fingers may point anywhere. Here they are turned upright, and findings turned back.

What always holds: a turn is a whole number of quarters, so no pixel is resampled; results leave in pixels of the
received film.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.detector import prepare
from edge.detector.bundle import AnatomyInput
from edge.detector.engine import Look
from edge.types import BBox, Hand, Ignored, Lesion, Point

UPRIGHT_BIAS: Final = 1.15
"""Films are mostly upright: another way up has to stand out by this factor."""
UNMISTAKABLE: Final = 0.45
"""Mean peak of the keypoints from which no other grey scale is tried."""
CEILING_PERCENTS: Final = (97.0, 92.0)
LOST: Final = 0.25
"""Mean peak below which a wide bright frame may hide the hand: see `FRAME_PERCENT`."""
FRAME_PERCENT: Final = 30.0
"""Where collimation leaves a small dark field in a bright frame, most of the film is frame."""
CEILING_BIAS: Final = 1.1


@dataclass(frozen=True, slots=True)
class Turn:
    """How a received film of `rows` x `columns` was turned: counter-clockwise, by quarters.

    What is brighter than `ceiling` says nothing to the anatomy network.
    """

    quarters: int
    rows: int
    columns: int
    ceiling: float = math.inf

    def dimmed(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """An image for the anatomy network: nothing in it is brighter than the ceiling."""
        return image if math.isinf(self.ceiling) else np.minimum(image, np.float32(self.ceiling))

    def film(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """The film turned upright; a view."""
        return np.rot90(image, self.quarters)

    def point(self, point: Point) -> Point:
        """A point of the upright film on the received one."""
        x, y = point
        if self.quarters == 1:
            return self.columns - 1 - y, x
        if self.quarters == 2:
            return self.columns - 1 - x, self.rows - 1 - y
        if self.quarters == 3:
            return y, self.rows - 1 - x
        return point

    def box(self, box: BBox) -> BBox:
        """A box of the upright film on the received one."""
        (ax, ay), (bx, by) = self.point((box[0], box[1])), self.point((box[2], box[3]))
        return round(min(ax, bx)), round(min(ay, by)), round(max(ax, bx)), round(max(ay, by))

    def hand(self, hand: Hand) -> Hand:
        """A hand of the upright film on the received one."""
        joints, tufts = dict(hand.joints), dict(hand.tufts)
        for name, joint in joints.items():
            x, y = self.point((joint.x, joint.y))
            joints[name] = replace(joint, x=x, y=y)
        for name, tuft in tufts.items():
            x, y = self.point((tuft.x, tuft.y))
            tufts[name] = replace(tuft, x=x, y=y)
        return replace(hand, bbox=self.box(hand.bbox), joints=joints, tufts=tufts)

    def lesion(self, lesion: Lesion) -> Lesion:
        """A lesion of the upright film on the received one."""
        polygon = tuple((round(x, 2), round(y, 2)) for x, y in map(self.point, lesion.polygon))
        return replace(lesion, bbox=self.box(lesion.bbox), polygon=polygon)

    def ignored(self, ignored: Ignored) -> Ignored:
        """Something ignored on the upright film, on the received one."""
        return replace(ignored, bbox=self.box(ignored.bbox))


def upright(image: NDArray[np.float32], network: Look, given: AnatomyInput) -> Turn:
    """The turn, and the grey scale, in which the anatomy network sees a hand best: quick looks at the whole film.

    A dim hand beside a bright marker or collimator is lost at the bottom of the usual scale. Where no hand stands out,
    ceilings are tried that leave the brightest few percent of the film out, or all of a frame around a small field.
    """
    rows, columns = image.shape
    small = prepare.resize(image, given.long_side_px / max(rows, columns))
    clear, turn = _clearest(small, network, given, Turn(0, rows, columns))
    if clear < UNMISTAKABLE:
        for percent in (*CEILING_PERCENTS, FRAME_PERCENT):
            if percent == FRAME_PERCENT and clear >= LOST:
                break
            ceiling = float(np.percentile(small, percent))
            seen, other = _clearest(small, network, given, Turn(0, rows, columns, ceiling))
            if seen > CEILING_BIAS * clear:
                clear, turn = seen, other
    return turn


def _clearest(small: NDArray[np.float32], network: Look, given: AnatomyInput, start: Turn) -> tuple[float, Turn]:
    """How clearly a hand is seen in the best of four turns, and that turn."""
    frame, _ = prepare.pad(prepare.normalise(start.dimmed(small)), given.multiple)
    clear = [
        float(network(np.ascontiguousarray(np.rot90(frame, quarters)))["keypoints"].max(axis=(1, 2)).mean())
        for quarters in range(4)
    ]
    biased = [UPRIGHT_BIAS * clear[0], *clear[1:]]
    best = int(np.argmax(biased))
    return clear[best], replace(start, quarters=best)
