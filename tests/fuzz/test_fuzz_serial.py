"""The serial line's fuzz targets: a short run of each, what once showed a bug, and that a bug would be seen."""

from __future__ import annotations

import json
from functools import partial

import pytest

from firmware_bridge import messages
from firmware_bridge.frame import Decoder
from firmware_bridge.listen import Listener
from firmware_bridge.messages import Exposure, Fault, StateChange
from firmware_bridge.session import Session
from firmware_bridge.spellman.driver import Poller
from firmware_bridge.spellman.pmx import PMX
from firmware_bridge.spellman.xrv import XRV
from tests.fuzz import engine, serial, serial_seeds

NAMES = tuple(serial.targets())


@pytest.mark.requirement("whatever arrives is taken or refused with a listed reason")
@pytest.mark.parametrize("name", NAMES)
def test_a_short_run_shows_no_bug(name: str) -> None:
    tally = engine.run(serial.made(name), inputs=400, seconds=60, seed=3)
    assert tally.bugs == []
    assert set(tally.codes) == {engine.ACCEPTED}


@pytest.mark.parametrize("name", NAMES)
def test_what_was_kept_shows_no_bug_any_more(name: str) -> None:
    kept = sorted((serial.CORPUS / name).glob("*"))
    assert kept
    for path in kept:
        assert (path.name, engine.judge(serial.made(name), path.read_bytes())) == (path.name, engine.ACCEPTED)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_million_inputs_show_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert serial.main(["--inputs", "1000000"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(one["inputs"] for one in told) == 1_000_000


def test_an_exception_of_the_product_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(type_: int, payload: bytes, *, known: object) -> object:
        return (type_, payload[200], known)

    monkeypatch.setattr(messages, "decode", careless)
    tally = engine.run(serial.made("serial-messages"), inputs=20, seconds=60, seed=3)
    assert any("crash IndexError" in what for _, what in tally.bugs)


def test_a_driver_that_sends_what_is_not_listed_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial, "REQUESTS", {})
    assert engine.judge(serial.made("serial-spellman"), serial_seeds.SEEDS["serial-spellman"][0]).startswith(
        "BUG crash"
    )


def test_seeds_reach_what_they_are_for() -> None:
    """A seed that a change of the product made stale would test nothing."""
    day, *_ = serial_seeds.SEEDS["serial-session"]
    host, ears = Session("XU-1"), Listener()
    for driver in (host, ears):
        events = serial.play(driver, day, serial.own_frame).events
        assert {type(event.message) for event in events} == {StateChange, Exposure, Fault}
        assert any(event.mapped for event in events)
    counters = host.status().counters
    assert (counters.sessions, counters.reconnects) == (3, 2)
    assert counters.events_repeated > 0
    for profile in (PMX, XRV):
        poller = Poller(profile.name)
        *_, answered, _ = serial_seeds.SEEDS["serial-spellman"]
        events = serial.play(poller, answered, partial(serial.spellman_answer, profile)).events
        assert poller.up
        assert events
    stream = serial_seeds.SEEDS["serial-frames"][0][1:]
    assert len(Decoder().feed(stream)) == 7
