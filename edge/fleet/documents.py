"""The two signed documents: what a release is (`releases` signs it), and who runs which one now (`rollouts` signs it).

Both are read strictly: an unknown field is refused, so that an old box never ignores a condition it doesn't know.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from edge.fleet.slots import FACTORY, Kind

RELEASE_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


def _not_factory(name: str) -> str:
    if name == FACTORY:
        raise ValueError("this name stands for what came with the box")
    return name


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or not re.fullmatch(r"[A-Za-z0-9._/+-]+", path):
        raise ValueError("not a plain path inside the release")
    return path


Release = Annotated[str, Field(pattern=RELEASE_PATTERN), AfterValidator(_not_factory)]
"""A release's name."""
Wanted = Annotated[str, Field(pattern=RELEASE_PATTERN)]
"""What a rollout asks for: a release, or `factory`."""
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
InsidePath = Annotated[str, Field(max_length=200), AfterValidator(_inside)]
Percent = Annotated[float, Field(ge=0, le=100)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Blob(_Part):
    """Bytes that are downloaded once, whoever needs them: `releases/blobs/<sha256>`."""

    path: InsidePath
    """For a model, where the file lies in its bundle; for an application, the wheel's file name."""
    sha256: Digest
    length: Annotated[int, Field(gt=0, le=2_000_000_000)]


class Needs(_Part):
    """What a box must have."""

    memory_mb: Annotated[int, Field(gt=0)] = 2048
    """The most private memory that one process may take; enforced before and during the trial."""
    application: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")] = "0.0.0"
    """A model's least application version."""


class Manifest(_Part):
    """One release. Nothing outside `blobs` belongs to it: a box resolves nothing."""

    schema_: Annotated[Literal[1], Field(alias="schema")] = 1
    kind: Kind
    release: Release
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+")]
    """What the application or the model calls itself."""
    epoch: Annotated[int, Field(ge=0)]
    """Counts up with security-relevant changes: the floor of a box is one of these."""
    hardware: Annotated[tuple[str, ...], Field(min_length=1)]
    """Machine names as `uname -m` says them, or `any`."""
    python: str = "any"
    """`cp311`, or `any`."""
    entry: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_.]*$")] = "edge"
    """An application's module: `python -m entry`."""
    pulses: tuple[Annotated[str, Field(pattern=r"^[a-z]+$")], ...] = ("bridge", "dicom", "analyze", "web")
    """The processes of an application that must show life in the run folder."""
    needs: Needs = Needs()
    blobs: Annotated[tuple[Blob, ...], Field(min_length=1)]

    @property
    def size(self) -> int:
        """Bytes of all blobs."""
        return sum({blob.sha256: blob.length for blob in self.blobs}.values())


class Rule(_Part):
    """Which boxes run which release. The first rule that fits a box decides."""

    cohort: str = "*"
    release: Wanted
    percent: Percent = 100
    seed: str = ""
    """Another seed, other boxes first."""
    not_before: AwareDatetime | None = None
    window: Annotated[str, Field(pattern=r"^\d\d:\d\d-\d\d:\d\d$")] | None = None
    """The local hours in which the release is activated. Downloads don't wait."""
    idle_s: Annotated[int, Field(ge=0)] = 600
    """How long no exposure and no image must have come."""
    least_battery_percent: Annotated[int, Field(ge=0, le=100)] = 40


class Channel(_Part):
    """What one kind of release is rolled out to."""

    rollout: str = ""
    """The rollout's name, for reports."""
    default: Wanted | None = None
    """For boxes that fit no rule; None leaves them as they are."""
    rules: tuple[Rule, ...] = ()
    pins: dict[str, Wanted] = {}
    paused: bool = False
    floor_epoch: Annotated[int, Field(ge=0)] = 0


class Rollout(_Part):
    """Who runs what now, for one fleet."""

    schema_: Annotated[Literal[1], Field(alias="schema")] = 1
    fleet: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    serial: Annotated[int, Field(ge=1)]
    channels: dict[Kind, Channel] = {}


def dump(document: BaseModel) -> bytes:
    """A document as it is signed."""
    return document.model_dump_json(by_alias=True, indent=1, exclude_defaults=False).encode() + b"\n"
