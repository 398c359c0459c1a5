"""A model release as a folder: the manifest, and the files it vouches for.

What always holds: a `Bundle` exists only if every file named in the manifest is there with the hash named there, the
release asks for no newer application, and its tables are the ones this code knows. Preprocessing and thresholds come
from here: a threshold belongs to one version of one model. A site may move the two operating points as far as the
release allows, and no further; a release that states no bounds allows nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.detector import distal, prepare
from edge.errors import ModelError
from edge.types import REGIONS, Bounds, ModelId, OperatingPoints, Range

MANIFEST: Final = "manifest.json"
KEYPOINTS: Final = (
    "WRIST",
    *(f"MCP{d}" for d in range(1, 6)),
    "IP1",
    *(f"PIP{d}" for d in range(2, 6)),
    *(f"DIP{d}" for d in range(2, 6)),
    *(f"TIP{d}" for d in range(1, 6)),
)
"""The anatomy network's keypoints, in the order of its channels."""
REGION_CHANNELS: Final = ("background", *REGIONS)
LESION_CHANNELS: Final = ("calcification", "sesamoid", "metal", "certainty")
FIRST_LESION_CHANNELS: Final = LESION_CHANNELS[:3]
"""What releases before 0.2.0 have: there the calcification map is its own certainty. A fleet may go back to them."""

PartName = Literal["anatomy", "lesions", "distal"]

_Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _File(_Part):
    path: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class AnatomyInput(_Part):
    """How the anatomy network wants its picture."""

    long_side_px: Annotated[int, Field(ge=64, le=2048)]
    multiple: Annotated[int, Field(ge=1, le=256)]


class LesionInput(_Part):
    """How the lesion network wants its picture, and how many views of it are averaged."""

    mm_per_pixel: Annotated[float, Field(gt=0.02, lt=2)]
    multiple: Annotated[int, Field(ge=1, le=256)]
    views: Annotated[int, Field(ge=1, le=8)] = 1


class DistalInput(_Part):
    """How the distal network wants its patches."""

    mm_per_pixel: float
    rows: int
    columns: int
    joint_row: int


class Thresholds(_Part):
    """Where this release draws its lines.

    Attributes:
        possible: a lesion's score from which it is listed.
        definite: from which it is called definite.
        hand_confidence: the mean peak of a hand's keypoints from which it is a hand.
        outline: the probability at which a body's outline runs.
        sesamoid: from which a body is called a sesamoid.
        metal: from which a body is called metal.
        keypoint: a keypoint's peak from which it is visible.
    """

    possible: _Share
    definite: _Share
    hand_confidence: _Share
    outline: _Share = 0.5
    sesamoid: _Share = 0.5
    metal: _Share = 0.5
    keypoint: _Share = 0.25


class _Range(_Part):
    least: _Share
    greatest: _Share


class _Bounds(_Part):
    possible: _Range
    definite: _Range


class _Normalisation(_Part):
    low_percentile: float
    high_percentile: float
    clip: tuple[float, float]


class _Preprocessing(_Part):
    normalisation: _Normalisation
    anatomy: AnatomyInput
    lesions: LesionInput
    distal: DistalInput | None = None


class _Files(_Part):
    anatomy: _File
    lesions: _File
    distal: _File | None = None


