"""A store on a clock that stands still, and what puts parcels into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from edge.clock import Stamp, SystemClock
from edge.store import Store, images, parcels
from edge.store.objects import digest
from edge.store.parcels import Item, Parcel


class StoppedClock(SystemClock):
    """A clock that stands still until it is put forward."""

    def __init__(self) -> None:
        self._start = super().now()
        self.ahead_s = 0.0

    def now(self) -> Stamp:
        return replace(
            self._start,
            utc=self._start.utc + timedelta(seconds=self.ahead_s),
            monotonic_ns=self._start.monotonic_ns + int(self.ahead_s * 1e9),
        )


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def store(tmp_path: Path, clock: StoppedClock) -> Store:
    return Store.open(tmp_path / "store", clock)


Queue = Callable[..., None]


@pytest.fixture
def queue(store: Store) -> Queue:
    """Queues data sets, or the bytes of files, for a destination."""

    def put(name: str, *datasets: Dataset) -> None:
        for dataset in datasets:
            buffer = BytesIO()
            dataset.save_as(buffer, enforce_file_format=True)
            queue_bytes(store, name, buffer.getvalue(), str(dataset.SOPClassUID), str(dataset.SOPInstanceUID))

    return put


def queue_bytes(store: Store, name: str, content: bytes, sop_class: str, uid: str) -> None:
    """Queues a file as it is."""
    stored = store.objects.put(content)
    found = digest(store.objects.path(stored))
    with store.transaction() as tx:
        image_id, _ = images.add(tx, found, "folder", None, store.clock.now())
        parcels.add(tx, image_id, name, Item("original", stored, sop_class, uid), store.clock.now())


def parcels_of(store: Store) -> list[Parcel]:
    """Every parcel, oldest first."""
    with store.read() as connection:
        found = [parcels.of_image(connection, image.id) for image in images.latest(connection, 1000)]
    return sorted((parcel for own in found for parcel in own), key=lambda parcel: parcel.id)


def states_of(store: Store) -> list[str]:
    """The state of every parcel, oldest first."""
    return [parcel.state.value for parcel in parcels_of(store)]
