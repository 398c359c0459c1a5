"""What one phantom film gives to learn from. NumPy only: samples are made in worker processes and kept on disk.

What always holds: images went through `edge.detector.prepare`, as in the appliance; labels lie on the networks' output
grid (stride 2); a sample depends on its seed and on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from edge.detector import prepare
from models.phantom.anatomy import KEYPOINTS
from models.phantom.conspicuity import SEEN
from models.phantom.film import Film, Recipe, make_film
from models.phantom.render import Picture, render
from models.phantom.soft import REGION_STEP

CALCIFICATION: Final = 1
SESAMOID: Final = 2
METAL: Final = 4
IGNORE: Final = 8
"""Bits of a lesion label."""
SOFT: Final = 1
OVER_BONE: Final = 2
"""What a cell of a sample's ground shows: soft tissue alone, or bone too. 0: neither."""

LESION_PITCH_MM: Final = 0.2
ANATOMY_PITCH_MM: Final = 0.45
_MIN_AREA_MM2: Final = 0.3
_SOFT_MM, _BONE_MM = 2.0, 0.8
_DENSE: Final = 96.0
"""Percentile of bone that stands for cortex seen end-on."""


@dataclass(frozen=True, slots=True)
class LesionSample:
    """One hand at the lesion network's pitch."""

    image: NDArray[np.float16]
    """[rows, columns], multiples of 32, normalised."""
    label: NDArray[np.uint8]
    """[rows / 2, columns / 2], bits."""
    places: NDArray[np.int32]
    """[n, 3]: kind (0 lesion, 1 sesamoid, 2 metal, 3 hand), row, column of the image: where crops may be centred."""
    ground: NDArray[np.uint8]
    """[rows / 2, columns / 2], SOFT or OVER_BONE: where further bodies may be put."""
    step: float
    """From soft tissue to dense bone in the image's own grey values: by how much mineral brightens it."""


@dataclass(frozen=True, slots=True)
class AnatomySample:
    """One film, coarse, not normalised: the loop turns, scales and crops it anew each time."""

    image: NDArray[np.float16]
    regions: NDArray[np.uint8]
    """One cell for REGION_STEP x REGION_STEP pixels."""
    keypoints: NDArray[np.float32]
    """[hands, 20, 2]: x, y in pixels of the image."""


def lesion_samples(seed: int, renders: int, *, held_out: bool = False) -> list[LesionSample]:
    """The hands of one film, seen through `renders` exposures and chains each."""
    rng = np.random.default_rng([seed, 31])
    pitch = LESION_PITCH_MM * float(rng.uniform(0.88, 1.14))  # the appliance's millimetres may be an estimate
    turn = float(rng.normal(0, 12)) if rng.random() < 0.9 else float(rng.choice((90, 180, 270)))
    layout = "left" if rng.random() < 0.5 else "right"
    film = make_film(seed, Recipe(pitch_mm=pitch, layout=layout, turn_deg=turn))
    return [_lesion_sample(film, render(film, index, held_out=held_out), rng) for index in range(renders)]


def anatomy_samples(seed: int, renders: int) -> list[AnatomySample]:
    """One film, seen through `renders` exposures and chains."""
    rng = np.random.default_rng([seed, 37])
    film = make_film(seed, Recipe(pitch_mm=ANATOMY_PITCH_MM, loose=float(rng.uniform(0, 40))))
    points = np.array([[hand.keypoints[name] for name in KEYPOINTS] for hand in film.hands], dtype=np.float32)
    return [
        AnatomySample(render(film, index).image.astype(np.float16), film.regions, points) for index in range(renders)
    ]


def bits(film: Film, picture: Picture) -> NDArray[np.uint8]:
    """The label of each pixel of a film. What can't be told from noise is ignored, not demanded."""
    label = np.zeros(film.grid.shape, dtype=np.uint8)
    label[film.maps.sesamoid] |= SESAMOID
    label[picture.metal] |= METAL
    label[film.maps.undecided] |= IGNORE
    for lesion in film.lesions:
        label[film.lesion_ids == lesion.id] |= CALCIFICATION if visible(film, picture, lesion.id) else IGNORE
    label[(label & METAL) > 0] = METAL
    return label


def visible(film: Film, picture: Picture, lesion_id: int) -> bool:
    """Whether a lesion can be seen in this picture: enough area, and it stands out from the clutter around it."""
    area_mm2 = float((film.lesion_ids == lesion_id).sum()) * film.grid.pitch_mm**2
    return area_mm2 >= _MIN_AREA_MM2 and picture.conspicuity.get(lesion_id, 0.0) >= SEEN


def hand_mask(film: Film) -> NDArray[np.bool_]:
    """Where the regions of a hand are, at the film's pitch."""
    large = np.repeat(np.repeat(film.regions > 0, REGION_STEP, axis=0), REGION_STEP, axis=1)
    return large[: film.grid.rows, : film.grid.columns]


