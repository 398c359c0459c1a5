"""From heat maps to a skeleton: which peak is which joint, decided for a whole hand at once.

Fingers look alike, so a joint's own heat map often has a second peak on the neighbouring finger. Taken one by one the
highest peaks make fingers that jump; taken together, by length, direction and order, they don't.

    peaks of each kind of joint -> chains (MCP, PIP, DIP, TIP) -> one chain for each digit, in order around the wrist
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge.detector.bundle import KEYPOINTS
from edge.detector.engine import Maps
from edge.types import Point

Heat = NDArray[np.float32]

SEGMENT_MM: Final[Mapping[str, float]] = {
    "MCP1-IP1": 33.2, "IP1-TIP1": 22.4,
    "MCP2-PIP2": 41.4, "PIP2-DIP2": 23.6, "DIP2-TIP2": 16.4,
    "MCP3-PIP3": 46.2, "PIP3-DIP3": 27.5, "DIP3-TIP3": 18.0,
    "MCP4-PIP4": 43.0, "PIP4-DIP4": 26.9, "DIP4-TIP4": 17.9,
    "MCP5-PIP5": 34.3, "PIP5-DIP5": 19.3, "DIP5-TIP5": 16.6,
}  # fmt: skip
"""From joint to joint: phalanges of 66 adults on radiographs (Buryanov and Kotiuk 2010, Int J Morphol 28:755) and half
of each joint space. One adult differs from the mean by 4.5 % (standard deviation)."""
WRIST_TO_KNUCKLES_MM: Final = 94.0
"""From the radiocarpal joint to the second to fifth knuckle, on average."""

_CHAINS: Final = {
    1: ("MCP1", "IP1", "TIP1"),
    **{d: (f"MCP{d}", f"PIP{d}", f"DIP{d}", f"TIP{d}") for d in (2, 3, 4, 5)},
}
_SAME_PLACE: Final = 3.0
"""Cells."""
_PEAKS: Final = 6
_LEAST_PEAK: Final = 0.04
_ABSENT: Final = math.log(0.02)
_LENGTH_SD: Final = 0.22
_BEND_SD: Final = math.radians(28)
_ORDER_COST: Final = 4.0
_KEPT: Final = 16
_BEAM: Final = 80


@dataclass(frozen=True, slots=True)
class Peak:
    """A place where a joint may be, in cells, and how hot it is there."""

    x: float
    y: float
    heat: float


@dataclass(frozen=True, slots=True)
class _Chain:
    """One digit's joints, from the knuckle outwards; None where one is not seen. `worth` is a log likelihood."""

    digit: int
    joints: tuple[Peak | None, ...]
    worth: float
    taken: frozenset[tuple[float, float]]
    """Places that no other digit can have."""

    def extended(self, place: Peak | None, worth: float) -> _Chain:
        """The chain with one more joint."""
        taken = self.taken if place is None else self.taken | {(place.x, place.y)}
        return _Chain(self.digit, (*self.joints, place), self.worth + worth, taken)

    def bearing(self, wrist: Peak) -> float | None:
        """Where the digit points, seen from the wrist; None if nothing of it is seen."""
        seen = next((joint for joint in self.joints if joint is not None), None)
        return None if seen is None else math.atan2(seen.y - wrist.y, seen.x - wrist.x)


def assemble(heats: Maps) -> dict[str, Peak]:
    """The joints of one hand.

    Args:
        heats: float32 [20, rows, columns], in the order of `KEYPOINTS`; nothing outside this hand.

    Returns:
        The joints that are seen; `heat` is that of the kind of joint, whichever digit's map it was in.
    """
    by_name = dict(zip(KEYPOINTS, heats, strict=True))
    pools = {kind: _pool(by_name, kind) for kind in ("MCP", "PIP", "DIP", "TIP")}
    wrists = peaks_of(by_name["WRIST"], 1)
    wrist = wrists[0] if wrists else _opposite(pools)
    if wrist is None:
        return {}
    px_per_mm = _scale(wrist, pools["MCP"], heats.shape[1:])
    options = [_chains(digit, by_name, pools, px_per_mm) for digit in _CHAINS]
    found = {"WRIST": wrist} if wrists else {}
    for chain in _best(options, wrist):
        found |= {name: j for name, j in zip(_CHAINS[chain.digit], chain.joints, strict=True) if j is not None}
    return found


