"""An archive that is away for simulated days: little is tried, nothing dropped, all goes in order when it is back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from edge.errors import DeliveryError
from edge.outbox import policy
from edge.outbox.destination import Consignment, Seen
from edge.outbox.drain import BATCH, Drain
from edge.store import Store, events, parcels
from tests.outbox.conftest import StoppedClock, parcels_of, queue_bytes

_DAYS: Final = 2
_BEFORE: Final = 18
_EVERY_H: Final = 4
"""An image comes every so many hours while it is away."""
_LOOK_S: Final = 100.0


@dataclass
class Archive:
    """Is there or not, and remembers."""

    name: str = "archive"
    there: bool = False
    calls: int = 0
    tries: int = 0
    taken: list[str] = field(default_factory=list)

    def send(self, consignments: Sequence[Consignment]) -> Iterator[DeliveryError | None]:
        self.calls += 1
        for consignment in consignments:
            self.tries += 1
            if self.there:
                self.taken.append(consignment.sop_instance_uid)
            yield None if self.there else DeliveryError("destination-unreachable", "archive:104")

    def confirm(self, consignments: Sequence[Consignment]) -> Iterator[Seen]:
        yield from [consignment.sop_instance_uid in self.taken for consignment in consignments]


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def filled(quick_path: Path, clock: StoppedClock) -> Iterator[Callable[[int], Store]]:
    """A store to which images can be added."""
    store = Store.open(quick_path / "store", clock)
    count = 0

    def add(images: int) -> Store:
        nonlocal count
        for _ in range(images):
            queue_bytes(store, "archive", f"image {count}".encode(), "1.2.840.10008.5.1.4.1.1.1", f"1.2.3.{count}")
            count += 1
        return store

    yield add
    store.close()


@pytest.mark.requirement("nothing lost")
def test_days_without_the_archive(filled: Callable[[int], Store], clock: StoppedClock) -> None:
    archive, store = Archive(), filled(_BEFORE)
    drain = Drain(store, archive)
    hours = _DAYS * 24
    for hour in range(hours):
        filled(hour % _EVERY_H == 0)
        for _ in range(int(3600 / _LOOK_S)):
            while drain.step():
                pass
            clock.ahead_s += _LOOK_S
    waiting = parcels_of(store)
    longest = hours * 3600 / policy.LONGEST_DELAY_S + 10
    with store.read() as connection:
        told = events.latest(connection, 1_000_000)
        trouble = parcels.troubled(connection)
    assert len(waiting) == _BEFORE + hours // _EVERY_H
    assert {parcel.state for parcel in waiting} == {parcels.ParcelState.QUEUED}
    assert max(parcel.attempts for parcel in waiting) <= longest
    assert {parcel.reason for parcel in trouble} == {"destination-unreachable"}
    assert sum(event.what == "parcel-delayed" for event in told) == len(waiting)  # once each, not at every try
    assert drain.reach.reachable is False
    # Thousands that wait are not tried one by one: each once when it is new, then a batch for all.
    assert archive.tries <= len(waiting) + BATCH * longest

    archive.there = True
    for _ in range(len(waiting)):
        if not drain.step():
            clock.ahead_s += _LOOK_S
    assert {parcel.state for parcel in parcels_of(store)} == {parcels.ParcelState.CONFIRMED}
    assert len(archive.taken) == len(set(archive.taken)) == len(waiting)
    behind = [parcel.sop_instance_uid for parcel in waiting]
    first = 16  # whose turn it was when the archive came back
    assert archive.taken[first:] == [uid for uid in behind if uid not in archive.taken[:first]]
    print(f"{_DAYS} days, {len(waiting)} objects, {archive.calls} calls, at most {longest:.0f} tries each")
