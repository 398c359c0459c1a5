"""What stands around the appliance and outlives it: the unit, the sender, the archive, the clinic's system.

Each does what its standard asks and no more: the unit and the sender keep what was not acknowledged and tell it again;
the archive and the clinic's system keep what they took, and remember how often they took it.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_context
from pynetdicom.events import Event

from firmware_bridge.link import EventKey, ReceivedEvent
from firmware_bridge.messages import EndCode, Exposure, ExposureSource
from tests.peers import mpps
from tests.peers.archive import ScriptedArchive
from tests.peers.films import film, write
from tests.peers.hands import golden_files
from tests.peers.orders import item

_SMALLER: Final = 4
"""The golden film is looked at in a quarter of its size: the same way through the house, in a tenth of the time."""


@dataclass
class Archive(ScriptedArchive):
    """Takes objects; a second copy must be the same to the last byte. `identities`: study and patient of each."""

    identities: dict[str, tuple[str, str]] = field(default_factory=dict)
    modalities: dict[str, str] = field(default_factory=dict)

    def _store(self, event: Event) -> int:
        status = super()._store(event)
        if status == 0x0000:
            dataset = event.dataset
            uid = str(dataset.SOPInstanceUID)
            seen = hashlib.sha256(event.encoded_dataset()).hexdigest()
            assert self.content.setdefault(f"whole {uid}", seen) == seen
            self.identities[uid] = (str(dataset.StudyInstanceUID), str(dataset.PatientID))
            self.modalities[uid] = str(dataset.Modality)
        return status


@dataclass
class Clinic:
    """Takes MPPS. A step that was created or ended a second time is counted, and answered as the standard says."""

    created: Counter[str] = field(default_factory=Counter)
    ended: dict[str, Dataset] = field(default_factory=dict)

    def _create(self, event: Event) -> tuple[int, Dataset | None]:
        assert event.request is not None
        uid = str(event.request.AffectedSOPInstanceUID)  # type: ignore[union-attr]
        self.created[uid] += 1
        return (0x0000 if self.created[uid] == 1 else 0x0111), None

    def _set(self, event: Event) -> tuple[int | Dataset, Dataset | None]:
        assert event.request is not None
        uid = str(event.request.RequestedSOPInstanceUID)  # type: ignore[union-attr]
        if uid in self.ended:
            error = Dataset()
            error.Status, error.ErrorID = 0x0110, 0xA710
            return error, None
        self.ended[uid] = event.modification_list
        return 0x0000, None

    @contextmanager
    def listening(self, port: int) -> Iterator[None]:
        """Listens until the end of the block."""
        with mpps.listening(port, self._create, self._set):
            yield


@dataclass
class Outside:
    """Everything around one appliance, and what each was told."""

    archive_port: int
    clinic_port: int
    drop: Path
    archive: Archive = field(default_factory=lambda: Archive(promises="same"))
    clinic: Clinic = field(default_factory=Clinic)
    images: list[Dataset] = field(default_factory=list)
    """What the sender has to send by C-STORE."""
    dropped: list[Dataset] = field(default_factory=list)
    """What was laid into the watched folder."""
    exposures: list[ReceivedEvent] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    """Images by SOP instance UID, exposures as `exposure N`."""
    refused: Counter[int] = field(default_factory=Counter)
    """Statuses other than success that the sender was answered with."""
    order: Dataset = field(default_factory=item)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Archive and clinic answer until the end of the block."""
        with ExitStack() as stack:
            stack.enter_context(self.archive.listening(self.archive_port))
            stack.enter_context(self.clinic.listening(self.clinic_port))
            yield

    def known(self) -> Outside:
        """What the world knows now; what it learns later is not in it."""
        archive, clinic = copy(self.archive), copy(self.clinic)
        for name in ("stored", "content", "identities", "modalities"):
            setattr(archive, name, copy(getattr(archive, name)))
        clinic.created, clinic.ended = copy(clinic.created), copy(clinic.ended)
        return replace(self, archive=archive, clinic=clinic, acknowledged=set(self.acknowledged))

    def send(self, port: int) -> None:
        """The sender sends what was not acknowledged yet, over one association."""
        waiting = [image for image in self.images if image.SOPInstanceUID not in self.acknowledged]
        node = AE(ae_title="UNIT")
        node.connection_timeout = node.acse_timeout = node.dimse_timeout = node.network_timeout = 10
        kinds = sorted({(str(image.SOPClassUID), str(image.file_meta.TransferSyntaxUID)) for image in waiting})
        contexts = [build_context(UID(sop_class), UID(syntax)) for sop_class, syntax in kinds]
        if not contexts:
            return
        association = node.associate("127.0.0.1", port, contexts, "CALCEDGE")
        for image in waiting:
            if not association.is_established:
                return
            try:
                status = association.send_c_store(image)
            except RuntimeError:
                return
            if "Status" in status and status.Status == 0x0000:
                self.acknowledged.add(str(image.SOPInstanceUID))
            elif "Status" in status:
                self.refused[int(status.Status)] += 1
        association.release()


def outside(folder: Path, ports: tuple[int, int]) -> Outside:
    """One order, two exposures, one hand by C-STORE that is the order's, one film without a hand in the folder."""
    world = Outside(*ports, folder / "drop")
    world.images = [dcmread(write(_hand(world.order), folder / "hand.dcm"))]
    world.dropped = [film(9, rows=300, columns=260)]
    write(world.dropped[0], world.drop / "film.dcm")
    at_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    world.exposures = [_exposure(1, at_ns, 52.0), _exposure(2, at_ns - 90_000_000_000, 70.0)]
    return world


def _exposure(seq: int, at_ns: int, kvp: float) -> ReceivedEvent:
    told = Exposure(1000, 1025, kvp, 100.0, 25.0, 2.5, EndCode.NORMAL, ExposureSource.GENERATOR)
    return ReceivedEvent(EventKey("XU-1", 7, seq), told, 1000, at_ns, mapped=True, replayed=False)


@cache
def _small_hand() -> Dataset:
    """The golden hand with lesions, smaller."""
    dataset = dcmread(next(path for path in golden_files() if path.stem == "left-lesions"))
    whole = dataset.pixel_array
    rows, columns = (size // _SMALLER for size in whole.shape)
    cut = whole[: rows * _SMALLER, : columns * _SMALLER].reshape(rows, _SMALLER, columns, _SMALLER)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.Rows, dataset.Columns = rows, columns
    dataset.PixelData = cut.mean((1, 3)).astype(whole.dtype).tobytes()
    dataset["PixelData"].VR = "OW"
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        if keyword in dataset:
            setattr(dataset, keyword, [float(value) * _SMALLER for value in getattr(dataset, keyword)])
    return dataset


def _hand(order: Dataset) -> Dataset:
    """The small hand, taken now for the order's patient."""
    dataset = deepcopy(_small_hand())
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"):
        setattr(dataset, keyword, order[keyword].value)
    dataset.StudyInstanceUID = order.StudyInstanceUID
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["faults"])
    now = datetime.now()  # noqa: DTZ005 - the unit's local time, as it writes it
    dataset.AcquisitionDate = dataset.StudyDate = f"{now:%Y%m%d}"
    dataset.AcquisitionTime = dataset.StudyTime = f"{now:%H%M%S.%f}"
    dataset.KVP, dataset.XRayTubeCurrent, dataset.ExposureTime, dataset.Exposure = "52", "100", "25", "3"
    return dataset