def wrist_behind(joints: Mapping[str, Point]) -> Point | None:
    """Where the wrist must be, by the fingers: behind the knuckles, along the proximal phalanges, 94 mm by their scale.

    On 139 phantom films half are within 3.8 mm of the truth and nine in ten within 6.6 mm. None without such a phalanx.
    """
    seen = [
        (SEGMENT_MM[f"{name}-{other}"], joints[name], joints[other])
        for name, other in ((f"MCP{d}", f"PIP{d}") for d in (2, 3, 4, 5))
        if name in joints and other in joints
    ]
    along = np.sum([np.subtract(pip, mcp) for _, mcp, pip in seen], axis=0)
    long = float(np.hypot(*along)) if seen else 0.0
    if not long:
        return None
    scale = float(np.median([math.dist(mcp, pip) / length for length, mcp, pip in seen]))
    x, y = np.mean([mcp for _, mcp, _ in seen], axis=0) - along / long * WRIST_TO_KNUCKLES_MM * scale
    return float(x), float(y)


def peaks_of(heat: Heat, count: int) -> list[Peak]:
    """The highest local maxima, between cells by a parabola through the logarithm, the hottest first."""
    top = ndimage.maximum_filter(heat, size=5, mode="constant")
    rows, columns = np.nonzero((heat >= top) & (heat >= max(_LEAST_PEAK, 0.12 * float(heat.max()))))
    order = np.argsort(-heat[rows, columns], kind="stable")[:count]
    return [_refined(heat, int(rows[i]), int(columns[i])) for i in order]


def _refined(heat: Heat, row: int, column: int) -> Peak:
    across = heat[row, max(0, column - 1) : column + 2]
    along = heat[max(0, row - 1) : row + 2, column]
    x = column + (_between(across) if column else 0.0)
    y = row + (_between(along) if row else 0.0)
    return Peak(x, y, float(heat[row, column]))


def _between(three: Heat) -> float:
    """Where between -0.5 and 0.5 the top of a bell through three values lies; 0 at a map's edge."""
    if len(three) < 3:
        return 0.0
    low, mid, high = (math.log(max(float(v), 1e-6)) for v in three)
    bend = low - 2 * mid + high
    return 0.0 if bend >= -1e-9 else float(np.clip(0.5 * (low - high) / bend, -0.5, 0.5))


def _pool(by_name: Mapping[str, Heat], kind: str) -> list[Peak]:
    """Places of one kind of joint on the four fingers, whichever finger's map they are in."""
    return peaks_of(np.maximum.reduce([by_name[f"{kind}{d}"] for d in (2, 3, 4, 5)]), _PEAKS)


def _opposite(pools: Mapping[str, list[Peak]]) -> Peak | None:
    """About where a wrist beyond the film must be: as far from the knuckles as the fingertips, on the other side."""
    knuckles, tips = pools["MCP"][:4], pools["TIP"][:4]
    if not knuckles or not tips:
        return None
    (kx, ky), (tx, ty) = (np.mean([(p.x, p.y) for p in peaks], axis=0) for peaks in (knuckles, tips))
    return Peak(float(2 * kx - tx), float(2 * ky - ty), 0.0)


def _scale(wrist: Peak, knuckles: Sequence[Peak], shape: tuple[int, ...]) -> float:
    """Cells per millimetre: by the knuckles, or, without any, by the map that the hand about fills."""
    if knuckles:
        away = float(np.median([math.dist((k.x, k.y), (wrist.x, wrist.y)) for k in knuckles[:4]]))
        if away > 4:
            return away / WRIST_TO_KNUCKLES_MM
    return 0.85 * max(shape) / 200.0


def _chains(digit: int, by_name: Mapping[str, Heat], pools: Mapping[str, list[Peak]], px_per_mm: float) -> list[_Chain]:
    """The likeliest chains of one digit, the best first; the last resort is a digit that isn't seen at all."""
    names = _CHAINS[digit]
    grown = [_Chain(digit, (), 0.0, frozenset())]
    for depth, name in enumerate(names):
        places = _of_the_thumb(by_name[name], pools) if digit == 1 else pools[name[:3]]
        gain = np.array([math.log(_near(by_name[name], place) + 0.01) for place in places])
        worth = np.full((len(grown), 1 + len(places)), _ABSENT)
        worth[:, 1:] = gain - _strain(names, grown, places, px_per_mm)
        total = (worth + np.array([[chain.worth] for chain in grown])).ravel()
        kept = np.argsort(-total, kind="stable")[: _KEPT if depth == len(names) - 1 else 2 * _KEPT]
        grown = [
            grown[chain].extended(places[place - 1] if place else None, float(worth[chain, place]))
            for chain, place in (divmod(int(at), worth.shape[1]) for at in kept)
        ]
    return [*grown, _Chain(digit, (None,) * len(names), _ABSENT * len(names), frozenset())]


