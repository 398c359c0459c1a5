"""The doctor's lines about the X-ray unit: each thing a technician may ask, with what to do when it is bad."""

from __future__ import annotations

import os
import tty
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.config import Config
from edge.errors import REASONS
from edge.health.answer import Answer, Verdict
from edge.health.checks import CHECKS
from edge.health.unit import answers, serial
from edge.runtime import RunFolder
from edge.services.bridge import _REASONS, Told
from edge.store import Store
from firmware_bridge.bridge import LinkReason, LinkState, LinkStatus
from firmware_bridge.link import ActiveFault, LastExposure, LinkCounters, Mode
from firmware_bridge.messages import EndCode, Exposure, ExposureSource, FaultCode, Level, UnitState

EXPOSURE = Exposure(1, 2, 55.0, 100.0, 40.0, 4.0, EndCode.NORMAL, ExposureSource.GENERATOR, 2.5)
COUNTERS = LinkCounters(frames_good=5000, bad_crc=3, resyncs=2, gaps=1, events_repeated=4, reconnects=6)
GOOD = LinkStatus(
    LinkState.UP,
    LinkReason.NONE,
    "XU-1",
    7,
    "2.3.1",
    unit_state=UnitState.STANDBY,
    interlock_closed=True,
    anode_heat_percent=40,
    anode_heat_ok=True,
    battery_percent=80,
    battery_charging=False,
    last_exposure=LastExposure(EXPOSURE, 10**12),
    round_trip_ns=1_250_000,
    counters=COUNTERS,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path)
    yield store
    store.close()


def lines(store: Store, status: LinkStatus) -> dict[str, Answer]:
    """By the status file's own way, so that keys can't drift apart."""
    return {answer.check: answer for answer in answers("/dev/unit", Told(store).facts(status))}


def test_a_unit_that_is_well_has_a_line_for_everything(store: Store) -> None:
    told = lines(store, GOOD)
    assert all(answer.verdict is Verdict.OK and answer.do == "" for answer in told.values())
    text = {check: answer.text for check, answer in told.items()}
    assert text.pop("unit").startswith("standby; last exposure 20")
    assert told["unit"].text.endswith("55 kV, 100 mA, 40 ms, 4 mAs")
    assert text == {
        "serial": "/dev/unit: unit XU-1 is heard",
        "serial line": "5000 frames, 3 with a wrong checksum, 2 resyncs, 1 gaps, 4 duplicates, 6 reconnects, "
        "round trip 1.2 ms",
        "unit firmware": "2.3.1",
        "unit heat": "40 % of what the anode may hold",
        "unit battery": "80 %",
        "unit fault": "none",
    }


@pytest.mark.parametrize(
    ("status", "check", "code"),
    [
        (replace(GOOD, anode_heat_percent=95, anode_heat_ok=False), "unit heat", "unit-hot"),
        (replace(GOOD, anode_heat_percent=None, anode_heat_ok=False), "unit heat", "unit-hot"),
        (replace(GOOD, battery_percent=12), "unit battery", "unit-battery-low"),
        (
            replace(GOOD, active_faults=(ActiveFault(FaultCode.ARC, Level.ERROR, "arc in the tube"),)),
            "unit fault",
            "unit-fault",
        ),
    ],
)
def test_what_is_bad_about_the_unit_warns_and_says_what_to_do(
    store: Store, status: LinkStatus, check: str, code: str
) -> None:
    answer = lines(store, status)[check]
    assert (answer.verdict, answer.do) == (Verdict.WARN, REASONS[code].do)


def test_what_was_not_told_is_said_to_be_so(store: Store) -> None:
    silent = replace(
        GOOD, firmware=None, anode_heat_percent=None, anode_heat_ok=None, battery_percent=None, last_exposure=None
    )
    told = lines(store, silent)
    assert {told[check].text for check in ("unit firmware", "unit heat", "unit battery")} == {"not told by the unit"}
    assert told["unit"].text == "standby; no exposure yet"


