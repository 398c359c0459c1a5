"""A folder as destination: a USB drive, a network share, a hand-over folder.

A file appears under its final name only when it is whole and durable, and bears the object's own identifier: sent
twice, it is one file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

from edge.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edge.outbox.destination import Consignment, Seen


class Folder:
    """One folder."""

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    def send(self, consignments: Sequence[Consignment]) -> Iterator[DeliveryError | None]:
        """Copies each file durably."""
        for consignment in consignments:
            try:
                self._copy(consignment)
            except OSError as error:
                yield DeliveryError("destination-folder", type(error).__name__)
            else:
                yield None

    def confirm(self, consignments: Sequence[Consignment]) -> Iterator[Seen]:
        """Reads each file back and compares its SHA-256."""
        for consignment in consignments:
            try:
                with self._target(consignment).open("rb") as file:
                    yield hashlib.file_digest(file, "sha256").hexdigest() == consignment.sha256
            except FileNotFoundError:
                yield False
            except OSError as error:
                yield DeliveryError("destination-folder", type(error).__name__)

    def _target(self, consignment: Consignment) -> Path:
        end = "fhir.json" if consignment.sop_class_uid == "Bundle" else "dcm"
        return self._path / f"{consignment.sop_instance_uid}.{end}"

    def _copy(self, consignment: Consignment) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        target = self._target(consignment)
        unfinished = target.with_suffix(".part")
        with consignment.path.open("rb") as source, unfinished.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
        unfinished.replace(target)
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