def _of_the_thumb(heat: Heat, pools: Mapping[str, list[Peak]]) -> list[Peak]:
    """Places of a thumb's joint. One that is a finger's joint too is the same place: only one digit can have it."""
    places = []
    for peak in peaks_of(heat, 3):
        shared = [p for pool in pools.values() for p in pool if math.dist((p.x, p.y), (peak.x, peak.y)) < _SAME_PLACE]
        places.append(Peak(shared[0].x, shared[0].y, peak.heat) if shared else peak)
    return places


def _near(heat: Heat, place: Peak) -> float:
    """The heat of one map at a peak of the pool."""
    row, column = round(place.y), round(place.x)
    return float(heat[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].max())


def _strain(
    names: Sequence[str], grown: Sequence[_Chain], places: Sequence[Peak], px_per_mm: float
) -> NDArray[np.float64]:
    """How unlike a finger it is to go on from each chain to each place: length against the mean, and bend.

    Returns:
        [chains, places]; 0 from a joint that isn't seen, infinite to the place of the joint itself.
    """
    here = np.array([(place.x, place.y) for place in places]).reshape(1, -1, 2)
    last, before = (_joints(grown, back).reshape(-1, 1, 2) for back in (1, 2))
    step, earlier = here - last, last - before
    length = np.hypot(step[..., 0], step[..., 1])
    depth = len(grown[0].joints)
    expected = px_per_mm * SEGMENT_MM[f"{names[depth - 1]}-{names[depth]}"] if depth else 1.0
    cost = 0.5 * (np.log(np.maximum(length, 1e-9) / expected) / _LENGTH_SD) ** 2
    across = earlier[..., 0] * step[..., 1] - earlier[..., 1] * step[..., 0]
    bend = np.arctan2(across, (earlier * step).sum(axis=-1)) / _BEND_SD
    cost = cost + np.where(np.isnan(bend), 0.0, 0.5 * bend**2)
    strain: NDArray[np.float64] = np.where(np.isnan(length), 0.0, np.where(length < 1.0, np.inf, cost))
    return strain


def _joints(grown: Sequence[_Chain], back: int) -> NDArray[np.float64]:
    """Where each chain's joint lies, `back` from its end; not a number where there is none."""
    ends = [chain.joints[-back] if len(chain.joints) >= back else None for chain in grown]
    return np.array([(math.nan, math.nan) if end is None else (end.x, end.y) for end in ends])


def _best(options: Sequence[Sequence[_Chain]], wrist: Peak) -> tuple[_Chain, ...]:
    """One chain for each digit, no joint used twice, in order around the wrist: the likeliest, by a beam search."""
    beam: list[tuple[float, tuple[_Chain, ...], frozenset[tuple[float, float]]]] = [(0.0, (), frozenset())]
    for chains in options:
        total = np.array([[worth] for worth, *_ in beam]) + np.array([chain.worth for chain in chains])
        longer = []
        for at in np.argsort(-total, axis=None, kind="stable"):
            state, index = divmod(int(at), len(chains))
            (_, hand, used), chain = beam[state], chains[index]
            if used.isdisjoint(chain.taken):
                longer.append((float(total[state, index]), (*hand, chain), used | chain.taken))
                if len(longer) == _BEAM:
                    break
        beam = longer
    return max(beam, key=lambda state: state[0] - _disorder(state[1], wrist))[1]


def _disorder(hand: Sequence[_Chain], wrist: Peak) -> float:
    """The cost of digits that don't follow each other around the wrist, in one sense or the other."""
    bearings = [bearing for chain in hand if (bearing := chain.bearing(wrist)) is not None]
    turns = [math.remainder(b - a, 2 * math.pi) for a, b in itertools.pairwise(bearings)]
    return _ORDER_COST * min(sum(turn < 0 for turn in turns), sum(turn > 0 for turn in turns))