@pytest.mark.parametrize("reason", [reason for reason, code in _REASONS.items() if code is not None])
def test_a_link_that_is_down_fails_with_its_own_reason(store: Store, reason: LinkReason) -> None:
    link = LinkState.UP if reason in {LinkReason.OTHER_UNIT, LinkReason.NOT_DURABLE} else LinkState.DOWN
    answer = lines(store, replace(GOOD, link=link, reason=reason, expected_device_id="XU-9"))["serial"]
    code = _REASONS[reason]
    assert code is not None
    assert (answer.verdict, answer.do) == (Verdict.FAIL, REASONS[code].do)
    if reason is LinkReason.OTHER_UNIT:
        assert "XU-1 instead of XU-9" in answer.text


def test_a_degraded_link_warns(store: Store) -> None:
    answer = lines(store, replace(GOOD, link=LinkState.DEGRADED, reason=LinkReason.SILENT))["serial"]
    assert answer.verdict is Verdict.WARN


def test_nothing_heard_says_no_more_than_that(store: Store) -> None:
    assert set(lines(store, LinkStatus(LinkState.DOWN, LinkReason.NO_HELLO))) == {"serial", "serial line"}


def test_a_listener_says_that_it_only_listens_and_when_a_name_is_missing(store: Store) -> None:
    listening = replace(GOOD, mode=Mode.LISTEN)
    assert lines(store, listening)["serial"].text == "/dev/unit: unit XU-1 is heard, listening only"
    unnamed = lines(store, replace(listening, reason=LinkReason.NOT_NAMED, device_id=None))["serial"]
    assert unnamed.verdict is Verdict.WARN
    assert "without a name yet" in unnamed.text
    assert unnamed.do


@pytest.mark.parametrize(
    ("counters", "verdict"),
    [
        (replace(COUNTERS, bad_crc=40), Verdict.OK),
        (replace(COUNTERS, bad_crc=80), Verdict.WARN),
        (replace(COUNTERS, frames_good=3, bad_crc=3), Verdict.OK),  # plugging in makes a little noise
        (replace(COUNTERS, frames_good=0, bad_crc=0, bad_cobs=900), Verdict.WARN),
        (replace(COUNTERS, events_lost=1), Verdict.WARN),
    ],
)
def test_a_line_that_damages_much_is_noticed(store: Store, counters: LinkCounters, verdict: Verdict) -> None:
    answer = lines(store, replace(GOOD, counters=counters))["serial line"]
    assert answer.verdict is verdict
    assert bool(answer.do) == (verdict is Verdict.WARN)


def test_rare_counts_are_only_told_when_there_are_some(store: Store) -> None:
    text = lines(store, replace(GOOD, counters=replace(COUNTERS, implausible=2, timeouts=3)))["serial line"].text
    assert "2 implausible, 3 without an answer" in text
    assert "refused" not in text


def test_from_no_port_to_a_fresh_status(tmp_path: Path, store: Store) -> None:
    assert CHECKS["serial"] is serial
    (answer,) = serial(Config(data=tmp_path))
    assert answer.text == "no unit is configured: images only"
    config = Config.model_validate({"data": tmp_path, "serial": {"port": str(tmp_path / "unit")}})
    (answer,) = serial(config)
    assert (answer.verdict, answer.do) == (Verdict.FAIL, REASONS["unit-absent"].do)
    master, slave = os.openpty()
    tty.setraw(slave)
    (tmp_path / "unit").symlink_to(os.ttyname(slave))
    (answer,) = serial(config)
    assert answer.verdict is Verdict.WARN
    assert "nobody listens" in answer.text
    RunFolder(config.run_folder, SystemClock()).publish("bridge", 1, Told(store).facts(GOOD))
    assert len(list(serial(config))) == 7
    os.close(slave)
    os.close(master)
