"""The appliance's configuration: one TOML file, checked whole before anything starts.

Everything has a default, so that `calcedge run` works without a file. By default nothing listens beyond this
machine: a site opens what it needs.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.errors import ConfigError

DEFAULT_RELEASE: Final = Path(__file__).resolve().parent.parent / "models" / "releases" / "hand-calcinosis-0.1.0"

Title = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[\x21-\x5b\x5d-\x7e][\x20-\x5b\x5d-\x7e]*$")]
"""A DICOM application entity title, PS3.5 section 6.2."""
Port = Annotated[int, Field(ge=1, le=65535)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Device(_Part):
    """Who this appliance is, in its reports."""

    serial: str = "unregistered"


class Serial(_Part):
    """The link to the X-ray unit. Without a port the appliance runs on images alone."""

    port: str | None = None


class Dicom(_Part):
    """The DICOM node that receives images."""

    title: Title = "CALCEDGE"
    host: str = "127.0.0.1"
    port: Port = 11112
    max_associations: Annotated[int, Field(ge=1, le=100)] = 16


class Intake(_Part):
    """What is taken in besides DICOM associations, and when to stop."""

    folder: Path | None = None
    reserve_mb: Annotated[int, Field(ge=0)] = 500
    """Intake is refused while less than this is free on the disk. Delivery goes on."""


class Analysis(_Part):
    """The detector."""

    release: Path = DEFAULT_RELEASE
    deadline_s: Annotated[float, Field(gt=0)] = 30.0
    threads: Annotated[int, Field(ge=1)] | None = None


class Web(_Part):
    """The technician's page."""

    host: str = "127.0.0.1"
    port: Port = 8080


class FolderDestination(_Part):
    """A folder that receives objects as files: a USB drive, a network share, a hand-over folder."""

    type: Literal["folder"] = "folder"
    name: str
    path: Path
    originals: bool = True
    """Whether the received images go there too, or only what was made from them."""


class DicomDestination(_Part):
    """A DICOM archive."""

    type: Literal["dicom"] = "dicom"
    name: str
    title: Title
    host: str
    port: Port = 104
    calling_title: Title = "CALCEDGE"
    originals: bool = True
    confirm: bool = True
    """Whether the archive is asked (C-FIND) if it shows what it took."""


Destination = Annotated[FolderDestination | DicomDestination, Field(discriminator="type")]


def _default_data() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "calcedge"


class Config(_Part):
    """The whole configuration."""

    data: Path = Field(default_factory=_default_data)
    device: Device = Device()
    serial: Serial = Serial()
    dicom: Dicom = Dicom()
    intake: Intake = Intake()
    analysis: Analysis = Analysis()
    web: Web = Web()
    destinations: tuple[Destination, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Config:
        names = [destination.name for destination in self.destinations]
        if len(set(names)) != len(names):
            raise ValueError("two destinations have the same name")
        return self

    def deliver_to(self) -> tuple[FolderDestination | DicomDestination, ...]:
        """The destinations; without any, the folder `outbox` beside the store."""
        return self.destinations or (FolderDestination(name="folder", path=self.data / "outbox"),)

    @property
    def run_folder(self) -> Path:
        """Where processes publish what they do; lost at a reboot, or old after it."""
        return self.data / "run"


def load(path: Path | None) -> Config:
    """Reads the configuration; defaults when `path` is None.

    Raises:
        ConfigError: naming the place and what is wrong with it.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
        return Config.model_validate(values)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{path}: {places}") from error
