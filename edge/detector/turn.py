"""Films lie as they were taken: fingers may point anywhere. Here they are turned upright, and findings turned back.

What always holds: a turn is a whole number of quarters, so no pixel is resampled; results leave in pixels of the
received film.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.detector import prepare
from edge.detector.bundle import AnatomyInput
from edge.detector.engine import Look
from edge.types import BBox, Hand, Ignored, Lesion, Point

UPRIGHT_BIAS = 1.15
"""Films are mostly upright: another way up has to stand out by this factor."""


@dataclass(frozen=True, slots=True)
class Turn:
    """How a received film of `rows` x `columns` was turned: counter-clockwise, by quarters."""

    quarters: int
    rows: int
    columns: int

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
    """The turn in which the anatomy network sees a hand best: four quick looks at the whole film."""
    boxed = prepare.anatomy_input(image, given.long_side_px, given.multiple)
    clear = [
        float(network(np.ascontiguousarray(np.rot90(boxed.image, quarters)))["keypoints"].max(axis=(1, 2)).mean())
        for quarters in range(4)
    ]
    clear[0] *= UPRIGHT_BIAS
    rows, columns = image.shape
    return Turn(int(np.argmax(clear)), rows, columns)
