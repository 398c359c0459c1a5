"""The image of each exposure: an example file made into a new image, sent by C-STORE or put into a folder.

The unit's detector and its DICOM sender, in short: the pixels come from the next file of a folder; identity, times
and technique are made new, so that nothing of the example's own person or study is left. Names and numbers are
invented ("Demo^One").

What always holds: an image is sent again until the receiver has acknowledged it; a folder never shows half a file.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydicom import Dataset, dcmread
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import generate_uid
from pynetdicom import AE

from firmware_bridge.messages import Exposure

_NAMES: Final = ("One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")
_PERSON_GROUP: Final = 0x0010
_OF_OTHER_OBJECTS: Final = (
    "RequestAttributesSequence",
    "ReferencedStudySequence",
    "ReferencedPerformedProcedureStepSequence",
    "ReferencedImageSequence",
    "SourceImageSequence",
    "OriginalAttributesSequence",
    "PerformedProcedureStepID",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
)
_STORED: Final = (0x0000, 0xB000, 0xB006, 0xB007)
"""Success, and the warnings with which an object is stored all the same (PS3.4 B.2.3)."""
_FIRST_RETRY_S: Final = 0.5
_LAST_RETRY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Destination:
    """An archive or appliance: AET@HOST:PORT."""

    ae_title: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Destination:
        """Reads `AET@HOST:PORT`.

        Raises:
            ValueError: if it is none.
        """
        title, at, address = text.partition("@")
        host, colon, port = address.rpartition(":")
        if not (at and colon and title and host and port.isdigit() and 0 < int(port) < 65_536 and len(title) <= 16):
            raise ValueError(f"{text!r} is not AET@HOST:PORT")
        return cls(title, host, int(port))


class ImageMaker:
    """Makes images from examples, in the order of their names, beginning again at the end.

    Args:
        folder: DICOM files to take pixels from.
        device_id: becomes StationName and DeviceSerialNumber.
        patients: how many invented persons take turns; 0 means that every exposure is of another one.

    Raises:
        ValueError: if the folder holds no DICOM file.
    """

    def __init__(self, folder: Path, device_id: str, patients: int = 0) -> None:
        self._examples = [path for path in sorted(folder.rglob("*")) if path.is_file() and _is_image(path)]
        if not self._examples:
            raise ValueError(f"no DICOM image in {folder.name}")
        self._device_id = device_id
        self._patients = patients
        self._made = 0
        self._studies: dict[int, str] = {}

    def make(self, exposure: Exposure, taken: datetime) -> FileDataset:
        """The image of one exposure that began at `taken` (with a time zone)."""
        image = dcmread(self._examples[self._made % len(self._examples)])
        person = self._made % self._patients if self._patients else self._made
        self._made += 1
        _forget(image)
        _identify(image, person, self._studies.setdefault(person, generate_uid(prefix=None)), self._made)
        _date(image, taken)
        _set_technique(image, exposure)
        image.StationName = image.DeviceSerialNumber = self._device_id
        return image


class ImageSender:
    """Delivers images one after the other, apart from the unit's own time. `say` is told each outcome."""

    def __init__(self, destination: Destination | None, folder: Path | None, say: Callable[[str], None]) -> None:
        self._destination = destination
        self._folder = folder
        self._say = say
        self._waiting: queue.SimpleQueue[tuple[FileDataset, float] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="image sender", daemon=True)
        self._thread.start()

    def submit(self, image: FileDataset, delay_s: float) -> None:
        """Delivers `image`, `delay_s` after its turn has come: read-out and processing take their time."""
        self._waiting.put((image, delay_s))

    def close(self, patience_s: float = 2.0) -> None:
        """Stops after the image under way, or at once if that can't be delivered."""
        self._closing.set()
        self._waiting.put(None)
        self._thread.join(patience_s)

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            image, delay_s = item
            if self._closing.wait(delay_s):
                return
            uid = str(image.SOPInstanceUID)
            if self._folder is not None:
                self._say(f"image-dropped file={drop(image, self._folder).name}")
            if self._destination is not None and self._send_until_taken(image, self._destination):
                self._say(f"image-sent uid={uid}")

    def _send_until_taken(self, image: FileDataset, destination: Destination) -> bool:
        retry_s = _FIRST_RETRY_S
        while (outcome := send(image, destination)) is not None:
            self._say(f"image-not-sent uid={image.SOPInstanceUID} why={outcome}")
            if self._closing.wait(retry_s):
                return False
            retry_s = min(2 * retry_s, _LAST_RETRY_S)
        return True


