"""The images of the simulated exposures: new identity, matching technique, delivered until acknowledged."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.events import Event

from firmware_bridge.messages import EndCode, Exposure, ExposureSource
from firmware_bridge.simulator import Destination, Scenario
from firmware_bridge.simulator.images import ImageMaker, ImageSender, drop, send
from firmware_bridge.simulator.scenario import Expose, Settle, Wait
from tests.firmware_bridge.rig import PATIENCE_S, Disk, Rig

EXPOSURE = Exposure(0, 40_000, 52.5, 71.25, 32.5, 2.316, EndCode.NORMAL, ExposureSource.GENERATOR)
TAKEN = datetime(2026, 3, 5, 14, 30, 15, 250_000, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """Two small films with everything in their headers that must not come through."""
    folder = tmp_path / "examples"
    (folder / "more").mkdir(parents=True)
    for number, path in enumerate([folder / "a.dcm", folder / "more" / "b.dcm"]):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        film = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        film.SOPClassUID, film.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        film.StudyInstanceUID, film.SeriesInstanceUID = generate_uid(), generate_uid()
        film.PatientName, film.PatientID, film.PatientAge = "Real^Person", "12345", "061Y"
        film.OtherPatientNames, film.PatientComments = "Another^Name", "knows"
        film.RequestAttributesSequence = [Dataset()]
        film.StudyDate, film.AccessionNumber = "20010101", "SECRET"
        film.private_block(0x0011, "MAKER", create=True).add_new(1, "LO", "private")
        film.Modality, film.BodyPartExamined, film.Laterality = "CR", "HAND", "L"
        film.Rows = film.Columns = 8
        film.BitsAllocated = film.BitsStored = 16
        film.HighBit, film.PixelRepresentation, film.SamplesPerPixel = 15, 0, 1
        film.PhotometricInterpretation = "MONOCHROME2"
        film.PixelData = np.full((8, 8), 100 + number, np.uint16).tobytes()
        film.save_as(path, enforce_file_format=True)
    (folder / "notes.txt").write_text("not an image", encoding="utf-8")
    return folder


class Archive:
    """A real SCP that can refuse for a while."""

    def __init__(self) -> None:
        self.received: list[Dataset] = []
        self.statuses: list[int] = []
        self.attempts = 0
        self.changed = threading.Condition()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._ae = AE(ae_title="ARCHIVE")
        self._ae.add_supported_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)

    @property
    def destination(self) -> Destination:
        return Destination("ARCHIVE", "127.0.0.1", self.port)

    def open(self) -> None:
        self._ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])

    def close(self) -> None:
        self._ae.shutdown()

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.received) >= count, PATIENCE_S)

    def _store(self, event: Event) -> int:
        with self.changed:
            self.attempts += 1
            status = self.statuses.pop(0) if self.statuses else 0x0000
            if status in (0x0000, 0xB000):
                self.received.append(event.dataset)
            self.changed.notify_all()
            return status


@pytest.fixture
def archive() -> Iterator[Archive]:
    archive = Archive()
    yield archive
    archive.close()


def test_an_image_is_new_in_everything_but_its_pixels(examples: Path) -> None:
    maker = ImageMaker(examples, "SIM-UNIT-1")
    images = [maker.make(EXPOSURE, TAKEN) for _ in range(3)]
    assert [image.pixel_array[0, 0] for image in images] == [100, 101, 100]
    for what in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID", "PatientName"):
        assert len({str(image[what].value) for image in images}) == 3
    for image in images:
        assert image.file_meta.MediaStorageSOPInstanceUID == image.SOPInstanceUID
        text = str(image)
        assert not any(
            old in text for old in ("Real", "12345", "061Y", "Another", "knows", "20010101", "SECRET", "private")
        )
        assert "RequestAttributesSequence" not in image
        assert (image.Laterality, image.BodyPartExamined) == ("L", "HAND")
    assert [str(image.PatientName) for image in images] == ["Demo^One", "Demo^Two", "Demo^Three"]


def test_the_technique_and_the_moment_are_those_of_the_exposure(examples: Path, tmp_path: Path) -> None:
    image = dcmread(drop(ImageMaker(examples, "SIM-UNIT-1").make(EXPOSURE, TAKEN), tmp_path))
    assert image.KVP == 52.5
    assert (image.XRayTubeCurrent, image.ExposureTime, image.Exposure, image.ExposureInuAs) == (71, 32, 2, 2316)
    assert (image.XRayTubeCurrentInuA, image.ExposureTimeInuS) == (71_250, 32_500)
    assert (image.StudyDate, image.ContentTime) == ("20260305", "143015.250000")
    assert image.AcquisitionDateTime == "20260305143015.250000"
    assert image.TimezoneOffsetFromUTC == "-0330"
    assert image.StationName == image.DeviceSerialNumber == "SIM-UNIT-1"


def test_patients_take_turns_each_with_one_study_and_a_series_per_exposure(examples: Path) -> None:
    maker = ImageMaker(examples, "SIM-UNIT-1", patients=2)
    images = [maker.make(EXPOSURE, TAKEN) for _ in range(4)]
    assert [image.PatientID for image in images] == ["DEMO-0001", "DEMO-0002"] * 2
    assert images[0].StudyInstanceUID == images[2].StudyInstanceUID != images[1].StudyInstanceUID
    assert len({image.SeriesInstanceUID for image in images}) == 4


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here", encoding="utf-8")
    with pytest.raises(ValueError, match="no DICOM image"):
        ImageMaker(tmp_path, "SIM-UNIT-1")


@pytest.mark.parametrize(
    "text", ["", "AE", "AE@host", "@host:104", "AE@:104", "AE@host:0", "AE@host:x", "A" * 17 + "@h:1"]
)
def test_what_is_no_destination_is_refused(text: str) -> None:
    assert Destination.parse("CALCEDGE@box.local:11112") == Destination("CALCEDGE", "box.local", 11112)
    with pytest.raises(ValueError, match="AET@HOST:PORT"):
        Destination.parse(text)


def test_a_folder_sees_whole_files_only(examples: Path, tmp_path: Path) -> None:
    image = ImageMaker(examples, "SIM-UNIT-1").make(EXPOSURE, TAKEN)
    dropped = drop(image, tmp_path)
    assert dropped.name == f"{image.SOPInstanceUID}.dcm"
    assert list(tmp_path.glob("*.part")) == []


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # pynetdicom leaves a refused socket open
def test_an_image_is_sent_until_it_is_acknowledged(examples: Path, archive: Archive) -> None:
    said: list[str] = []
    archive.statuses = [0xA700, 0xC000, 0xB000]
    sender = ImageSender(archive.destination, None, said.append)
    image = ImageMaker(examples, "SIM-UNIT-1").make(EXPOSURE, TAKEN)
    assert send(image, archive.destination) == "unreachable"
    archive.open()
    sender.submit(image, 0.0)
    archive.wait_for(1)
    sender.close(PATIENCE_S)
    assert archive.attempts == 3
    assert archive.received[0].SOPInstanceUID == image.SOPInstanceUID
    assert [line.split(maxsplit=1)[0] for line in said] == ["image-not-sent", "image-not-sent", "image-sent"]
    assert "status-a700" in said[0]


def test_an_archive_that_does_not_take_the_kind_is_named_so(examples: Path, archive: Archive) -> None:
    archive.open()
    image = ImageMaker(examples, "SIM-UNIT-1").make(EXPOSURE, TAKEN)
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = CTImageStorage
    assert send(image, archive.destination) == "unreachable"  # every context was refused: no association


def test_each_exposure_of_a_scenario_becomes_an_image_with_its_technique(
    rig: Rig, disk: Disk, examples: Path, archive: Archive, tmp_path: Path
) -> None:
    archive.open()
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    rig.connect(disk)
    steps = (Expose(kv=50, ma=100, ms=20), Wait(s=2), Expose(kv=55, ma=160, ms=40), Settle())
    rig.simulate(Scenario(steps, speed=20), images=examples, send_to=archive.destination, drop_into=inbox)
    archive.wait_for(2)
    rig.wait_for_line("image-sent", count=2)
    told = [(one.kvp, one.tube_current_ma, one.exposure_time_ms, one.exposure_mas) for one in disk.techniques]
    shown = [(one.KVP, one.XRayTubeCurrent, one.ExposureTime, one.ExposureInuAs / 1000) for one in archive.received]
    assert told == shown == [(50.0, 100.0, 20.0, 2.0), (55.0, 160.0, 40.0, 6.4)]
    assert {path.stem for path in inbox.iterdir()} == {one.SOPInstanceUID for one in archive.received}