def _lesion_sample(film: Film, picture: Picture, rng: np.random.Generator) -> LesionSample:
    mask = hand_mask(film)
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    margin = int(rng.uniform(2, 14) / film.grid.pitch_mm)
    y0, y1 = max(0, int(rows[0]) - margin), min(mask.shape[0], int(rows[-1]) + margin)
    x0, x1 = max(0, int(columns[0]) - margin), min(mask.shape[1], int(columns[-1]) + margin)
    box = (slice(y0, y1), slice(x0, x1))
    speaks = mask[box]
    change = int(rng.integers(-3, 4))  # the appliance's mask comes from a network
    if change:
        coarse = ndimage.binary_dilation if change > 0 else ndimage.binary_erosion
        speaks = np.repeat(np.repeat(coarse(speaks[::4, ::4], iterations=abs(change)), 4, 0), 4, 1)
        speaks = speaks[: y1 - y0, : x1 - x0]
    normal = prepare.normalise(picture.image[box], speaks)
    image, (dx, dy) = prepare.pad(normal, 32)
    bare = bits(film, picture)[box]
    label, _ = prepare.pad(bare.astype(np.float32), 32)
    cells = _to_cells(label.astype(np.uint8))
    ground = _ground(film)[box]
    soft, bone = normal[(ground == SOFT) & (bare == 0)], normal[(ground == OVER_BONE) & (bare == 0)]
    step = float(np.percentile(bone, _DENSE) - np.median(soft)) if bone.size and soft.size else 0.0
    padded, _ = prepare.pad(ground.astype(np.float32), 32)
    return LesionSample(
        image.astype(np.float16), cells, _places(cells, speaks, dx, dy), padded[::2, ::2].astype(np.uint8), step
    )


def _ground(film: Film) -> NDArray[np.uint8]:
    """Of each pixel: SOFT, OVER_BONE or 0 for air."""
    bone = film.maps.bone_mm > _BONE_MM
    tissue = film.maps.soft_mm > _SOFT_MM
    return np.where(tissue, np.where(bone, OVER_BONE, SOFT), 0).astype(np.uint8)


def _to_cells(label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One cell for 2 x 2 pixels: a bit is set where two or more of the four pixels have it."""
    rows, columns = label.shape[0] // 2, label.shape[1] // 2
    four = label.reshape(rows, 2, columns, 2).transpose(0, 2, 1, 3).reshape(rows, columns, 4)
    out = np.zeros((rows, columns), dtype=np.uint8)
    for bit in (CALCIFICATION, SESAMOID, METAL, IGNORE):
        out[((four & bit) > 0).sum(axis=2) >= 2] |= bit
    return out


def _places(cells: NDArray[np.uint8], hand: NDArray[np.bool_], dx: int, dy: int) -> NDArray[np.int32]:
    found: list[tuple[int, int, int]] = []
    for kind, bit in enumerate((CALCIFICATION, SESAMOID, METAL)):
        labelled, count = ndimage.label((cells & bit) > 0, structure=np.ones((3, 3)))
        for y, x in ndimage.center_of_mass(labelled > 0, labelled, range(1, min(count, 24) + 1)) if count else ():
            found.append((kind, int(2 * y), int(2 * x)))
    ys, xs = np.nonzero(hand[::40, ::40])
    found += [(3, int(40 * y) + dy, int(40 * x) + dx) for y, x in zip(ys, xs, strict=True)]
    return np.array(found, dtype=np.int32).reshape(-1, 3)


def save_lesions(folder: Path, seed: int, renders: int) -> None:
    """Makes the lesion samples of a seed, unless they are there."""
    target = folder / f"lesions_{seed:07d}.npz"
    if target.exists():
        return
    content: dict[str, NDArray[np.generic]] = {}
    for index, sample in enumerate(lesion_samples(seed, renders)):
        for part in fields(sample):
            content[f"{part.name}{index}"] = np.asarray(getattr(sample, part.name))
    _save(target, content)


def save_anatomy(folder: Path, seed: int, renders: int) -> None:
    """Makes the anatomy samples of a seed, unless they are there."""
    target = folder / f"anatomy_{seed:07d}.npz"
    if target.exists():
        return
    content: dict[str, NDArray[np.generic]] = {}
    for index, sample in enumerate(anatomy_samples(seed, renders)):
        content |= {f"image{index}": sample.image, "regions": sample.regions, "keypoints": sample.keypoints}
    _save(target, content)


def _save(target: Path, content: dict[str, NDArray[np.generic]]) -> None:
    part = target.with_suffix(".part")
    with part.open("wb") as stream:
        np.savez(stream, **content)  # type: ignore[arg-type]
    part.replace(target)
