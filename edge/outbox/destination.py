"""The seam between the outbox and the world: what any destination can do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from edge.errors import DeliveryError


@dataclass(frozen=True, slots=True)
class Consignment:
    """One object to hand over: the file, and what DICOM calls it."""

    path: Path
    sha256: str
    sop_class_uid: str
    sop_instance_uid: str


Seen = bool | None | DeliveryError
"""Whether a destination is seen to have an object; None when it can't be asked; an error when it doesn't answer now."""


class Destination(Protocol):
    """Somewhere that objects go. Used by one thread."""

    @property
    def name(self) -> str:
        """The name in the configuration."""
        ...

    def send(self, consignments: Sequence[Consignment]) -> Iterator[DeliveryError | None]:
        """Hands objects over in order and yields the result of each: None when it was taken.

        A destination that can't be reached at all yields the same error for each. One whose connection breaks off
        yields that for the object at hand and ends: what is left was not tried.
        Sending the same object again must leave one object there.
        """
        ...

    def confirm(self, consignments: Sequence[Consignment]) -> Iterator[Seen]:
        """Yields for each object whether the destination is seen to have it. May end early, like `send`."""
        ...


@runtime_checkable
class Committing(Destination, Protocol):
    """A destination that may promise to keep what it took (storage commitment)."""

    @property
    def commitment_wait_s(self) -> float | None:
        """How long its report is waited for; None when it shall not be asked."""
        ...

    def ask_to_commit(self, transaction_uid: str, consignments: Sequence[Consignment]) -> bool:
        """Asks it to commit to objects that it took. False when it does no such thing. Its report comes by itself.

        Raises:
            DeliveryError: when it doesn't answer now.
        """
        ...
