"""The bridge's service: every reason in the words of the house, the facts for the page, notes in the audit trail."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from edge.config import Bridge as Settings
from edge.errors import REASONS
from edge.services.bridge import _REASONS, Told, plan
from edge.store import Store
from firmware_bridge.bridge import LinkReason, LinkState, LinkStatus
from firmware_bridge.link import ActiveFault, LastExposure, Mode, Programmed
from firmware_bridge.messages import EndCode, Exposure, ExposureSource, FaultCode, Level, UnitState
from firmware_bridge.plan import MODES, PROFILES


def test_every_link_reason_is_told() -> None:
    assert set(_REASONS) == set(LinkReason)
    assert {code for code in _REASONS.values() if code} <= set(REASONS)
    assert [reason for reason, code in _REASONS.items() if code is None] == [LinkReason.NONE, LinkReason.NOT_NAMED]


UP = LinkStatus(
    LinkState.UP,
    LinkReason.NONE,
    "XU-1",
    7,
    "2.3.1",
    unit_state=UnitState.READY,
    interlock_closed=True,
    anode_heat_percent=95,
    anode_heat_ok=False,
    battery_percent=60,
    battery_charging=False,
    active_faults=(ActiveFault(FaultCode.ARC, Level.ERROR, "arc in the tube"),),
    programmed=Programmed(55.0, 100.0, 40.0),
    round_trip_ns=1_234_567,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path)


def test_the_facts_hold_all_that_the_page_shows_and_are_json(store: Store) -> None:
    exposure = Exposure(1, 2, 55.0, 100.0, 40.0, 4.0, EndCode.NORMAL, ExposureSource.GENERATOR, 2.5)
    told = Told(store)
    status = replace(UP, last_exposure=LastExposure(exposure, store.clock.now().monotonic_ns))
    facts = json.loads(json.dumps(told.facts(status)))
    at = facts["last_exposure"].pop("at")
    assert at.endswith("Z")
    assert facts.pop("counters")["frames_good"] == 0
    assert facts == {
        "link": "up", "link_reason": "none", "reason": None, "mode": "session", "profile": "own",
        "device_id": "XU-1", "expected_device_id": None, "firmware": "2.3.1", "unit_state": "READY",
        "interlock_closed": True, "anode_heat_percent": 95, "anode_heat_ok": False, "battery_percent": 60,
        "battery_charging": False,
        "active_faults": [{"code": "ARC", "level": "ERROR", "text": "arc in the tube"}],
        "last_exposure": {"kvp": 55.0, "tube_current_ma": 100.0, "exposure_time_ms": 40.0, "exposure_mas": 4.0,
                          "end_code": 1, "accuracy_ms": 2.5},
        "programmed": {"kvp": 55.0, "tube_current_ma": 100.0, "exposure_time_ms": 40.0}, "round_trip_ms": 1.23,
    }  # fmt: skip
    assert told.facts(status)["last_exposure"]["at"] == at  # and the same each time
    store.close()


def test_what_is_not_known_is_said_to_be_so(store: Store) -> None:
    facts = Told(store).facts(LinkStatus(LinkState.DOWN, LinkReason.PORT_ABSENT))
    assert facts["reason"] == "unit-absent"
    unit = ("device_id", "unit_state", "interlock_closed", "anode_heat_percent", "anode_heat_ok", "battery_percent")
    assert [facts[key] for key in (*unit, "battery_charging", "last_exposure", "programmed", "round_trip_ms")] == [
        None
    ] * 10
    store.close()


def test_a_link_that_comes_and_goes_is_noted_once_a_second(store: Store) -> None:
    told = Told(store)
    for _ in range(50):
        told.facts(UP)
        told.facts(replace(UP, link=LinkState.DOWN, reason=LinkReason.PORT_LOST))
    with store.read() as connection:
        notes = connection.execute("SELECT detail FROM events WHERE what = 'unit-link'").fetchall()
    assert [json.loads(note["detail"]) for note in notes] == [{"link": "up", "reason": "none", "device": "XU-1"}]
    store.close()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("mode", Mode)
def test_a_configuration_is_a_plan_or_is_refused(mode: Mode, profile: str) -> None:
    values = {"mode": mode.value, "profile": profile, "device_id": "XU-1"}
    if profile in MODES[mode]:
        made = plan(Settings.model_validate(values))
        assert (made.mode, made.profile, made.device_id) == (mode, profile, "XU-1")
    else:
        with pytest.raises(ValidationError, match="does not go with profile"):
            Settings.model_validate(values)


def test_a_scale_belongs_to_the_pmx() -> None:
    scaled = Settings.model_validate({"mode": "poll", "profile": "spellman-pmx", "last_kv_per_count": 0.01306})
    assert plan(scaled).last_kv_per_count == 0.01306
    with pytest.raises(ValidationError, match="spellman-pmx"):
        Settings.model_validate({"last_kv_per_count": 0.01306})
    with pytest.raises(ValidationError):  # volts
        Settings.model_validate({"mode": "poll", "profile": "spellman-pmx", "last_kv_per_count": 13.06})
