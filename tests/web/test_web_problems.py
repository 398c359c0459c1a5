"""What is wrong, and the four chips: rules over what the parts say."""

from __future__ import annotations

from typing import Any

import pytest

from edge.errors import REASONS
from edge.store import parcels
from edge.store.parcels import ParcelState
from edge.web import parts, phrases, problems, strip, views, words
from tests.web.appliance import Appliance, findings


def codes(appliance: Appliance) -> list[str]:
    return [problem.code for problem in problems.find(parts.read(appliance.run, appliance.config), ())]


def tones(appliance: Appliance) -> list[str]:
    return [chip.tone for chip in strip.chips(parts.read(appliance.run, appliance.config), {}, ())]


def test_all_well(appliance: Appliance) -> None:
    assert codes(appliance) == []
    assert tones(appliance) == ["ok", "ok", "ok", "ok"]


@pytest.mark.parametrize(
    ("said", "expected", "shown"),
    [
        ({"bridge": {"link": "absent", "reason": "unit-absent"}}, ["unit-absent"], ["bad", "ok", "ok", "ok"]),
        ({"bridge": {"link": "down"}}, ["unit-silent"], ["bad", "ok", "ok", "ok"]),
        ({"bridge": {"link": "down", "reason": "no-hello"}}, ["unit-silent"], ["bad", "ok", "ok", "ok"]),
        ({"bridge": {"unit_state": "ERROR"}}, ["unit-fault"], ["bad", "ok", "ok", "ok"]),
        ({"bridge": {"unit_state": "EXPOSING"}}, [], ["busy", "ok", "ok", "ok"]),
        ({"bridge": {"link": "off"}}, [], ["off", "ok", "ok", "ok"]),
        ({"analyze": {"ready": False}}, [], ["ok", "ok", "busy", "ok"]),
        (
            {"analyze": {"ready": False, "reason": "model-unavailable"}},
            ["model-unavailable"],
            ["ok", "ok", "bad", "ok"],
        ),
        ({"dicom": {"accepting": False}}, ["disk-full"], ["ok", "bad", "ok", "ok"]),
        ({"dicom": {"listening": False}}, ["port-in-use"], ["ok", "bad", "ok", "ok"]),
        ({"dicom": {}, "analyze": {"reason": "from-the-future"}}, ["from-the-future"], ["ok", "ok", "bad", "ok"]),
        (
            {"dicom": {"destinations": {"pacs": {"reachable": False, "reason": "destination-refused"}}}},
            ["destination-refused"],
            ["ok", "ok", "ok", "bad"],
        ),
    ],
)
def test_what_the_parts_say(
    appliance: Appliance, said: dict[str, dict[str, Any]], expected: list[str], shown: list[str]
) -> None:
    appliance.speak(**said)
    assert codes(appliance) == expected
    assert tones(appliance) == shown


@pytest.mark.requirement("a part that is silent is down, never fine")
@pytest.mark.parametrize("age_s", [5.5, 3600.0])
def test_silence_is_down(appliance: Appliance, age_s: float) -> None:
    appliance.run_clock.ahead_s += age_s
    assert codes(appliance) == ["process-down"] * 3
    assert tones(appliance) == ["bad", "bad", "bad", "bad"]


def test_another_boot_is_down(appliance: Appliance) -> None:
    for file in appliance.config.run_folder.glob("*.json"):
        file.write_text(file.read_text().replace('"boot": "', '"boot": "other-'))
    assert codes(appliance) == ["process-down"] * 3


def test_a_port_that_is_not_there_is_told_as_such(appliance: Appliance) -> None:
    appliance.speak(bridge={"link": "down", "unit_state": None, "reason": "unit-absent"})
    now = parts.read(appliance.run, appliance.config)
    assert strip.chips(now, {}, ())[0].text == words.LINKS["absent"]
    assert codes(appliance) == ["unit-absent"]


def test_a_code_without_words_still_says_that_something_is_wrong() -> None:
    reason = problems.known("from-the-future")
    assert "from-the-future" in reason.text
    assert reason.do == words.UNKNOWN_PROBLEM_DO
    assert problems.known("disk-full") == REASONS["disk-full"]


@pytest.mark.requirement("the page says what can't be kept, and since when what is kept has waited")
def test_a_store_that_takes_nothing_is_told_first(appliance: Appliance) -> None:
    gone = appliance.config.model_copy(update={"data": appliance.config.data / "not there"})
    now = parts.read(appliance.run, gone)
    assert not now.fit
    assert [(p.code, p.where) for p in problems.find(now, ())][:1] == [("store-unusable", words.STORE)]


@pytest.mark.requirement("the page says what can't be kept, and since when what is kept has waited")
def test_how_long_an_archive_has_been_away(appliance: Appliance) -> None:
    first = appliance.whole(findings())
    appliance.clock.ahead_s += 3600
    second = appliance.whole(findings(), b"DICOM 2")
    with appliance.store.transaction() as tx:
        stamp = appliance.clock.now()
        own = [*parcels.of_image(tx, second.id), *parcels.of_image(tx, first.id)]
        for parcel in own:
            parcels.settle(tx, parcel.id, ParcelState.QUEUED, stamp, reason="destination-unreachable")
    amount = phrases.count(words.COUNT_WAITING, len(own))
    told = words.SINCE.format(what=amount, when=views.moment(first.received_utc, stamp.utc))
    assert told in appliance.client().get("/").text
