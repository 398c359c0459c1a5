"""Pictures that show no hand, made here and unlike those of the training: what the gate has to refuse.

Radiographs of other parts are drawn as thickness along the beam (tissue and bone as rods and shells), then turned into
grey values: roughly right in layout, grey scale and grain, nobody's anatomy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from edge.detector import prepare
from models.phantom.raster import smooth_noise

Picture = prepare.Image
_Rod = tuple[float, float, float, float, float, float]
"""x0, y0, x1, y1, half-width at both ends; all in parts of the picture's longer side."""


def picture(kind: str, index: int) -> Picture:
    """One picture of a kind, 0 to 1; the same index always gives the same."""
    rng = np.random.default_rng([4, index, *kind.encode()])
    rows = int(rng.integers(600, 1100))
    columns = round(rows * float(rng.uniform(0.68, 0.95)))
    y, x = np.mgrid[:rows, :columns].astype(np.float32) / np.float32(max(rows, columns))
    return KINDS[kind](x, y, rng)


def pictures(count: int) -> Iterator[Picture]:
    """All kinds in turn."""
    kinds = tuple(KINDS)
    for index in range(count):
        yield picture(kinds[index % len(kinds)], index // len(kinds))


def _rods(x: Picture, y: Picture, rods: list[_Rod]) -> Picture:
    """Thickness of rods with round section, summed."""
    total = np.zeros(x.shape, dtype=np.float32)
    for x0, y0, x1, y1, w0, w1 in rods:
        dx, dy = x1 - x0, y1 - y0
        along = np.clip(((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
        away = np.hypot(x - x0 - along * dx, y - y0 - along * dy)
        width = w0 + along * (w1 - w0)
        total += 2 * np.sqrt(np.clip(width**2 - away**2, 0, None)).astype(np.float32)
    return total


def _tissue(x: Picture, y: Picture, rods: list[_Rod]) -> Picture:
    """Thickness of rods that melt together: the thickest counts."""
    thick = np.zeros(x.shape, dtype=np.float32)
    for rod in rods:
        thick = np.maximum(thick, _rods(x, y, [rod]))
    return ndimage.gaussian_filter(thick, 4.0)


def _bones(x: Picture, y: Picture, rods: list[_Rod], shell: float = 0.35) -> Picture:
    """Rods with a dense wall: outer less most of the inner."""
    inner = [(a, b, c, d, w * (1 - shell), v * (1 - shell)) for a, b, c, d, w, v in rods]
    return _rods(x, y, rods) - 0.75 * _rods(x, y, inner)


def _film(depth: Picture, rng: np.random.Generator) -> Picture:
    """Grey values of -ln of a beam: blur, grain, gamma."""
    grain = rng.standard_normal(depth.shape, dtype=np.float32) * np.float32(rng.uniform(0.01, 0.05))
    seen = ndimage.gaussian_filter(depth, 1.0) + grain * np.float32(depth.std() or 1.0)
    return _unit(np.clip(_unit(seen), 0, 1) ** np.float32(rng.uniform(0.6, 1.4)))


def _chest(x: Picture, y: Picture, rng: np.random.Generator) -> Picture:
    """Two lungs, ribs, a heart, a spine, a diaphragm."""
    depth = np.full(x.shape, 1.0, dtype=np.float32)
    wide = float(x.max())
    for centre in (0.28, 0.71):
        lung = 1 - ((x / wide - centre) / 0.19) ** 2 - ((y - 0.42) / 0.36) ** 2
        depth -= 0.65 * np.sqrt(np.clip(lung, 0, 1)).astype(np.float32)
    ribs = np.sin((y + 0.5 * (x / wide - 0.5) ** 2) * float(rng.uniform(55, 85)))
    depth += 0.10 * np.clip(ribs, 0, 1) + 0.3 * np.exp(-(((x / wide - 0.5) / 0.05) ** 2))
    depth += 0.4 * np.exp(-(((x / wide - 0.57) / 0.1) ** 2) - ((y - 0.55) / 0.14) ** 2)
    return _film(depth, rng)


def _hip(x: Picture, y: Picture, rng: np.random.Generator) -> Picture:
    """A femur with its head in a pelvis."""
    tilt = float(rng.uniform(-0.05, 0.05))
    bones: list[_Rod] = [
        (0.36, 0.34, 0.36, 0.34, 0.09, 0.09),
        (0.36, 0.34, 0.5, 0.44, 0.055, 0.06),
        (0.5, 0.44, 0.47 + tilt, 1.1, 0.06, 0.055),
        (0.05, 0.1, 0.35, 0.25, 0.12, 0.1),
        (0.15, 0.5, 0.32, 0.42, 0.05, 0.05),
    ]
    soft = _tissue(x, y, [(0.3, 0.0, 0.42, 1.2, 0.5, 0.3)])
    return _film(0.6 * soft + 1.6 * _bones(x, y, bones), rng)


def _foot(x: Picture, y: Picture, rng: np.random.Generator) -> Picture:
    """Five short toes on long metatarsals, a big first ray, a tarsus: what is most like a hand."""
    bones: list[_Rod] = []
    soft: list[_Rod] = [(0.38, 0.95, 0.38, 0.35, 0.13, 0.2)]
    mirrored = rng.random() < 0.5
    for ray in range(5):
        big = 1.6 if ray == 0 else 1.0
        base_x, top_x = 0.30 + 0.045 * ray, 0.20 + 0.095 * ray
        top = 0.36 + 0.035 * abs(ray - 1) + float(rng.normal(0, 0.006))
        bones.append((base_x, 0.64 + 0.02 * ray, top_x, top, 0.016 * big, 0.018 * big))
        toe = 0.15 * (1.1 if ray == 0 else 1 - 0.09 * ray)
        parts = (0.0, 0.55, 1.0) if ray == 0 else (0.0, 0.55, 0.75, 0.95)
        for low, high in pairwise(parts):
            y0, y1 = top - 0.02 - toe * low, top - 0.035 - toe * (high - 0.06)
            bones.append((top_x, y0, top_x, min(y1, y0 - 0.006), 0.012 * big, 0.010 * big))
        soft.append((top_x, top, top_x, top - toe, 0.04 * (big if ray == 0 else 1), 0.028 * big))
    bones += [(0.32 + 0.06 * i, 0.69, 0.33 + 0.06 * i, 0.71, 0.035, 0.035) for i in range(4)]
    bones += [(0.36, 0.78, 0.42, 0.84, 0.07, 0.09), (0.38, 0.92, 0.38, 1.0, 0.07, 0.06)]
    depth = 0.5 * _tissue(x, y, soft) + 1.8 * _bones(x, y, bones)
    return _film(depth[:, ::-1] if mirrored else depth, rng)


def _mammogram(x: Picture, y: Picture, rng: np.random.Generator) -> Picture:
    """A breast from one side of the film, with cloudy tissue and specks."""
    half = np.sqrt(np.clip(1 - (x / float(rng.uniform(0.4, 0.6))) ** 2 - ((y - 0.5) / 0.42) ** 2, 0, None))
    cloud = np.clip(smooth_noise((y.shape[0], x.shape[1]), 25, rng), -1, 2) * 0.15
    specks = (rng.random(x.shape) > 0.9999).astype(np.float32)
    specks = ndimage.gaussian_filter(specks, 1.2) * 8
    return _film((half * (1 + cloud) + specks * (half > 0.1)).astype(np.float32), rng)


def _ct_slice(x: Picture, y: Picture, rng: np.random.Generator) -> Picture:
    """A body in a black round field: skin, organs, a bright vertebra, two dark lungs."""
    middle = float(x.max()) / 2
    body = ((x - middle) / 0.36) ** 2 + ((y - 0.5) / 0.27) ** 2 < 1
    image = np.where(body, 0.5, 0.0).astype(np.float32)
    for side in (-1, 1):
        image[((x - middle - side * 0.17) / 0.12) ** 2 + ((y - 0.47) / 0.15) ** 2 < 1] = 0.08
    image[np.hypot(x - middle, y - 0.66) < 0.045] = 1.0
    image[(np.hypot(x - middle, y - 0.70) < 0.06) & (np.abs(x - middle) < 0.015)] = 0.95
    image += 0.03 * rng.standard_normal(x.shape).astype(np.float32) * body
    return _unit(np.clip(image, 0, 1))


def _blank(x: Picture, y: Picture, rng: np.random.Generator) -> Picture:
    """An exposed plate with nothing on it but grain and a slope."""
    level, slope = float(rng.uniform(0.1, 0.9)), float(rng.uniform(0, 0.05))
    grain = 0.002 * rng.standard_normal(x.shape)
    return np.clip(level + slope * (y - 0.5) + grain, 0, 1).astype(np.float32)


def _text(x: Picture, y: Picture, rng: np.random.Generator) -> Picture:
    """A page of writing, a screen that was stored as an image."""
    page = Image.new("L", (x.shape[1], y.shape[0]), 0)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=int(rng.integers(14, 40)))
    words = ("Patient", "Dose report", "kVp", "mAs", "0.12", "PA", "hand", "page", "exposure", "2026")
    for row in range(20, y.shape[0], int(rng.integers(30, 60))):
        draw.text((20, row), "  ".join(str(w) for w in rng.choice(words, 6)), fill=255, font=font)
    return np.asarray(page, dtype=np.float32) / np.float32(255)


def _elbow(x: Picture, y: Picture, rng: np.random.Generator) -> Picture:
    """One shaft that meets two at a hinge."""
    bones: list[_Rod] = [
        (0.4, -0.1, 0.38, 0.45, 0.05, 0.08),
        (0.34, 0.5, 0.3, 1.1, 0.06, 0.035),
        (0.46, 0.5, 0.5, 1.1, 0.045, 0.03),
    ]
    soft = _tissue(x, y, [(0.4, -0.1, 0.4, 1.1, 0.2, 0.15)])
    return _film(0.5 * soft + 1.5 * _bones(x, y, bones), rng)


def _comb(x: Picture, y: Picture, rng: np.random.Generator) -> Picture:
    """Five plain rods side by side on a block: fingers without joints."""
    rods: list[_Rod] = [(0.15 + 0.11 * i, 0.5, 0.12 + 0.12 * i, 0.12, 0.035, 0.028) for i in range(5)]
    block: list[_Rod] = [(0.36, 0.5, 0.36, 0.95, 0.24, 0.12)]
    shafts: list[_Rod] = [(a, b, c, d, w / 2, v / 2) for a, b, c, d, w, v in rods]
    return _film(0.6 * _tissue(x, y, rods + block) + 1.5 * _bones(x, y, shafts), rng)


def _noise(x: Picture, y: Picture, rng: np.random.Generator) -> Picture:
    return _unit(rng.standard_normal((y.shape[0], x.shape[1])))


def _clouds(x: Picture, y: Picture, rng: np.random.Generator) -> Picture:
    return _unit(smooth_noise((y.shape[0], x.shape[1]), float(rng.uniform(2, 90)), rng))


def _bars(x: Picture, y: Picture, rng: np.random.Generator) -> Picture:
    angle = float(rng.uniform(0, math.pi))
    return _unit(np.sin((x * np.cos(angle) + y * np.sin(angle)) * float(rng.uniform(8, 120))))


def _rings(x: Picture, y: Picture, rng: np.random.Generator) -> Picture:
    return _unit(np.cos(np.hypot(x - rng.uniform(0, 1), y - rng.uniform(0, 1)) * float(rng.uniform(10, 90))))


def _unit(image: object) -> Picture:
    values = np.asarray(image, dtype=np.float32)
    spread = float(values.max() - values.min())
    unit: Picture = (values - values.min()) / np.float32(spread or 1.0)
    return unit


KINDS: Final[Mapping[str, Callable[[Picture, Picture, np.random.Generator], Picture]]] = {
    "chest": _chest,
    "hip": _hip,
    "foot-like": _foot,
    "mammogram": _mammogram,
    "CT slice": _ct_slice,
    "blank": _blank,
    "text": _text,
    "elbow": _elbow,
    "comb": _comb,
    "noise": _noise,
    "clouds": _clouds,
    "bars": _bars,
    "rings": _rings,
}
