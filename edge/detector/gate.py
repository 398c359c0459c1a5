"""Is there a picture, and is there a hand in it? Whatever fails here ends as *not analysed*, with its reason.

The anatomy network answers on any picture. A hand is believed only if its keypoints stand out, most of them are
visible, and the bones between them have the proportions of a hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.detector.anatomy import SeenHand, disproportion
from edge.detector.bundle import KEYPOINTS, Thresholds
from edge.errors import Refused

LEAST_CONTRAST: Final = 0.02
"""Between the 1st and the 99th percentile of the film: less is a blank plate."""
LEAST_SHADES: Final = 8
LEAST_VISIBLE: Final = 12
"""Of 20 keypoints."""
MOST_DISPROPORTION: Final = 0.25
"""Median deviation of the bones' lengths from a hand's proportions."""

HandCheck = Callable[[SeenHand, Thresholds], bool]


def check_picture(image: NDArray[np.float32]) -> None:
    """Refuses a film with nothing on it.

    Raises:
        Refused: `unusable-image`.
    """
    step = max(1, math.isqrt(max(1, image.size // 100_000)))
    sample = image[::step, ::step]
    low, high = np.percentile(sample, [1, 99])
    if high - low < LEAST_CONTRAST or len(np.unique(sample)) < LEAST_SHADES:
        raise Refused("unusable-image", "there is nothing on it")


def believed(seen: tuple[SeenHand, ...], thresholds: Thresholds) -> tuple[SeenHand, ...]:
    """The candidates that are hands.

    Raises:
        Refused: `not-a-hand` if none is.
    """
    hands = tuple(hand for hand in seen if all(check(hand, thresholds) for check in HAND_CHECKS))
    if not hands:
        raise Refused("not-a-hand")
    return hands


def stands_out(hand: SeenHand, thresholds: Thresholds) -> bool:
    """The network is sure of the keypoints, taken together."""
    return hand.confidence >= thresholds.hand_confidence


def is_mostly_visible(hand: SeenHand, _thresholds: Thresholds) -> bool:
    """Most keypoints are there, the wrist or some knuckles among them."""
    return len(hand.keypoints) >= min(LEAST_VISIBLE, len(KEYPOINTS))


def has_proportions(hand: SeenHand, _thresholds: Thresholds) -> bool:
    """The phalanges are as long as they should be, one against another."""
    return disproportion(hand) <= MOST_DISPROPORTION


HAND_CHECKS: Final[tuple[HandCheck, ...]] = (stands_out, is_mostly_visible, has_proportions)
