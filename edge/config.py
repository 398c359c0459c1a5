"""The appliance's configuration: one TOML file, checked whole before anything starts.

Everything has a default, so that `calcedge run` works without a file. By default nothing listens beyond this
machine: a site opens what it needs.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge import siteparts
from edge.errors import ConfigError

DEFAULT_RELEASE: Final = Path(__file__).resolve().parent.parent / "models" / "releases" / "hand-calcinosis-0.4.0"

Title = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[\x21-\x5b\x5d-\x7e][\x20-\x5b\x5d-\x7e]*$")]
"""A DICOM application entity title, PS3.5 section 6.2."""
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
Port = Annotated[int, Field(ge=1, le=65535)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Device(_Part):
    """Who this appliance is, in its reports."""

    serial: str = "unregistered"


class Serial(_Part):
    """The link to the X-ray unit. Without a port the appliance runs on images alone."""

    port: str | None = None


class Tls(_Part):
    """Whom this appliance proves to be and whom it believes, in both directions: PEM files (BCP 195)."""

    certificate: Path
    """Our certificate, with the chain below its authority."""
    key: Path
    authorities: Path
    """Who signs the peers' certificates. A peer without one from here is not spoken to."""
    minimum: Literal["1.2", "1.3"] = "1.2"


def _network(value: str) -> str:
    ipaddress.ip_network(value, strict=False)
    return value


class Peer(_Part):
    """Somebody who may send images: a title, and where it must come from."""

    title: Title
    address: Annotated[str, AfterValidator(_network)] | None = None
    """An address or a network (`10.0.0.0/24`); any when absent."""


class Bridge(_Part):
    """How the bridge takes part in the serial link: docs/serial-link.md, docs/spellman.md."""

    mode: Literal["session", "listen", "poll"] = "session"
    """`listen` opens the port for reading only; `poll` asks a generator by a list of read requests."""
    profile: Literal["own", "spellman-pmx", "spellman-xrv"] = "own"
    device_id: Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[\x21-\x7e]+$")] | None = None
    """The unit that belongs on this port. Another one is named, and its exposures are matched to no image. A
    generator that is polled can't say who it is and is called by this name."""
    baud: Literal[9600, 19200, 38400, 57600, 115200] | None = None
    """The line's speed, where it is not the profile's own."""
    last_kv_per_count: Annotated[float, Field(gt=0, lt=100 / 4095)] | None = None
    """PMX: kilovolts for each count of command 60, as measured on this unit. None: the programmed kV is told."""

    @model_validator(mode="after")
    def _goes_together(self) -> Bridge:
        if (self.mode == "poll") != (self.profile != "own"):
            raise ValueError(f"mode {self.mode} does not go with profile {self.profile}")
        if self.last_kv_per_count is not None and self.profile != "spellman-pmx":
            raise ValueError("last_kv_per_count belongs to profile spellman-pmx")
        return self


class Dicom(_Part):
    """The DICOM node that receives images."""

    title: Title = "CALCEDGE"
    host: str = "127.0.0.1"
    port: Port = 11112
    max_associations: Annotated[int, Field(ge=1, le=100)] = 16
    idle_s: Annotated[float, Field(gt=0)] = 60.0
    """An association on which nothing arrives for so long is closed."""
    tls: bool = False
    peers: tuple[Peer, ...] = ()
    """Who may send. Everybody, when nobody is named."""
    check_called_title: bool | None = None
    """Whether senders must call us by our title. When absent: as soon as `peers` are named."""


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


class WebTls(_Part):
    """The page over TLS, for tablets on the clinic's network, beside the plain one for this machine's own screen."""

    host: str
    """The address to listen at: this section opens the page to the network, so it must be named."""
    port: Port = 8443
    names: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")], ...] = ()
    """The names and addresses that tablets call this machine by, besides its host name."""
    certificate: Path | None = None
    """With the chain below its authority. Without one the box uses what the admin brought on the page, or its own."""
    key: Path | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> WebTls:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        return self


class Web(_Part):
    """The technician's page."""

    host: str = "127.0.0.1"
    port: Port = 8080
    tls: WebTls | None = None
    kiosk: tuple[str, ...] = ("127.0.0.1", "::1")
    """From which addresses a PIN is enough. Empty where a proxy stands before the page: it looks like the kiosk."""

    @model_validator(mode="after")
    def _plain_stays_here(self) -> Web:
        if self.tls is not None and self.host not in LOOPBACK:
            raise ValueError("with [web.tls] the plain page is for this machine alone: leave host away")
        return self


class Fleet(_Part):
    """Remote updates. Without a repository this appliance is never changed from outside."""

    device: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,63}$")] | None = None
    """Who this box is to the fleet's admin. Never a person's name."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")] = "default"
    """The fleet."""
    cohorts: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")], ...] = ()
    """Groups that a rollout can name, such as `lab`."""
    repositories: tuple[str, ...] = ()
    """Addresses of the same repository: `https://`, or `file://` for a USB stick. Whichever answers is verified."""
    trust: Path | None = None
    """The first root of trust, `1.root.json`, that came with the box."""
    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None
    broker: str | None = None
    """Where status goes: `mqtts://host:8883`, `mqtt://host:1883`, or a folder, `file:///path`."""
    poll_s: Annotated[int, Field(ge=1)] = 900
    daily_mb: Annotated[int, Field(ge=1)] = 500
    """How many megabytes of updates may be loaded in a day."""
    root: Path | None = None
    """Where updates and their state lie; `fleet` beside the store by default."""


class FolderDestination(_Part):
    """A folder that receives objects as files: a USB drive, a network share, a hand-over folder."""

    type: Literal["folder"] = "folder"
    name: str
    path: Path
    originals: bool = True
    """Whether the received images go there too, or only what was made from them."""
    fhir: bool = False
    """Whether the FHIR bundle of each analysis goes there too."""


class DicomNode(_Part):
    """A DICOM node that we call."""

    title: Title
    host: str
    port: Port = 104
    calling_title: Title = "CALCEDGE"
    tls: bool = False
    tls_name: str | None = None
    """The name in the node's certificate; `host` when absent."""
    timeout_s: Annotated[float, Field(gt=0)] = 60.0
    """How long an answer is waited for."""


