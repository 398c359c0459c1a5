"""From a signed release to a trial, and what it costs on the line."""

from __future__ import annotations

import random
from http.server import BaseHTTPRequestHandler

import pytest

from edge.fleet.slots import Event, Kind, turn
from edge.fleet.statefile import StateFile
from tests.fleet.fleet import FleetOfOne, days


def commit(fleet: FleetOfOne, kind: Kind = Kind.APPLICATION) -> None:
    """What the keeper does after a probation."""
    StateFile(fleet.root).change(lambda s: s.with_slot(kind, turn(s.slots[kind], Event.PASS)))


def test_a_release_comes_on_trial_and_is_not_tried_twice(fleet: FleetOfOne) -> None:
    fleet.publish("a1")
    fleet.roll_out("a1")
    assert fleet.code() == ""
    assert fleet.state().slots[Kind.APPLICATION].running == "a1"
    assert fleet.code() == "update-on-trial"
    commit(fleet)
    assert fleet.code() == ""
    assert fleet.state().slots[Kind.APPLICATION].good == "a1"


def test_an_idle_poll_is_two_requests_and_few_bytes(fleet: FleetOfOne) -> None:
    fleet.publish("a1")
    fleet.roll_out("a1")
    fleet.check()
    fleet.server.requests.clear()
    fleet.server.body_bytes = 0
    fleet.check()
    print(f"idle poll: {len(fleet.server.requests)} requests, {fleet.server.body_bytes} bytes of body")
    assert len(fleet.server.requests) == 2
    assert fleet.server.body_bytes < 400


def test_twenty_megabytes_over_a_line_that_breaks_six_times(fleet: FleetOfOne) -> None:
    big = random.Random(7).randbytes(20_000_000)
    made = fleet.publish("m1", {"weights.onnx": big}, Kind.MODEL)
    fleet.roll_out("m1", Kind.MODEL)
    cuts = sorted(random.Random(8).sample(range(1, 19_000_000), 6))

    def break_line(handler: BaseHTTPRequestHandler, content: bytes) -> bool:
        if len(content) != len(big) or not cuts:
            return False
        asked = handler.headers.get("Range", "bytes=0-")
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        fleet.server.send(handler, content, most=cuts.pop(0) - start)
        return True

    fleet.server.fault = break_line
    fleet.server.body_bytes = 0
    fleet.check()
    assert cuts == []
    print(f"{fleet.server.body_bytes / len(big):.4f} x the bytes")
    assert fleet.server.body_bytes <= 1.05 * len(big)
    assert made.release in dict(fleet.state().slots[Kind.MODEL].bad)  # random bytes are no model: found before a start


def test_a_server_without_ranges_costs_bytes_and_not_correctness(fleet: FleetOfOne) -> None:
    big = random.Random(7).randbytes(300_000)
    fleet.publish("m1", {"weights.onnx": big}, Kind.MODEL)
    fleet.roll_out("m1", Kind.MODEL)
    broken: list[int] = []

    def no_ranges(handler: BaseHTTPRequestHandler, content: bytes) -> bool:
        if len(content) != len(big):
            return False
        del handler.headers["Range"]
        if not broken:
            broken.append(1)
            fleet.server.send(handler, content, most=100_000)
        else:
            fleet.server.send(handler, content)
        return True

    fleet.server.fault = no_ranges
    assert fleet.code(kind=Kind.MODEL) == "preflight-failed"


def test_a_release_shares_what_another_has(fleet: FleetOfOne) -> None:
    shared = {"shared.whl": random.Random(1).randbytes(100_000)}
    fleet.publish("m1", shared | {"a.onnx": b"A" * 100}, Kind.MODEL)
    fleet.roll_out("m1", Kind.MODEL)
    fleet.check()
    StateFile(fleet.root).change(
        lambda s: s.with_slot(
            Kind.MODEL, turn(turn(type(s.slots[Kind.MODEL])(), Event.ACTIVATE, release="m1"), Event.PASS)
        )
    )
    fleet.publish("m2", shared | {"a.onnx": b"B" * 100}, Kind.MODEL)
    fleet.roll_out("m2", Kind.MODEL)
    fleet.server.body_bytes = 0
    fleet.check()
    assert fleet.server.body_bytes < 20_000


