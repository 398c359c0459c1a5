"""An appliance for the page's tests: a real store filled through the real flow, and parts that speak when told to."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image as Pixels
from PIL import ImageDraw
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from edge.clock import Stamp, SystemClock
from edge.config import Config
from edge.errors import reason
from edge.flow import Flow
from edge.people.register import Register
from edge.people.roles import Role
from edge.people.secrets import Hasher
from edge.runtime import RunFolder
from edge.store import Store, events, exposures, images
from edge.store.images import Image
from edge.store.objects import Digest
from edge.types import (
    Analysed,
    Analysis,
    Bounds,
    Certainty,
    Findings,
    Hand,
    Header,
    Identity,
    Ignored,
    ImageFacts,
    Joint,
    Lesion,
    ModelId,
    NotAnalysed,
    OperatingPoints,
    QualityNote,
    Range,
    RegionBurden,
    ReportObject,
    Technique,
    Tuft,
)
from edge.web.access import COOKIE
from edge.web.app import create_app

HASHER = Hasher(passes=1, memory_kib=64)
"""Quick: what is tested is the rules."""
PASSWORD = "correct horse battery"
PIN = "482913"
MODEL = ModelId("hand-calcinosis", "0.1.0", "ab" * 32)
OWN = OperatingPoints(0.8487, 0.9233)
"""The model's own thresholds, as its process tells them."""
BOUNDS = Bounds(Range(0.7, 0.93), Range(0.83, 0.96))
FACTS = ImageFacts(1000, 800, 0.15, "ImagerPixelSpacing")


class TestClock:
    """The machine's clock, moved by hand where a test wants to."""

    __test__ = False

    def __init__(self) -> None:
        self._real = SystemClock()
        self.ahead_s = 0.0

    def now(self) -> Stamp:
        """This moment."""
        stamp = self._real.now()
        return replace(stamp, monotonic_ns=stamp.monotonic_ns + int(self.ahead_s * 1e9))

    def monotonic_s(self) -> float:
        """Seconds since boot."""
        return self._real.monotonic_s() + self.ahead_s


class StillClock(TestClock):
    """A clock that stands, so that what the parts have said stays fresh until a test moves it."""

    def __init__(self) -> None:
        super().__init__()
        self._stands = self._real.now()

    def now(self) -> Stamp:
        """The moment it was made, and what it was moved by."""
        return replace(self._stands, monotonic_ns=self._stands.monotonic_ns + int(self.ahead_s * 1e9))


def lesion(
    number: int = 1, region: str = "DP2", certainty: Certainty = "definite", at: tuple[int, int] = (300, 200)
) -> Lesion:
    x, y = at
    outline = ((x, y), (x + 14.0, y + 2.0), (x + 12.0, y + 20.0), (x - 2.0, y + 15.0))
    return Lesion(
        number,
        0,
        region,
        0.9,
        certainty,
        outline,
        (x, y, x + 14, y + 20),
        6.1,
        4.0,
        2,
        "stone",
        "cluster",
        3,
    )


def findings(*lesions: Lesion, quality: tuple[QualityNote, ...] = (), uid: str = "1.2.3") -> Findings:
    hand = Hand(
        "L", (50, 40, 750, 960), 31.4 if lesions else 0.0,
        {"DP2": RegionBurden(6.1, 182.0, 2, 2.2)} if lesions else {"DP2": RegionBurden(0.0, 182.0, 0, 0.0)},
        {"DIP2": Joint(310.0, 300.0, 0.6, 2)} if lesions else {"DIP2": Joint(310.0, 300.0, 1.6, 0)},
        {"DP2": Tuft(305.0, 180.0, 1, 0.7)} if lesions else {},
    )  # fmt: skip
    ignored = (Ignored("sesamoid", "MC1", (200, 600, 220, 622), 0.88),)
    return Findings("received", uid, MODEL, FACTS, quality, (hand,), lesions, ignored, {"total": 330.0})


