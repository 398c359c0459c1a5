"""What the bridge hears, in the store: one transaction for what came together, one row for what came twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.errors import StoreError
from edge.intake.exposures import DurableSink
from edge.store import Store, events, exposures
from firmware_bridge.bridge import EventKey, LinkStatus, NotPersisted, ReceivedEvent
from firmware_bridge.messages import (
    EndCode,
    Event,
    Exposure,
    ExposureSource,
    Fault,
    FaultCode,
    Level,
    StateChange,
    UnitState,
)

EXPOSURE = Exposure(1_000, 41_000, 52.5, 100.0, 40.0, 4.0, EndCode.NORMAL, ExposureSource.GENERATOR)
CHANGE = StateChange(900, UnitState.READY, UnitState.EXPOSING)
ARC = Fault(42_000, FaultCode.ARC, Level.WARNING, active=True, text="arc in the tube")


def received(seq: int, message: Event) -> ReceivedEvent:
    return ReceivedEvent(EventKey("XU-1", 7, seq), message, message.tick, 5_000_000_000, mapped=True, replayed=False)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path, SystemClock())


def _sink(store: Store) -> DurableSink:
    def told(status: LinkStatus) -> None:
        raise AssertionError(status)  # the bridge's own affair

    return DurableSink(store, told)


def _kept(store: Store) -> list[str]:
    with store.read() as connection:
        return [event.what for event in events.after(connection, 0)]


@pytest.mark.requirement("no exposure is lost, doubled or invented")
def test_what_came_together_is_kept_once_however_often_it_comes(store: Store) -> None:
    sink = _sink(store)
    sink.persist([received(1, CHANGE), received(2, EXPOSURE), received(3, ARC)])
    sink.persist([received(2, EXPOSURE), received(4, replace(EXPOSURE, kvp=60.0))])
    assert _kept(store) == ["unit-state", "exposure", "unit-fault", "exposure"]
    with store.read() as connection:
        assert [one.kvp for one in exposures.latest(connection)] == [60.0, 52.5]


@pytest.mark.requirement("an exposure is confirmed to the unit only when it is on disk")
def test_what_came_together_is_refused_together(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> bool:
        raise StoreError("disk-full", "while the third was written")

    monkeypatch.setattr(exposures, "add_unit_event", full)
    with pytest.raises(NotPersisted):
        _sink(store).persist([received(1, EXPOSURE), received(2, replace(EXPOSURE, kvp=60.0)), received(3, ARC)])
    assert _kept(store) == []
    monkeypatch.undo()
    _sink(store).persist([received(1, EXPOSURE), received(3, ARC)])
    assert _kept(store) == ["exposure", "unit-fault"]