def send(image: FileDataset, destination: Destination) -> str | None:
    """Sends one image by C-STORE: None when the receiver has it, else why not."""
    ae = AE(ae_title="SIMUNIT")
    ae.connection_timeout, ae.acse_timeout, ae.dimse_timeout, ae.network_timeout = 3, 5, 30, 30
    ae.add_requested_context(image.SOPClassUID, image.file_meta.TransferSyntaxUID)
    association = ae.associate(destination.host, destination.port, ae_title=destination.ae_title)
    if not association.is_established:
        return "rejected" if association.is_rejected else "unreachable"
    try:
        status = association.send_c_store(image)
    except ValueError:
        return "context-not-accepted"
    finally:
        association.release()
    code = status.get("Status") if status else None
    return None if code in _STORED else "no-answer" if code is None else f"status-{code:04x}"


def drop(image: FileDataset, folder: Path) -> Path:
    """Puts one image into a folder: written beside, then renamed."""
    final = folder / f"{image.SOPInstanceUID}.dcm"
    part = final.with_suffix(".part")
    image.save_as(part, enforce_file_format=True)
    return part.replace(final)


def _is_image(path: Path) -> bool:
    try:
        return "SOPClassUID" in dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    except (InvalidDicomError, OSError):
        return False


def _forget(image: Dataset) -> None:
    _delete(image, [element.tag for element in image if element.tag.group == _PERSON_GROUP or element.tag.is_private])
    _delete(image, [keyword for keyword in _OF_OTHER_OBJECTS if keyword in image])


def _delete(image: Dataset, which: Sequence[int | str]) -> None:
    for tag in which:
        del image[tag]


def _identify(image: FileDataset, person: int, study_uid: str, number: int) -> None:
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
    image.StudyInstanceUID = study_uid
    image.SeriesInstanceUID = generate_uid(prefix=None)
    name = _NAMES[person % len(_NAMES)]
    image.PatientName = f"Demo^{name}" if person < len(_NAMES) else f"Demo^{name} {person // len(_NAMES) + 1}"
    image.PatientID = f"DEMO-{person + 1:04d}"
    image.PatientBirthDate = "19600101"
    image.PatientSex = "O"
    image.StudyID = f"{person + 1}"
    image.AccessionNumber = f"A{person + 1:06d}"
    image.ReferringPhysicianName = ""
    image.SeriesNumber, image.InstanceNumber = number, 1


def _date(image: Dataset, taken: datetime) -> None:
    date, time = taken.strftime("%Y%m%d"), taken.strftime("%H%M%S.%f")
    for what in ("Study", "Series", "Acquisition", "Content", "InstanceCreation"):
        setattr(image, f"{what}Date", date)
        setattr(image, f"{what}Time", time)
    image.AcquisitionDateTime = date + time
    minutes = (taken.utcoffset() or timedelta()) // timedelta(minutes=1)
    image.TimezoneOffsetFromUTC = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"


def _set_technique(image: Dataset, exposure: Exposure) -> None:
    """PS3.3 C.8.7.2: whole numbers in IS, so that the fine values stand in the attributes in micro-units."""
    image.KVP = f"{exposure.kvp:g}"
    image.XRayTubeCurrent = round(exposure.tube_current_ma)
    image.XRayTubeCurrentInuA = f"{exposure.tube_current_ma * 1000:g}"
    image.ExposureTime = round(exposure.exposure_time_ms)
    image.ExposureTimeInuS = f"{exposure.exposure_time_ms * 1000:g}"
    image.Exposure = round(exposure.exposure_mas)
    image.ExposureInuAs = round(exposure.exposure_mas * 1000)
