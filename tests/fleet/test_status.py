"""What leaves a box: durable until confirmed, bounded, and without patient data."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge.clock import Stamp, SystemClock
from edge.config import Config, Fleet
from edge.errors import reason
from edge.fleet import metrics
from edge.fleet import outbox as outboxes
from edge.fleet.admin.collect import BrokerSource, FolderSource
from edge.fleet.admin.ledger import Ledger
from edge.fleet.agent import Agent
from edge.fleet.fetcher import Tls
from edge.fleet.link import MqttLink, topic
from edge.fleet.messages import UpdateStatus, encode
from edge.fleet.outbox import Outbox
from edge.fleet.slots import Event, Kind, turn
from edge.fleet.statefile import StateFile
from edge.fleet.update import Outcome, Step
from edge.runtime import RunFolder
from edge.store import Store, events, images
from edge.store.objects import Digest
from tests.fleet.test_crowd import mosquitto
from tests.peers.waiting import wait_for

NAME = "ZEBEDEE^QUILLIAM"
NUMBER = "PAT-7734921"


def planted(tmp_path: Path) -> Config:
    """A box whose store, run folder, and state hold a patient's name wherever one could get in."""
    data = tmp_path / "box"
    store = Store.open(data)
    stamp = Stamp(datetime.now(UTC), trusted=True, boot="b", monotonic_ns=1)
    with store.transaction() as tx:
        images.add(tx, Digest("a" * 64, "b" * 64, 10), f"dicom:{NAME}@host", f"1.2.{NUMBER}", stamp)
        events.append(tx, stamp, NAME, "service-started", NAME, detail=NUMBER)
    store.close()
    run = RunFolder(data / "run", SystemClock())
    run.publish("analyze", 1, {"patient": NAME, "reason": NUMBER})
    StateFile(data / "fleet").change(
        lambda s: s.with_slot(Kind.MODEL, turn(s.slots[Kind.MODEL], Event.REJECT, release="m1", why=NUMBER))
    )
    return Config(data=data, fleet=Fleet(device="box-1", name="clinic", broker=(tmp_path / "messages").as_uri()))


@pytest.mark.requirement("no patient data leaves the box with status messages or metrics")
def test_no_patient_data_leaves(tmp_path: Path) -> None:
    config = planted(tmp_path)
    agent = Agent(config, SystemClock(), ())
    steps = {Kind.MODEL: Step(NAME, NAME, NUMBER, reason("update-waiting", detail=NAME).text)}
    agent.report(Outcome("update-waiting", f"{NAME}", steps), most_s=5)
    sent = b"".join(path.read_bytes() for path in (tmp_path / "messages").rglob("*") if path.is_file())
    kept = b"".join(path.read_bytes() for path in (config.fleet_root).glob("status.sqlite*"))
    metrics = (config.run_folder / "calcedge.prom").read_bytes()
    assert b"update-waiting" in sent
    for part in (*NAME.split("^"), NUMBER, "7734921"):
        assert part.encode() not in sent + kept + metrics
        assert part.lower().encode() not in (sent + kept + metrics).lower()


def test_every_word_of_a_message_is_on_the_list(tmp_path: Path) -> None:
    """The shape of what leaves, field by field: who adds one must add it here."""
    agent = Agent(planted(tmp_path), SystemClock(), ())
    outbox = Outbox(tmp_path / "o.sqlite")
    update = json.loads(encode(agent.update_status(outbox)))
    health = json.loads(encode(agent.health(outbox)))
    outbox.close()
    assert set(update) == {"schema", "origin", "hardware", "cohorts", "serial", "code", "kinds"}
    assert set(update["kinds"]["model"]) == {"good", "trial", "wanted", "rollout", "code", "bad"}
    assert set(update["origin"]) == {"boot", "seq", "utc", "clock_trusted"}
    counts = {"free_mb", "waiting_images", "analysed", "with_findings", "not_analysed", "down"}
    assert set(health) == {"schema", "origin"} | counts
    assert health["waiting_images"] == 1


