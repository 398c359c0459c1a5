"""The seam between the outbox and the world: what any destination can do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge.errors import DeliveryError


@dataclass(frozen=True, slots=True)
class Consignment:
    """One object to hand over: the file, and what DICOM calls it."""

    path: Path
    sha256: str
    sop_class_uid: str
    sop_instance_uid: str


class Destination(Protocol):
    """Somewhere that objects go. Used by one thread."""

    @property
    def name(self) -> str:
        """The name in the configuration."""
        ...

    def send(self, consignments: Sequence[Consignment]) -> Iterator[DeliveryError | None]:
        """Hands objects over in order and yields the result of each: None when it was taken.

        A destination that can't be reached at all yields the same error for all that is left.
        Sending the same object again must leave one object there.
        """
        ...

    def confirm(self, consignment: Consignment) -> bool | None:
        """Whether the destination is seen to have the object; None when it can't be asked.

        Raises:
            DeliveryError: when it could be asked but doesn't answer now.
        """
        ...
