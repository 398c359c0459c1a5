"""Pictures that show no hand, made here and unlike those of the training: what the gate has to refuse."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edge.detector import prepare
from models.phantom.raster import smooth_noise


def pictures(count: int, seed: int = 4) -> Iterator[prepare.Image]:
    """Clouds, bars, rings, chessboards, ribs and steps; 0 to 1."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        rows, columns = int(rng.integers(300, 900)), int(rng.integers(300, 900))
        y, x = np.mgrid[:rows, :columns].astype(np.float32) / np.float32(max(rows, columns))
        yield _KINDS[index % len(_KINDS)](x, y, rng)


def _clouds(x: prepare.Image, y: prepare.Image, rng: np.random.Generator) -> prepare.Image:
    return _unit(smooth_noise((y.shape[0], x.shape[1]), float(rng.uniform(2, 90)), rng))


def _bars(x: prepare.Image, y: prepare.Image, rng: np.random.Generator) -> prepare.Image:
    angle = float(rng.uniform(0, 3.1))
    return _unit(np.sin((x * np.cos(angle) + y * np.sin(angle)) * float(rng.uniform(8, 120))))


def _rings(x: prepare.Image, y: prepare.Image, rng: np.random.Generator) -> prepare.Image:
    return _unit(np.cos(np.hypot(x - rng.uniform(0, 1), y - rng.uniform(0, 1)) * float(rng.uniform(10, 90))))


def _chest(x: prepare.Image, y: prepare.Image, rng: np.random.Generator) -> prepare.Image:
    """Two dark ovals with ribs across and a bright middle: lungs, roughly."""
    image = np.full(x.shape, 0.7, dtype=np.float32)
    for centre in (0.28, 0.7):
        image -= 0.45 * np.clip(1 - ((x - centre) / 0.2) ** 2 - ((y - 0.45) / 0.4) ** 2, 0, 1).astype(np.float32)
    ribs = np.sin((y + 0.6 * (x - 0.5) ** 2) * float(rng.uniform(40, 70)))
    return _unit(image + 0.08 * np.clip(ribs, 0, 1) + 0.02 * rng.standard_normal(x.shape))


def _long_bone(x: prepare.Image, y: prepare.Image, rng: np.random.Generator) -> prepare.Image:
    """One thick shaft in soft tissue: a thigh or an upper arm."""
    middle = 0.45 + 0.1 * (y - 0.5) * float(rng.normal())
    soft = np.sqrt(np.clip(1 - ((x - middle) / 0.35) ** 2, 0, None))
    bone = np.sqrt(np.clip(1 - ((x - middle) / 0.09) ** 2, 0, None))
    hollow = np.sqrt(np.clip(1 - ((x - middle) / 0.06) ** 2, 0, None))
    return _unit(0.5 * soft + bone - 0.5 * hollow + 0.02 * rng.standard_normal(x.shape))


def _noise(x: prepare.Image, y: prepare.Image, rng: np.random.Generator) -> prepare.Image:
    return _unit(rng.standard_normal((y.shape[0], x.shape[1])))


_KINDS = (_clouds, _bars, _rings, _chest, _long_bone, _noise)


def _unit(image: object) -> prepare.Image:
    values = np.asarray(image, dtype=np.float32)
    spread = float(values.max() - values.min())
    unit: prepare.Image = (values - values.min()) / np.float32(spread or 1.0)
    return unit