class _Golden(_Part):
    path: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Manifest(_Part):
    schema_: Annotated[Literal[1], Field(alias="schema")]
    name: Annotated[str, Field(min_length=1, max_length=64)]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    least_application: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    files: _Files
    preprocessing: _Preprocessing
    keypoints: tuple[str, ...]
    regions: tuple[str, ...]
    lesion_channels: tuple[str, ...]
    thresholds: Thresholds
    bounds: _Bounds | None = None
    golden: tuple[_Golden, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified release."""

    folder: Path
    model: ModelId
    networks: Mapping[PartName, bytes]
    """The ONNX graphs, as they were hashed: no file is read a second time. A release may come without `distal`."""
    anatomy: AnatomyInput
    lesions: LesionInput
    lesion_channels: tuple[str, ...]
    thresholds: Thresholds
    bounds: Bounds | None
    """None: a site moves nothing."""
    golden: tuple[Path, ...]
    """DICOM files whose results are known."""

    def at(self, points: OperatingPoints | None) -> Bundle:
        """The release at a site's operating points; as it is without them, and where it doesn't allow them."""
        if points is None or self.bounds is None or not self.bounds.allow(points):
            return self
        own = OperatingPoints(self.thresholds.possible, self.thresholds.definite)
        if points == own:
            return self
        moved = {"possible": points.possible, "definite": points.definite}
        return replace(
            self,
            model=replace(
                self.model,
                possible_threshold=points.possible,
                definite_threshold=points.definite,
                moved_from=own,
            ),
            thresholds=self.thresholds.model_copy(update=moved),
        )


def load(folder: Path) -> Bundle:
    """Reads and verifies a release.

    Raises:
        ModelError: if anything is missing, differs from its hash, is newer than this application, or unknown to it.
    """
    raw = _read(folder / MANIFEST)
    try:
        manifest = _Manifest.model_validate(json.loads(raw))
    except (ValueError, ValidationError) as error:
        raise ModelError("the manifest can't be read") from error
    _check_tables(manifest)
    _check_application(manifest)
    return Bundle(
        folder=folder,
        model=ModelId(
            manifest.name,
            manifest.version,
            hashlib.sha256(raw).hexdigest(),
            manifest.thresholds.possible,
            manifest.thresholds.definite,
        ),
        networks=_networks(folder, manifest.files),
        anatomy=manifest.preprocessing.anatomy,
        lesions=manifest.preprocessing.lesions,
        lesion_channels=manifest.lesion_channels,
        thresholds=manifest.thresholds,
        bounds=_bounds(manifest.bounds),
        golden=tuple(_golden(folder, entry) for entry in manifest.golden),
    )


def _bounds(stated: _Bounds | None) -> Bounds | None:
    if stated is None:
        return None
    ranges = [Range(one.least, one.greatest) for one in (stated.possible, stated.definite)]
    if any(one.least > one.greatest for one in ranges):
        raise ModelError("a bound for the thresholds lies above the other")
    return Bounds(*ranges)


def _networks(folder: Path, files: _Files) -> dict[PartName, bytes]:
    networks: dict[PartName, bytes] = {
        "anatomy": _verified(folder, files.anatomy),
        "lesions": _verified(folder, files.lesions),
    }
    return networks if files.distal is None else {**networks, "distal": _verified(folder, files.distal)}


def _check_tables(manifest: _Manifest) -> None:
    tables: dict[str, tuple[Any, Any]] = {
        "keypoints": (manifest.keypoints, KEYPOINTS),
        "regions": (manifest.regions, REGION_CHANNELS),
        "lesion channels": (
            manifest.lesion_channels,
            LESION_CHANNELS[: max(len(FIRST_LESION_CHANNELS), len(manifest.lesion_channels))],
        ),
        "normalisation": (
            manifest.preprocessing.normalisation,
            _Normalisation(
                low_percentile=prepare.LOW_PERCENTILE, high_percentile=prepare.HIGH_PERCENTILE, clip=prepare.CLIP
            ),
        ),
    }
    if manifest.files.distal is not None:
        known_cut = DistalInput(
            mm_per_pixel=distal.MM_PER_PIXEL, rows=distal.ROWS, columns=distal.COLUMNS, joint_row=distal.JOINT_ROW
        )
        tables["patches of the fingertips"] = manifest.preprocessing.distal, known_cut
    for name, (stated, known) in tables.items():
        if stated != known:
            raise ModelError(f"the release has other {name} than this application")
    if manifest.thresholds.possible > manifest.thresholds.definite:
        raise ModelError("the possible threshold lies above the definite one")


def _check_application(manifest: _Manifest) -> None:
    here = tuple(int(part) for part in version("calcedge").split(".")[:3])
    if here < tuple(int(part) for part in manifest.least_application.split(".")):
        raise ModelError(f"the release needs calcedge {manifest.least_application} or newer")


def _golden(folder: Path, entry: _Golden) -> Path:
    _verified(folder, entry)
    return folder / entry.path


def _verified(folder: Path, entry: _File | _Golden) -> bytes:
    path = folder / entry.path
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ModelError("the manifest names a file outside the release")
    content = _read(path)
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise ModelError(f"{entry.path} is not the file that was released")
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path.name} can't be read") from error
