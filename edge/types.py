"""The values that pass between the rooms of the house. Frozen, without I/O.

What always holds:

- `Analysis` is `Findings` or `NotAnalysed`: two types, so that a failure can't be mistaken for a clean film.
- Coordinates are pixels of the received image: x = column, y = row, pixel centres at whole numbers.
- Lengths are millimetres and areas square millimetres in the plane stated by `ImageFacts.spacing_source`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from edge.errors import Reason

Outcome = Literal["findings", "no_findings", "not_analysed"]
Side = Literal["L", "R", "U"]
"""Left, right, or undetermined."""
Certainty = Literal["possible", "definite", "below"]
"""`below`: under the *possible* threshold; listed only when all scores are asked for."""
LesionType = Literal["stone", "plate", "net", "amorphous"]
Distribution = Literal["single", "cluster"]
SpacingSource = Literal["PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "estimated", "unknown"]
Severity = Literal["note", "warning"]

DIGITS: Final = (1, 2, 3, 4, 5)
REGIONS: Final = (
    *(f"DP{d}" for d in DIGITS),
    *(f"MP{d}" for d in DIGITS[1:]),
    *(f"PP{d}" for d in DIGITS),
    *(f"MC{d}" for d in DIGITS),
    "CARPUS",
)
"""The 20 regions of a hand; the thumb has no middle phalanx."""
JOINTS: Final = (
    "IP1",
    *(f"DIP{d}" for d in DIGITS[1:]),
    *(f"PIP{d}" for d in DIGITS[1:]),
    *(f"MCP{d}" for d in DIGITS),
)
TUFTS: Final = tuple(f"DP{d}" for d in DIGITS)

Point = tuple[float, float]
BBox = tuple[int, int, int, int]
"""x0, y0, x1, y1, inclusive."""


@dataclass(frozen=True, slots=True)
class OperatingPoints:
    """The scores from which a lesion is listed, and from which it is called definite."""

    possible: float
    definite: float


@dataclass(frozen=True, slots=True)
class Range:
    """From the least to the greatest, both included."""

    least: float
    greatest: float

    def holds(self, value: float) -> bool:
        """Whether a value lies within."""
        return self.least <= value <= self.greatest


@dataclass(frozen=True, slots=True)
class Bounds:
    """Within which a release lets a site move its operating points."""

    possible: Range
    definite: Range

    def allow(self, points: OperatingPoints) -> bool:
        """Whether a site may use these points."""
        within = self.possible.holds(points.possible) and self.definite.holds(points.definite)
        return within and points.possible <= points.definite


@dataclass(frozen=True, slots=True)
class ModelId:
    """Which model said it, and at which operating points."""

    name: str
    version: str
    sha256: str
    possible_threshold: float | None = None
    """The score from which a lesion is listed; belongs to this model version."""
    definite_threshold: float | None = None
    moved_from: OperatingPoints | None = None
    """The release's own points, where the site has moved them; absent where they are in use."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What was looked at. `mm_per_pixel` is None only when the spacing is unknown and could not be estimated."""

    rows: int
    columns: int
    mm_per_pixel: float | None = None
    spacing_source: SpacingSource = "unknown"


@dataclass(frozen=True, slots=True)
class QualityNote:
    """Something about the picture that a technician can act on; not a refusal."""

    code: str
    severity: Severity
    text: str


@dataclass(frozen=True, slots=True)
class Joint:
    """A joint's centre and, where it was measured, its space (mm) and narrowing grade (0 to 3), *suspected*."""

    x: float
    y: float
    space_mm: float | None = None
    narrowing_grade: int | None = None


@dataclass(frozen=True, slots=True)
class Tuft:
    """The tip of a distal phalanx and, where it was graded, its suspected acro-osteolysis (0 to 4)."""

    x: float
    y: float
    osteolysis_grade: int | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class RegionBurden:
    """Calcification in one region. `burden` = 100 x calcified / soft tissue x density_grade / 3."""

    calcified_mm2: float
    soft_tissue_mm2: float
    density_grade: int
    burden: float


@dataclass(frozen=True, slots=True)
class Hand:
    """One hand of the film. `burden_index` (0 to 2000) is calcedge's own index, equal to no published score."""

    side: Side
    bbox: BBox
    burden_index: float
    regions: Mapping[str, RegionBurden]
    joints: Mapping[str, Joint]
    tufts: Mapping[str, Tuft]


@dataclass(frozen=True, slots=True)
class Lesion:
    """One body or cluster of bodies at or above the *possible* threshold. `hand` indexes `Findings.hands`."""

    id: int
    hand: int
    region: str
    score: float
    certainty: Certainty
    polygon: tuple[Point, ...]
    bbox: BBox
    area_mm2: float
    long_axis_mm: float
    density_grade: int
    type: LesionType
    distribution: Distribution
    bodies: int


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something dense that is known to be normal or foreign: named, not counted."""

    kind: str
    region: str
    bbox: BBox
    score: float


@dataclass(frozen=True, slots=True)
class Findings:
    """The film was analysed. An empty `lesions` means that nothing exceeded the threshold, not that none is there."""

    source: str
    sop_instance_uid: str
    model: ModelId
    image: ImageFacts
    quality: tuple[QualityNote, ...]
    hands: tuple[Hand, ...]
    lesions: tuple[Lesion, ...]
    ignored: tuple[Ignored, ...]
    timing_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """`findings` when there is a lesion at or above the *possible* threshold."""
        return "findings" if any(lesion.certainty != "below" for lesion in self.lesions) else "no_findings"


@dataclass(frozen=True, slots=True)
class NotAnalysed:
    """The film was not analysed, and why. Never shown, sent or logged as a clean result."""

    source: str
    reason: Reason
    sop_instance_uid: str | None = None
    model: ModelId | None = None
    image: ImageFacts | None = None
    quality: tuple[QualityNote, ...] = ()
    timing_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """Always `not_analysed`."""
        return "not_analysed"


Analysis = Findings | NotAnalysed


@dataclass(frozen=True, slots=True)
class Analysed:
    """What the detector hands on: the analysis, and the film as a PNG (8 bit grey, bright = dense, full size).

    The picture is None when the pixels could not be decoded.
    """

    analysis: Analysis
    picture_png: bytes | None


ReportKind = Literal["structured-report", "overlay", "segmentation", "presentation-state", "key-object"]


@dataclass(frozen=True, slots=True)
class ReportObject:
    """One DICOM object made from an analysis, already read back and compared with its source."""

    kind: ReportKind
    sop_class_uid: str
    sop_instance_uid: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Identity:
    """Who and what an image is: copied from its header as received, empty where the header is silent.

    Text is decoded by the header's own character set. Patient data: stays in the store and in DICOM objects.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient_id: str
    patient_name: str
    patient_birth_date: str
    patient_sex: str
    accession_number: str


@dataclass(frozen=True, slots=True)
class Technique:
    """What the header says of the exposure; None where it is silent."""

    kvp: float | None = None
    tube_current_ma: float | None = None
    exposure_time_ms: float | None = None
    exposure_mas: float | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What admission read from one DICOM object. `acquired` is local time as the unit wrote it, ISO 8601 or None."""

    identity: Identity
    transfer_syntax_uid: str
    modality: str
    rows: int
    columns: int
    body_part: str
    laterality: str
    view_position: str
    station_name: str
    device_serial: str
    acquired: str | None
    technique: Technique
