"""One hand's skeleton: lengths, joints, pose. No pixels.

Coordinates of the hand: millimetres, origin at the centre of the capitate, y grows towards the fingertips, x towards
the thumb. `Pose` puts a hand on the film (y down); a left hand seen from behind (PA) has its thumb on the right.

Lengths: Buryanov and Kotiuk 2010, Int J Morphol 28:755 (radiographs of 66 adults). Widths: our measurements by eye on
drawings, after Garn 1972. Joint gaps: see `_GAP_MM`. One size factor is shared by all bones of a person.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from models.phantom.varied import PLAIN, sample_distal

Vec = tuple[float, float]
Side = Literal["L", "R"]

KEYPOINTS: Final = (
    "WRIST",
    *(f"MCP{d}" for d in range(1, 6)),
    "IP1",
    *(f"PIP{d}" for d in range(2, 6)),
    *(f"DIP{d}" for d in range(2, 6)),
    *(f"TIP{d}" for d in range(1, 6)),
)

_LENGTH_MM: Final[Mapping[str, tuple[float, float]]] = {
    "MC1": (46.2, 3.9), "PP1": (31.6, 3.1), "DP1": (21.7, 1.6),
    "MC2": (68.1, 6.3), "PP2": (39.8, 4.9), "MP2": (22.4, 2.5), "DP2": (15.8, 2.3),
    "MC3": (64.6, 5.4), "PP3": (44.6, 3.8), "MP3": (26.3, 3.0), "DP3": (17.4, 1.9),
    "MC4": (58.0, 5.1), "PP4": (41.4, 3.9), "MP4": (25.7, 3.3), "DP4": (17.3, 2.2),
    "MC5": (53.7, 4.4), "PP5": (32.7, 2.8), "MP5": (18.1, 2.5), "DP5": (16.0, 2.5),
}  # fmt: skip
_PULP_MM: Final = {1: 5.7, 2: 3.8, 3: 4.0, 4: 4.0, 5: 3.7}
_GAP_MM: Final = {"MCP": 1.9, "PIP": 1.35, "IP": 1.35, "DIP": 1.1}
_HALF_WIDTH_MM: Final = {"MC": 7.2, "PP": 7.1, "MP": 6.0, "DP": 4.7, "RADIUS": 14.5, "ULNA": 8.4}
_DIGIT_WIDTH: Final = {1: 1.08, 2: 1.03, 3: 1.05, 4: 0.95, 5: 0.84}
_BASE: Final[Mapping[int, Vec]] = {1: (25.5, 6.5), 2: (14.5, 11.0), 3: (1.0, 12.0), 4: (-10.0, 12.5), 5: (-19.5, 7.5)}
_RAY_DEG: Final = {1: 38.0, 2: 5.5, 3: -3.0, 4: -9.5, 5: -17.5}
_SPLAY_DEG: Final = {1: 0.0, 2: 4.0, 3: 0.0, 4: -6.0, 5: -12.0}


@dataclass(frozen=True, slots=True)
class Person:
    """What both hands of one person share."""

    age_years: float
    sex: Literal["F", "M"]
    size: float
    cortex: float
    """Factor on cortical thickness: 1 young and healthy, 0.5 osteoporotic."""
    trabecular: float
    """Factor on trabecular density."""
    soft: float
    """Factor on soft tissue."""
    lengths_mm: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Bone:
    """A tubular bone from `base` (proximal) to `head` (distal), in hand coordinates."""

    name: str
    base: Vec
    head: Vec
    half_width_mm: float
    bow_mm: float
    rotation: float
    """0: seen from behind; 1: seen from the side. The thumb lies between."""
    resorbed: float = 0.0
    """Part of a distal phalanx lost from its tip (acro-osteolysis)."""
    taper: float = 0.65
    """How much a resorbed phalanx narrows towards what is left of its tip."""
    tuft: float = 1.0
    """Width of the tuft over the mean: it differs much between people."""

    @property
    def kind(self) -> str:
        """MC, PP, MP, DP, RADIUS or ULNA."""
        return self.name.rstrip("12345")

    @property
    def length_mm(self) -> float:
        """From base to head."""
        return math.dist(self.base, self.head)

    def at(self, part: float, aside_mm: float = 0.0) -> Vec:
        """The point at `part` of the axis (0 base, 1 head), `aside_mm` to its side."""
        (x0, y0), (x1, y1) = self.base, self.head
        length = self.length_mm or 1.0
        ex, ey = (x1 - x0) / length, (y1 - y0) / length
        return x0 + part * (x1 - x0) + aside_mm * ey, y0 + part * (y1 - y0) - aside_mm * ex


@dataclass(frozen=True, slots=True)
class Carpal:
    """One half (palmar or dorsal) of a carpal bone: a star-shaped outline with a depth."""

    name: str
    centre: Vec
    half_axes_mm: Vec
    angle_rad: float
    harmonics: tuple[tuple[float, float], ...]
    """Amplitude and phase of the second to fifth harmonic of the radius."""
    half_depth_mm: float


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a hand lies on the film: mirrored for a right hand, turned, then moved. Film: mm, y down."""

    side: Side
    angle_rad: float
    centre: Vec

    def to_film(self, point: Vec) -> Vec:
        """Hand coordinates to film millimetres."""
        x, y = (point[0] if self.side == "L" else -point[0]), -point[1]
        c, s = math.cos(self.angle_rad), math.sin(self.angle_rad)
        return self.centre[0] + c * x - s * y, self.centre[1] + s * x + c * y

    def to_hand(self, x_mm: np.ndarray, y_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Film millimetres to hand coordinates, for whole arrays."""
        c, s = np.float32(math.cos(self.angle_rad)), np.float32(math.sin(self.angle_rad))
        dx, dy = x_mm - np.float32(self.centre[0]), y_mm - np.float32(self.centre[1])
        x, y = c * dx + s * dy, c * dy - s * dx
        return (x if self.side == "L" else -x), -y


@dataclass(frozen=True, slots=True)
class Hand:
    """A posed skeleton with its keypoints (hand coordinates)."""

    person: Person
    pose: Pose
    bones: tuple[Bone, ...]
    carpals: tuple[Carpal, ...]
    keypoints: Mapping[str, Vec]
    pulp_mm: Mapping[int, float]
    joint_gap_mm: Mapping[str, float]
    osteolysis: Mapping[int, float] = field(default_factory=dict)
    bent_deg: Mapping[str, float] = field(default_factory=dict)
    """How far each distal phalanx is bent against the film (`DP2`) and each last joint (`DIP2`); absent: flat."""

    def bone(self, name: str) -> Bone:
        """The tubular bone of that name."""
        return next(bone for bone in self.bones if bone.name == name)


def sample_person(rng: np.random.Generator) -> Person:
    """Someone of 15 to 90 years. Cortex thins with age, more so in women (metacarpal index .5 to .3)."""
    sex: Literal["F", "M"] = "M" if rng.random() < 0.45 else "F"
    age = float(rng.uniform(15, 90)) if rng.random() < 0.75 else float(rng.uniform(15, 25))
    size = (1.03 if sex == "M" else 0.93) * (1 + 0.045 * float(rng.normal()))
    thinning = 0.008 * max(0.0, age - 45) * (1.3 if sex == "F" else 0.8)
    cortex = float(np.clip(rng.normal(1.05 - thinning, 0.13), 0.5, 1.3))
    lengths = {name: size * (mean + 0.36 * sd * float(rng.normal())) for name, (mean, sd) in _LENGTH_MM.items()}
    return Person(
        age_years=age,
        sex=sex,
        size=size,
        cortex=cortex,
        trabecular=float(np.clip(rng.normal(cortex, 0.2), 0.45, 1.6)),
        soft=float(np.clip(rng.normal(1.0, 0.1), 0.75, 1.35)),
        lengths_mm=lengths,
    )


def sample_hand(
    rng: np.random.Generator,
    person: Person,
    pose: Pose,
    *,
    diseased: bool = False,
    varied: np.random.Generator | None = None,
) -> Hand:
    """One hand of a person, with its own splay, thumb, joint gaps and (when `diseased`) resorbed tufts.

    `varied` (a generator of its own, so that other draws stay) adds bent fingers, tufts of all widths and every degree
    of resorption: what the networks for joints and fingertips must know.
    """
    distal = sample_distal(varied) if varied is not None else {}
    size = person.size
    splay = float(rng.uniform(0.0, 1.6))
    thumb_deg = float(rng.uniform(-18, 22))
    joints: dict[str, Vec] = {}
    gaps: dict[str, float] = {}
    bones: list[Bone] = []
    osteolysis = _sample_osteolysis(rng) if diseased else {}
    narrow = rng.random() < (0.4 if person.age_years > 45 else 0.1)
    for digit in range(1, 6):
        wide = _DIGIT_WIDTH[digit] * size * (1 + 0.04 * float(rng.normal()))
        base = _jitter(rng, _BASE[digit], 0.8)
        base = (base[0] * size, base[1] * size)
        angle = _RAY_DEG[digit] + splay * 0.35 * _SPLAY_DEG[digit] + float(rng.normal(0, 1.5))
        turn = float(np.clip(rng.normal(0.55, 0.2), 0.1, 1.0)) if digit == 1 else abs(float(rng.normal(0, 0.12)))
        if digit == 1:
            angle += thumb_deg
        names = ("MC", "PP", "DP") if digit == 1 else ("MC", "PP", "MP", "DP")
        ends = ("MCP", "IP") if digit == 1 else ("MCP", "PIP", "DIP")
        for index, kind in enumerate(names):
            length = person.lengths_mm[f"{kind}{digit}"] * _foreshortening(rng, digit, kind)
            own = distal.get(digit, PLAIN)
            length *= {"MP": math.cos(math.radians(own.middle_deg)), "DP": math.cos(math.radians(own.last_deg))}.get(
                kind, 1.0
            )
            if index == 1:
                angle += splay * (0.65 * _SPLAY_DEG[digit]) + float(rng.normal(0, 3)) - (6 if digit == 1 else 0)
            elif index > 1:
                angle += float(rng.normal(0, 3.5)) + (2.0 if digit == 5 else 0.0)
            if distal:
                osteolysis[digit] = own.lost
            lost = osteolysis.get(digit, 0.0) if kind == "DP" else 0.0
            head = _step(base, angle, length)
            bones.append(
                Bone(
                    name=f"{kind}{digit}",
                    base=base,
                    head=head,
                    half_width_mm=_HALF_WIDTH_MM[kind] * wide * (1 - 0.18 * turn),
                    bow_mm=float(rng.normal(0, 0.5)) + (0.9 * turn if kind in {"MC", "PP"} else 0.0),
                    rotation=turn,
                    resorbed=lost,
                    taper=own.taper,
                    tuft=own.tuft if kind == "DP" else 1.0,
                )
            )
            if kind == "DP":
                joints[f"TIP{digit}"] = _step(base, angle, length * (1 - lost))
            else:
                joint = f"{ends[index]}{digit}"
                gap = _GAP_MM[ends[index]] * size * float(np.clip(rng.normal(1, 0.15), 0.5, 1.5))
                if narrow and ends[index] in {"DIP", "PIP", "IP"} and rng.random() < 0.4:
                    gap *= float(rng.uniform(0.0, 0.6))
                if distal:
                    gap = own.gap(joint, gap)
                gaps[joint] = gap
                joints[joint] = _step(head, angle, gap / 2)
                base = _step(head, angle, gap)
    bones += _forearm(rng, size)
    joints["WRIST"] = (2.0 * size, -18.5 * size)
    return Hand(
        person=person,
        pose=pose,
        bones=tuple(bones),
        carpals=_carpals(rng, size),
        keypoints={name: joints[name] for name in KEYPOINTS},
        pulp_mm={digit: mm * size * float(rng.uniform(0.85, 1.15)) for digit, mm in _PULP_MM.items()},
        joint_gap_mm=gaps,
        osteolysis={digit: lost for digit, lost in osteolysis.items() if lost > 0},
        bent_deg={f"DP{digit}": own.last_deg for digit, own in distal.items()}
        | {f"DIP{digit}": own.bend_deg for digit, own in distal.items() if digit > 1}
        | ({"IP1": distal[1].bend_deg} if distal else {}),
    )


def turned(hand: Hand, degrees: float) -> Hand:
    """The hand turned about its long axis: 0 PA, 45 oblique, 90 lateral. Bones and joints move across only.

    The hand is a shallow arch, its fingers fanned a little: the index finger's tip rises, the little one's falls, as on
    a positioning wedge. Parts that come to lie over each other add up, as on a film.
    """
    if degrees == 0:
        return hand
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def moved(point: Vec) -> Vec:
        x, y = point
        height = 5.0 - 0.012 * x * x + max(0.0, y - 92.0) * (0.12 + 0.006 * x)
        return c * x + s * height, y

    bones = tuple(
        replace(
            bone,
            base=moved(bone.base),
            head=moved(bone.head),
            rotation=min(1.0, bone.rotation + s),
            half_width_mm=bone.half_width_mm * (1 - 0.18 * (min(1.0, bone.rotation + s) - bone.rotation)),
        )
        for bone in hand.bones
    )
    carpals = tuple(
        replace(
            carpal,
            centre=moved(carpal.centre),
            half_axes_mm=(
                math.hypot(c * carpal.half_axes_mm[0], s * carpal.half_depth_mm * 2),
                carpal.half_axes_mm[1],
            ),
        )
        for carpal in hand.carpals
    )
    return replace(
        hand,
        bones=bones,
        carpals=carpals,
        keypoints={name: moved(point) for name, point in hand.keypoints.items()},
    )


def _sample_osteolysis(rng: np.random.Generator) -> dict[int, float]:
    """Part of each tuft that is lost; 22 % of people with scleroderma have some (Avouac 2006)."""
    if rng.random() > 0.3:
        return {}
    return {digit: float(rng.uniform(0.08, 0.6)) for digit in range(1, 6) if rng.random() < 0.5}


def _foreshortening(rng: np.random.Generator, digit: int, kind: str) -> float:
    """A finger that is slightly bent, or the thumb's oblique metacarpal, looks shorter."""
    if digit == 1:
        return float(rng.uniform(0.86, 0.98))
    return float(rng.uniform(0.88, 1.0)) if kind in {"MP", "DP"} and rng.random() < 0.25 else 1.0


def _forearm(rng: np.random.Generator, size: float) -> list[Bone]:
    tilt = float(rng.normal(0, 6))
    radius_head = (7.0 * size, -18.0 * size)
    ulna_head = (-17.5 * size, (-22.0 + float(rng.normal(0, 1.5))) * size)
    return [
        Bone("RADIUS", _step(radius_head, 182 + tilt, 150), radius_head, _HALF_WIDTH_MM["RADIUS"] * size, 1.5, 0.0),
        Bone("ULNA", _step(ulna_head, 177 + tilt, 150), ulna_head, _HALF_WIDTH_MM["ULNA"] * size, -1.0, 0.0),
    ]


_CARPALS: Final = (
    # name, centre, half axes, angle in degrees, half depth
    ("capitate", (0.0, 1.0), (7.4, 11.0), 4, 8.0),
    ("hamate", (-11.5, 3.0), (7.2, 9.0), 24, 8.0),
    ("triquetrum", (-17.5, -7.0), (6.6, 6.0), 40, 6.5),
    ("pisiform", (-18.5, -8.5), (4.6, 4.2), 20, 4.5),
    ("lunate", (-5.5, -12.0), (8.2, 5.6), -8, 8.0),
    ("scaphoid", (10.5, -8.0), (5.6, 12.0), -48, 6.5),
    ("trapezium", (21.5, 1.5), (7.4, 6.2), 35, 7.5),
    ("trapezoid", (12.8, 4.5), (5.6, 5.6), 0, 6.5),
)


def _carpals(rng: np.random.Generator, size: float) -> tuple[Carpal, ...]:
    """Eight bones, each as a palmar and a dorsal half that don't quite cover each other, as on real films."""
    halves = []
    for name, centre, axes, degrees, depth in _CARPALS:
        middle = _jitter(rng, centre, 0.7)
        stretch = 1 + 0.06 * float(rng.normal())
        angle = math.radians(degrees + float(rng.normal(0, 6)))
        shape = [(abs(float(rng.normal(0, a))), float(rng.uniform(0, 2 * math.pi))) for a in (0.05, 0.05, 0.04, 0.025)]
        for _ in range(2):
            moved = _jitter(rng, middle, 0.9)
            half = tuple((a + abs(float(rng.normal(0, 0.015))), p + float(rng.normal(0, 0.4))) for a, p in shape)
            halves.append(
                Carpal(
                    name=name,
                    centre=(moved[0] * size, moved[1] * size),
                    half_axes_mm=(
                        1.05 * axes[0] * size * stretch * (1 + 0.05 * float(rng.normal())),
                        1.05 * axes[1] * size * stretch * (1 + 0.05 * float(rng.normal())),
                    ),
                    angle_rad=angle + float(rng.normal(0, 0.06)),
                    harmonics=half,
                    half_depth_mm=0.5 * depth * size,
                )
            )
    return tuple(halves)


def _jitter(rng: np.random.Generator, point: Vec, sd: float) -> Vec:
    return point[0] + sd * float(rng.normal()), point[1] + sd * float(rng.normal())


def _step(start: Vec, degrees: float, length: float) -> Vec:
    """`length` from `start` in a direction counted from y towards x."""
    radians = math.radians(degrees)
    return start[0] + length * math.sin(radians), start[1] + length * math.cos(radians)
