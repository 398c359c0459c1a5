"""The durable reception of an image: from a finished temporary file to a row that nobody can lose.

What always holds: when `receive` returns, the bytes and the row survive a pulled plug, so that the sender may be told
that the image was taken. The received bytes are never altered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge.errors import StoreError
from edge.store import events, images

if TYPE_CHECKING:
    from pathlib import Path

    from edge.store import Store

ACTOR: Final = "intake"


@dataclass(frozen=True, slots=True)
class Received:
    """An image in the store. `new` is False for an image that was there already: the same data set, sent again."""

    image_id: int
    new: bool
    conflicting: bool
    """The identifier was received before with other content. The image is kept, and not mistaken for the other."""


class Reception:
    """Takes finished files into the store while there is room for them."""

    def __init__(self, store: Store, reserve_mb: int) -> None:
        self._store = store
        self._reserve_bytes = reserve_mb * 1_000_000

    def accepting(self) -> bool:
        """Whether there is room. Delivery goes on when there is none."""
        return self._store.objects.free_bytes() > self._reserve_bytes

    def receive(self, temporary: Path, source: str, uid: str | None) -> Received:
        """Takes a file that lies under `incoming/` and is complete; afterwards it is an object, or gone.

        Args:
            temporary: the file.
            source: who sent it: `dicom:TITLE@address` or `folder`.
            uid: the SOP instance UID that the sender named, None when it named none.

        Raises:
            StoreError: `disk-full` or `store-unusable`: nothing was kept, the sender must keep the image.
        """
        if not self.accepting():
            temporary.unlink(missing_ok=True)
            raise StoreError("disk-full")
        found = self._store.objects.adopt(temporary)
        stamp = self._store.clock.now()
        with self._store.transaction() as tx:
            image_id, new = images.add(tx, found, source, uid, stamp)
            conflicting = new and uid is not None and images.conflicts(tx, image_id, uid)
            if new:
                events.append(tx, stamp, ACTOR, "image-received", f"image:{image_id}", bytes=found.size)
        return Received(image_id, new, conflicting)