def not_analysed(code: str = "not-a-hand") -> NotAnalysed:
    return NotAnalysed("received", reason(code), "1.2.3", MODEL, FACTS)


def film_png(columns: int = 800, rows: int = 1000) -> bytes:
    film = Pixels.new("L", (columns, rows), 15)
    pen = ImageDraw.Draw(film)
    pen.rounded_rectangle((150, 500, 650, 960), 90, fill=90)
    for finger, top in enumerate((330, 150, 90, 140, 260)):
        x = 170 + finger * 110
        pen.rounded_rectangle((x, top, x + 70, 560), 34, fill=90)
        for bone in range(3):
            pen.rounded_rectangle((x + 20, top + 14 + bone * 110, x + 50, top + 110 + bone * 110), 12, fill=190)
    out = io.BytesIO()
    film.save(out, "PNG")
    return out.getvalue()


def film_dicom(uid: str, rows: int = 1000, columns: int = 800) -> bytes:
    """A DICOM film that looks like `film_png`, 12 bits deep in 16."""
    with Pixels.open(io.BytesIO(film_png())) as drawn:
        grey = np.asarray(drawn.resize((columns, rows)), dtype=np.uint16) * 16
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = UID(uid)
    dataset.Modality, dataset.PhotometricInterpretation = "CR", "MONOCHROME2"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = rows, columns, 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.WindowCenter, dataset.WindowWidth = 1600, 3200
    dataset.PixelData = grey.tobytes()
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


