"""What is kept of one film: its truth, every scored body, and the analysis as it is shown. Plain values, as JSON.

A listing depends on the networks alone and serves every threshold; what is shown depends on the release's thresholds.
Both are kept in a folder named after everything that they depend on, so that a second run computes only what changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from edge.types import Point
from models.evaluation.marks import Mark, Scored, scored
from models.evaluation.truth import TrueFilm, TrueLesion

_ROOT: Final = Path(__file__).resolve().parents[2]
_SOURCES: Final = (
    "edge/detector",
    "models/phantom",
    *(
        f"models/evaluation/{name}"
        for name in (
            "appliance.py",
            "beneath.py",
            "eyes.py",
            "inserted.py",
            "marks.py",
            "nonsense.py",
            "observe.py",
            "phantoms.py",
            "real.py",
            "real_hand_joints.json",
            "truth.py",
            "voxels.py",
        )
    ),
)
"""What a film goes through on its way to a record."""
_OPERATING: Final = ("possible", "definite", "hand_confidence")


@dataclass(frozen=True, slots=True)
class Listing:
    """Every body that the release lists on a film when asked for all scores, one by one.

    Attributes:
        truth: of the film.
        code: why it was not analysed; empty if it was.
        confidence: how sure the anatomy network is of the likeliest hand.
        marks: the bodies.
        clean: scores of the bodies on the same film before lesions were put in; empty for others.
    """

    truth: TrueFilm
    code: str
    confidence: float
    marks: tuple[Mark, ...]
    clean: tuple[float, ...] = ()

    @property
    def wanted(self) -> tuple[TrueLesion, ...]:
        """The lesions that are asked for."""
        return tuple(lesion for lesion in self.truth.lesions if lesion.visible)

    @property
    def scored(self) -> Scored:
        """Marks against truth. With lesions put in, the false marks are those of the untouched film."""
        found = scored(self.marks, (lesion.number for lesion in self.wanted))
        inserted = self.truth.group.startswith("inserted")
        return Scored(found.lesions, self.clean) if inserted else found


@dataclass(frozen=True, slots=True)
class ShownHand:
    """One hand of the analysis. `true_hand`: which hand of the truth it is, -1 if none."""

    true_hand: int
    side: str
    burden_index: float
    calcified_mm2: float
    keypoints: Mapping[str, Point]
    spaces: Mapping[str, float]
    narrowing: Mapping[str, int]
    tufts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Shown:
    """The analysis at the release's own thresholds.

    Attributes:
        truth: of the film.
        code: why it was not analysed; empty if it was.
        marks: lesions listed at or above *possible*, clustered.
        quality: codes of the notes.
        ignored: kinds of what was named and not counted.
    """

    truth: TrueFilm
    code: str
    mm_per_pixel: float
    hands: tuple[ShownHand, ...]
    marks: tuple[Mark, ...]
    quality: tuple[str, ...]
    ignored: tuple[str, ...]


LISTING: Final = TypeAdapter(Listing)
SHOWN: Final = TypeAdapter(Shown)


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of records."""

    folder: Path

    def get(self, adapter: TypeAdapter[Any], name: str) -> Any:
        """A record that is kept."""
        return adapter.validate_json(self._path(name).read_bytes())

    def has(self, name: str) -> bool:
        """Whether a record is kept."""
        return self._path(name).is_file()

    def put(self, adapter: TypeAdapter[Any], name: str, record: object) -> None:
        """Keeps a record."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(name)
        part = path.with_suffix(".part")
        part.write_bytes(adapter.dump_json(record))
        part.replace(path)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name.replace(' ', '-').replace('/', '_')}.json"


def listings_of(cache: Path, release: Path) -> Store:
    """Where a release's listings lie: by its networks and by the code that they go through."""
    return Store(cache / "listings" / _fingerprint(release))


def shown_of(cache: Path, release: Path, thresholds: Mapping[str, float]) -> Store:
    """Where a release's analyses at given thresholds lie."""
    own = hashlib.sha256(json.dumps(dict(sorted(thresholds.items()))).encode()).hexdigest()[:8]
    return Store(cache / "shown" / f"{_fingerprint(release)}-{own}")


def _fingerprint(release: Path) -> str:
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    thresholds = {k: v for k, v in manifest["thresholds"].items() if k not in _OPERATING}
    parts = [manifest["files"], manifest["preprocessing"], thresholds, _code()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _code() -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in _modules()]


def _modules() -> Iterable[Path]:
    for source in _SOURCES:
        path = _ROOT / source
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.is_file() else []