class DicomDestination(DicomNode):
    """A DICOM archive."""

    type: Literal["dicom"] = "dicom"
    name: str
    originals: bool = True
    confirm: bool = True
    """Whether the archive is asked (C-FIND) if it shows what it took."""
    commitment: bool = False
    """Whether the archive is asked to commit to what it took. It must know our title, address and port; where it has
    no commitment, or doesn't answer within `commitment_wait_s`, it is asked by C-FIND."""
    commitment_wait_s: Annotated[float, Field(gt=0)] = 60.0


class WebService(_Part):
    """An HTTP service that we call."""

    name: str
    url: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")]
    """The service's base."""
    tls: bool = False
    """Whether the `[tls]` section's certificate and authorities are used; otherwise the machine's authorities."""
    token_file: Path | None = None
    """A file with a bearer token (RFC 6750), read at each request."""
    timeout_s: Annotated[float, Field(gt=0)] = 60.0
    confirm: bool = True
    """Whether the service is asked if it shows what it took."""


class DicomWebDestination(WebService):
    """An archive that speaks DICOMweb: STOW-RS to send, QIDO-RS to see whether it has what it took."""

    type: Literal["dicomweb"] = "dicomweb"
    originals: bool = True


class FhirDestination(WebService):
    """A FHIR R4 server: it gets the DiagnosticReport with its Observations, as one Bundle, and no DICOM object."""

    type: Literal["fhir"] = "fhir"
    originals: Literal[False] = False


AnyDestination = FolderDestination | DicomDestination | DicomWebDestination | FhirDestination
Destination = Annotated[AnyDestination, Field(discriminator="type")]


class Worklist(DicomNode):
    """The clinic's modality worklist: orders for this unit, kept so that they can be picked without a network."""

    every_s: Annotated[float, Field(gt=0)] = 60.0
    station_title: Title | None = None
    """Only orders scheduled for this title; those of every station when absent."""
    modalities: tuple[str, ...] = ("CR", "DX")
    """Only orders of these modalities; of every one when empty."""
    days_back: Annotated[int, Field(ge=0)] = 1
    days_ahead: Annotated[int, Field(ge=0)] = 1


class PerformedSteps(DicomNode):
    """Where the clinic's system is told what was done for an order (MPPS)."""


def _default_data() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "calcedge"


class Config(_Part):
    """The whole configuration."""

    data: Path = Field(default_factory=_default_data)
    run: Path | None = None
    """Where processes publish what they do, each second; `run` beside the store by default. A folder in memory spares
    the disk."""
    device: Device = Device()
    serial: Serial = Serial()
    bridge: Bridge = Bridge()
    dicom: Dicom = Dicom()
    intake: Intake = Intake()
    analysis: Analysis = Analysis()
    web: Web = Web()
    fleet: Fleet = Fleet()
    destinations: tuple[Destination, ...] = ()
    tls: Tls | None = None
    worklist: Worklist | None = None
    mpps: PerformedSteps | None = None

    @model_validator(mode="after")
    def _tls_is_described(self) -> Config:
        web = [d for d in self.destinations if isinstance(d, DicomDestination | WebService)]
        if self.tls is None and any(part.tls for part in (self.dicom, self.worklist, self.mpps, *web) if part):
            raise ValueError("something uses TLS, but there is no [tls] section")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Config:
        names = [destination.name for destination in self.destinations]
        if len(set(names)) != len(names):
            raise ValueError("two destinations have the same name")
        return self

    def deliver_to(self) -> tuple[AnyDestination, ...]:
        """The destinations; without any, the folder `outbox` beside the store."""
        return self.destinations or (FolderDestination(name="folder", path=self.data / "outbox"),)

    @property
    def fleet_root(self) -> Path:
        """Where updates and their durable state lie."""
        return self.fleet.root or self.data / "fleet"

    @property
    def run_folder(self) -> Path:
        """Where processes publish what they do; lost at a reboot, or old after it."""
        return self.run or self.data / "run"


def load(path: Path | None, data: Path | None = None) -> Config:
    """Reads the configuration; without a `path` the file that `CALCEDGE_CONFIG` names; without both, defaults.

    `data` takes the place of the configured folder of the store. What the site's admin set on the page
    (`edge.siteparts`) takes the place of the same parts of the file.

    Raises:
        ConfigError: naming the place and what is wrong with it.
    """
    named = os.environ.get("CALCEDGE_CONFIG")
    path = path or (Path(named) if named else None)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
        if data:
            values["data"] = data
        config = Config.model_validate(values)
        parts = siteparts.read(config.data)
        return Config.model_validate(values | parts) if parts else config
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{path}: {places}") from error
    except (OSError, ValueError, RecursionError) as error:  # not TOML, not JSON, not text, or brackets without end
        raise ConfigError(f"{path}: {error}") from error