@dataclass
class Appliance:
    """One appliance in a folder."""

    root: Path
    more: dict[str, Any] = field(default_factory=dict)
    """Of the configuration."""
    clock: TestClock = field(default_factory=TestClock)
    run_clock: StillClock = field(default_factory=StillClock)
    config: Config = field(init=False)
    store: Store = field(init=False)
    run: RunFolder = field(init=False)
    register: Register = field(init=False)
    apps: list[Flask] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.config = Config.model_validate({"data": self.root, "serial": {"port": "unit"}} | self.more)
        self.store = Store.open(self.root, self.clock)
        self.run = RunFolder(self.config.run_folder, self.run_clock)
        self.register = Register(self.store, HASHER)

    @property
    def flow(self) -> Flow:
        """The table of steps, over this store."""
        return Flow(self.store, self.config.deliver_to())

    def speak(self, **changes: dict[str, Any]) -> None:
        """All parts publish that all is well, except for what `changes` says of a service."""
        well: dict[str, dict[str, Any]] = {
            "bridge": {"link": "up", "unit_state": "standby", "device_id": "SIM-7", "firmware": "2.1", "reason": None},
            "analyze": {
                "ready": True,
                "model": asdict(replace(MODEL, possible_threshold=OWN.possible, definite_threshold=OWN.definite)),
                "bounds": asdict(BOUNDS),
                "working_on": None,
                "reason": None,
            },
            "dicom": {
                "listening": True,
                "associations": 0,
                "accepting": True,
                "destinations": {"folder": {"reachable": True, "reason": None}},
            },
        }
        for service, facts in well.items():
            self.run.publish(service, 1, facts | changes.get(service, {}))

    def receive(self, content: bytes = b"DICOM 1", uid: str = "1.2.3") -> Image:
        """An image arrives."""
        name = self.store.objects.put(content)
        with self.store.transaction() as tx:
            image_id, _ = images.add(
                tx, Digest(name, name, len(content)), "dicom:UNIT@127.0.0.1", uid, self.clock.now()
            )
            events.append(tx, self.clock.now(), "dicom", "image-received", f"image:{image_id}")
        return self.image(image_id)

    def image(self, image_id: int) -> Image:
        """The image as it is now."""
        with self.store.read() as connection:
            found = images.get(connection, image_id)
        assert found
        return found

    def admit(
        self, image: Image, name: str = "Meyer^Anna^Maria", uid: str = "1.2.3", *, rows: int = 1000, columns: int = 800
    ) -> Image:
        """The image is a radiograph of ours."""
        identity = Identity("1.2.840.10008.5.1.4.1.1.1.1", uid, "1.2", "1.2.1", "PAT-4711", name, "19600102", "F", "A1")
        header = Header(
            identity, "1.2.840.10008.1.2.1", "DX", rows, columns, "HAND", "L", "PA", "UNIT", "S1",
            "2026-11-22T11:00:00", Technique(50.0, 10.0, 100.0, 1.0),
        )  # fmt: skip
        self.flow.admit(image, header)
        return self.image(image.id)

    def analyse(self, image: Image, analysis: Analysis, *, picture: bool = True) -> Image:
        """Keeps an analysis, with a drawn film."""
        self.flow.analysed(image, Analysed(analysis, film_png() if picture else None))
        return self.image(image.id)

    def report(self, image: Image) -> Image:
        """Makes a report of the newest analysis and queues it."""
        with self.store.read() as connection:
            stored = images.latest_analysis(connection, image.id)
        assert stored
        sr = ReportObject(
            "structured-report", "1.2.840.10008.5.1.4.1.1.88.33", f"2.25.{stored.id}", b"SR %d" % stored.id
        )
        self.flow.reported(image, stored, [sr])
        return self.image(image.id)

    def whole(self, analysis: Analysis, content: bytes = b"DICOM 1", name: str = "Meyer^Anna^Maria") -> Image:
        """An image that has gone all the way to `reported`. Other content is another image, with its own identifier."""
        with self.store.read() as connection:
            uid = f"1.2.3.{len(images.latest(connection))}"
        analysis = replace(analysis, sop_instance_uid=uid)
        image = self.admit(self.receive(content, uid), name, uid)
        return self.report(self.analyse(image, analysis))

    def filmed(
        self, analysis: Analysis, number: int, *, name: str = "Meyer^Anna^Maria", rows: int = 1000, columns: int = 800
    ) -> Image:
        """An image with a real DICOM film behind it, all the way to `reported`."""
        uid = f"2.25.{number}"
        image = self.receive(film_dicom(uid, rows, columns), uid)
        return self.report(
            self.analyse(
                self.admit(image, name, uid, rows=rows, columns=columns), replace(analysis, sop_instance_uid=uid)
            )
        )

    def expose(self, seq: int = 1, end_code: int = 1) -> int:
        """The unit tells of an exposure."""
        with self.store.transaction() as tx:
            found = exposures.add(
                tx, ("SIM-7", 1, seq), (50.0, 10.0, 100.0, 1.0), end_code, self.clock.now(), mapped=True
            )
        assert found
        return found

    def app(self) -> Flask:
        """The page over this appliance, which is set up: `Admin` and one of each role may sign in."""
        if not self.register.is_set_up:
            for role in reversed(Role):
                self.register.add(role.title(), role, password=PASSWORD, pin=PIN, actor="test")
        app = create_app(self.store, self.config, self.run, "0.1.0", register=self.register)
        app.testing = True
        self.apps.append(app)
        return app

    def close(self) -> None:
        """Ends what its pages started."""
        for app in self.apps:
            app.extensions["darkroom"].close()
        self.store.close()

    def session(self, role: Role = Role.ADMIN) -> str:
        """A session's token, as a cookie holds it."""
        account = self.register.named(role.title())
        assert account
        link = self.register.link(account.id, within_s=60.0, once=True)
        token = self.register.follow(link, kiosk=True)
        assert token
        return token

    def client(self, role: Role | None = Role.ADMIN) -> FlaskClient:
        """The page as somebody sees it who is signed in; as a stranger with None."""
        client = self.app().test_client()
        if role:
            client.set_cookie(COOKIE, self.session(role))
        return client


@dataclass
class Site:
    """The page, served by the real server."""

    url: str
    port: int
    app: Flask
    cookie: str
    """The session of the admin."""