def test_the_day_s_budget_is_kept(fleet: FleetOfOne) -> None:
    fleet.publish("m1", {"weights.onnx": random.Random(7).randbytes(500_000)}, Kind.MODEL)
    fleet.roll_out("m1", Kind.MODEL)
    assert fleet.check(daily_bytes=200_000).steps[Kind.MODEL].code == "update-budget"
    asked = sum("blobs" in path for path in fleet.server.requests)
    assert fleet.check(daily_bytes=200_000).steps[Kind.MODEL].code == "update-budget"
    assert sum("blobs" in path for path in fleet.server.requests) == asked == 1
    assert sum(fetcher.traffic.body_bytes for fetcher in fleet.fetchers) < 280_000
    fleet.clock.utc += days(1)
    fleet.clock.trusted = False
    assert fleet.check(daily_bytes=600_000).steps[Kind.MODEL].code == "preflight-failed"


def test_what_the_server_refuses_is_not_asked_again_and_again(fleet: FleetOfOne) -> None:
    made = fleet.publish("a1")
    fleet.roll_out("a1")
    (fleet.admin.root / "targets" / "releases" / "blobs" / made.blobs[0].sha256).unlink()
    assert fleet.code() == "update-missing"
    assert sum(made.blobs[0].sha256 in path for path in fleet.server.requests) == 1


def test_a_usb_stick_is_a_repository(fleet: FleetOfOne) -> None:
    fleet.publish("a1")
    fleet.roll_out("a1")
    fleet.use(fleet.admin.root.as_uri())
    assert fleet.code() == ""
    assert fleet.state().slots[Kind.APPLICATION].running == "a1"
    assert fleet.server.requests == []


def test_a_mirror_takes_over(fleet: FleetOfOne) -> None:
    fleet.publish("a1")
    fleet.roll_out("a1")
    fleet.use("http://127.0.0.1:9", fleet.server.url)
    assert fleet.code() == ""


def test_no_disk_room_is_said_before_the_first_byte(fleet: FleetOfOne, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    fleet.publish("a1")
    fleet.roll_out("a1")
    monkeypatch.setattr("edge.fleet.depot.shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    assert fleet.code() == "update-no-room"
    assert not any("blobs" in path for path in fleet.server.requests)
    monkeypatch.undo()
    assert fleet.code() == ""


def test_without_a_launcher_nothing_is_tried(fleet: FleetOfOne) -> None:
    (fleet.config.run_folder / "launcher.json").unlink()
    fleet.publish("a1")
    fleet.roll_out("a1")
    assert fleet.code() == "update-no-launcher"
    assert fleet.state().slots[Kind.APPLICATION].trial is None
    fleet.launcher_lives()
    assert fleet.code() == ""


def test_the_admin_takes_a_trial_back(fleet: FleetOfOne) -> None:
    fleet.publish("a1")
    fleet.roll_out("a1")
    fleet.check()
    commit(fleet)
    fleet.publish("a2", fleet.files("other"))
    fleet.roll_out("a2")
    assert fleet.code() == ""
    fleet.roll_out("a1")
    assert fleet.code() == ""
    slot = fleet.state().slots[Kind.APPLICATION]
    assert (slot.good, slot.trial, dict(slot.bad)) == ("a1", None, {})
    fleet.roll_out("factory")
    assert fleet.code() == ""
    assert fleet.state().slots[Kind.APPLICATION].good == "factory"


def test_a_pause_stops_what_has_not_begun(fleet: FleetOfOne) -> None:
    fleet.publish("a1")
    fleet.roll_out("a1", paused=True)
    assert fleet.code() == ""
    assert fleet.state().slots[Kind.APPLICATION].good == "factory"
    assert not any("blobs" in path for path in fleet.server.requests)


@pytest.mark.requirement("a release that fails on a box is replaced by the last good one and never tried again")
@pytest.mark.parametrize(
    ("fault", "reason"), [("golden mismatch", "preflight-failed"), ("illegal instruction", "preflight-crashed")]
)
def test_what_fails_before_its_start_is_bad_and_never_tried_again(fleet: FleetOfOne, fault: str, reason: str) -> None:
    fleet.publish("bad", fleet.files(fault))
    fleet.roll_out("bad")
    assert fleet.code() == reason
    slot = fleet.state().slots[Kind.APPLICATION]
    assert (slot.good, slot.trial, dict(slot.bad)) == ("factory", None, {"bad": reason})
    asked = len(fleet.server.requests)
    assert fleet.code() == "update-bad-release"
    assert not any("blobs" in path for path in fleet.server.requests[asked:])