def test_messages_wait_until_they_are_confirmed(tmp_path: Path) -> None:
    path = tmp_path / "o.sqlite"
    outbox = Outbox(path)
    outbox.put("t/update", b"1", retain=True)
    outbox.put("t/update", b"2", retain=True)
    outbox.put("t/health", b"3", retain=False)
    outbox.close()
    outbox = Outbox(path)
    assert [(m.topic, m.payload) for m in outbox.waiting()] == [("t/update", b"2"), ("t/health", b"3")]
    outbox.confirm(outbox.waiting()[0].id)
    assert [m.payload for m in outbox.waiting()] == [b"3"]
    outbox.close()


def test_the_outbox_is_bounded_and_health_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "MOST", 5)
    outbox = Outbox(tmp_path / "o.sqlite")
    outbox.put("t/update", b"u", retain=True)
    for number in range(10):
        outbox.put("t/health", str(number).encode(), retain=False)
    assert [m.payload for m in outbox.waiting()] == [b"u", b"6", b"7", b"8", b"9"]
    outbox.close()


@pytest.mark.needs("mosquitto")
def test_a_box_and_its_admin_over_a_broker_that_goes_away(tmp_path: Path, free_port: Callable[[], int]) -> None:
    port = free_port()
    outbox = Outbox(tmp_path / "o.sqlite")
    agent = Agent(planted(tmp_path), SystemClock(), ())
    link = MqttLink(f"mqtt://127.0.0.1:{port}", "clinic", "box-1", "b", Tls())
    source = BrokerSource(f"mqtt://127.0.0.1:{port}", "clinic", Tls())
    ledger = Ledger(tmp_path / "ledger.sqlite", SystemClock())
    outbox.put(topic("clinic", "box-1", "update"), encode(agent.update_status(outbox)), retain=True)
    link.send(outbox.waiting())
    assert link.confirmed() == []  # nobody is there yet
    with mosquitto(tmp_path, port):
        end = time.monotonic() + 90
        while (outbox.waiting() or not ledger.devices() or not ledger.devices()[0].kinds) and time.monotonic() < end:
            for number in link.confirmed():
                outbox.confirm(number)
            link.send(outbox.waiting())
            ledger.record(source.take())
            threading.Event().wait(0.1)
        assert outbox.waiting() == []
        (row,) = ledger.devices()
        assert row.device == "box-1"
        assert row.kinds["model"]["good"] == "factory"
        source.nudge()
        while not link.nudged() and time.monotonic() < end:
            threading.Event().wait(0.05)
        assert time.monotonic() < end
    link.close()
    source.close()
    outbox.close()
    ledger.close()


def test_messages_from_a_folder_are_taken_once(tmp_path: Path) -> None:
    agent = Agent(planted(tmp_path), SystemClock(), ())
    agent.report(Outcome(), most_s=5)
    source = FolderSource(tmp_path / "messages" / "clinic")
    ledger = Ledger(tmp_path / "ledger.sqlite", SystemClock())
    assert ledger.record(source.take()) == 2
    assert source.take() == []
    assert [row.device for row in ledger.devices()] == ["box-1"]
    ledger.close()


def test_what_changes_while_a_message_is_written_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keeper commits just then: the admin must not have to wait for the next sign of life."""
    config = planted(tmp_path)
    agent, stop = Agent(config, SystemClock(), ()), threading.Event()
    write, told = metrics.write, []

    def commits(path: Path, status: UpdateStatus, *rest: Any) -> None:
        write(path, status, *rest)
        told.append(status.kinds["model"].bad)
        if len(told) == 2:  # the first check is over: nothing else will change
            StateFile(config.fleet_root).change(
                lambda s: s.with_slot(
                    Kind.MODEL, turn(s.slots[Kind.MODEL], Event.REJECT, release="m2", why="trial-hung")
                )
            )

    monkeypatch.setattr(metrics, "write", commits)
    watching = threading.Thread(target=agent.watch, args=(stop,))
    watching.start()
    try:
        wait_for(lambda: len(told) > 2, 30)
    finally:
        stop.set()
        watching.join()
    assert "m2" not in told[1]
    assert told[2]["m2"] == "trial-hung"


def test_nonsense_from_a_broker_is_left_out(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", SystemClock())
    taken = ledger.record(
        [
            ("xray/1/clinic/box-1/update", b"\xff"),
            ("xray/1/clinic/box-1/update", b"[]"),
            ("other", b"{}"),
            ("xray/1/a", b""),
        ]
    )
    assert taken == 0
    ledger.close()
