"""Trouble on the line and in the unit, around an exposure: it is recorded once, as it was, on every kind of unit."""

from __future__ import annotations

import pytest

from firmware_bridge.link import LinkState
from firmware_bridge.messages import UnitState
from tests.hil.subject import Subject, exposures, until

pytestmark = pytest.mark.sim_only
LINE: list[tuple[str, dict[str, object]]] = [
    ("drop", {"frames": 2}),
    ("drop", {"frames": 2, "direction": "to-unit"}),
    ("corrupt", {"frames": 2}),
    ("corrupt", {"frames": 2, "direction": "to-unit"}),
    ("duplicate", {"frames": 3}),
    ("partial", {"frames": 2}),
    ("partial", {"frames": 2, "rest_s": 0}),
    ("garbage", {"size": 500}),
    ("slow", {"s": 2, "hold_ms": 30, "bytes_per_s": 3000}),
]
UNIT: list[tuple[str, dict[str, object]]] = [("stuck", {"s": 1}), ("lie", {"s": 1, "state": "error"})]


@pytest.mark.profiles("own")
@pytest.mark.requirement("no exposure is lost, doubled or invented")
def test_no_trouble_loses_doubles_or_invents_an_exposure(subject: Subject) -> None:
    with subject.host() as disk:
        taken = []
        for what, how in [*LINE, *UNIT]:
            assert subject.do(what, **how)["ok"]
            taken.append(subject.expose())
            assert subject.do(what, **how)["ok"]  # and again while it happens
            exposures(disk, len(taken), seconds=30)
        until(disk, lambda: disk.now.link is LinkState.UP and disk.now.unit_state is UnitState.STANDBY, 20)
        assert [(one.kvp, one.exposure_time_ms) for one in disk.techniques] == [(t.kv, t.ms) for t in taken if t]


@pytest.mark.profiles("spellman-pmx", "spellman-xrv")
@pytest.mark.requirement("no exposure is lost, doubled or invented")
@pytest.mark.parametrize(("what", "how"), [LINE[0], LINE[3], LINE[5], LINE[7]])
def test_no_trouble_loses_doubles_or_invents_an_exposure_that_is_polled(
    subject: Subject, what: str, how: dict[str, object]
) -> None:
    with subject.host() as disk:
        until(disk, lambda: disk.now.programmed is not None, 10)
        technique = subject.expose()
        until(disk, lambda: disk.now.unit_state is UnitState.PREP, 20)
        assert subject.do(what, **how)["ok"]
        (exposure,) = exposures(disk, 1, seconds=40)
        until(disk, lambda: disk.now.unit_state is UnitState.STANDBY, 20)
        heard = disk.now.counters.frames_good
        until(disk, lambda: disk.now.counters.frames_good > heard + 10, 20)
        assert len(disk.exposures) == 1
        assert technique is not None
        assert exposure.kvp == pytest.approx(technique.kv, abs=0.2)
