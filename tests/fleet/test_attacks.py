"""The attacks of the TUF specification and ours: refused, said by a code, nothing changed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, TargetFile, Targets

from edge.errors import REASONS, UpdateError
from edge.fleet.documents import dump
from edge.fleet.fetcher import Patience
from edge.fleet.slots import Event, Kind, turn
from edge.fleet.statefile import State, StateFile
from tests.fleet.fleet import NOW, FleetOfOne, days
from tests.fleet.releases import manifest

pytestmark = pytest.mark.requirement("a box runs nothing that its fleet's admin and the release keys did not sign")


def commit(fleet: FleetOfOne) -> None:
    StateFile(fleet.root).change(lambda s: s.with_slot(Kind.APPLICATION, turn(s.slots[Kind.APPLICATION], Event.PASS)))


@pytest.fixture
def running(fleet: FleetOfOne) -> FleetOfOne:
    """A box that runs a1, epoch 1, well."""
    fleet.publish("a1")
    fleet.roll_out("a1")
    fleet.check()
    commit(fleet)
    fleet.code()
    return fleet


def refused(fleet: FleetOfOne, code: str, patience: Patience | None = None) -> None:
    before = fleet.snapshot()
    assert fleet.code(patience) == code
    assert code in REASONS
    assert fleet.snapshot() == before


# -- stolen keys --


def test_a_stolen_rollouts_key_can_name_signed_releases_only(running: FleetOfOne) -> None:
    from edge.fleet.admin.console import settle
    from edge.fleet.documents import Channel, Rollout

    channel = settle(Channel(), "evil", "r")
    running.console.publish(Rollout(fleet="clinic", serial=9, channels={Kind.APPLICATION: channel}))
    refused(running, "update-not-signed")


def test_a_stolen_rollouts_key_can_t_sign_a_release(running: FleetOfOne) -> None:
    files = running.files("evil")
    for content in files.values():
        running.admin.add_blob(content)
    evil = dump(manifest(Kind.APPLICATION, "evil", files))
    with pytest.raises(UpdateError) as refusal:
        running.admin.propose("rollouts", "releases/application/evil.json", evil)
    assert refusal.value.reason.code == "fleet-repository"
    _force(running, "rollouts", "releases/application/evil.json", evil)
    channel = running.console.current().channels[Kind.APPLICATION].model_copy(update={"default": "evil"})
    document = running.console.current().model_copy(update={"serial": 50, "channels": {Kind.APPLICATION: channel}})
    running.console.publish(document)
    refused(running, "update-not-signed")


def _force(fleet: FleetOfOne, role: str, path: str, content: bytes) -> None:
    """What a thief does: signs with the stolen key whatever he likes."""
    metadata: Metadata[Targets] = fleet.admin._next(role)
    metadata.signed.targets[path] = TargetFile.from_data(path, content)
    target = fleet.admin._target_path(path, metadata.signed.targets[path].hashes["sha256"])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    fleet.admin._sign_all(role, metadata)
    fleet.admin._publish(role, metadata)
    fleet.admin.freshen(force=True)


def test_a_stolen_rollouts_key_can_t_lock_boxes_out_by_a_high_floor(running: FleetOfOne) -> None:
    running.roll_out("a1", floor_epoch=10**6)
    assert running.code() == ""
    assert running.state().floors[Kind.APPLICATION] == 1
    running.publish("a2", running.files("two"))
    running.roll_out("a2", floor_epoch=10**6)
    assert running.code() == ""
    assert running.state().slots[Kind.APPLICATION].running == "a2"


def test_one_of_two_release_keys_is_not_enough(running: FleetOfOne) -> None:
    files = running.files("evil")
    for content in files.values():
        running.admin.add_blob(content)
    running.admin.propose("releases", "releases/application/evil.json", dump(manifest(Kind.APPLICATION, "evil", files)))
    assert running.admin.sign("releases", running.admin.keys.signer("releases-1")) == 1
    assert running.admin.sign("releases", running.admin.keys.signer("releases-1")) == 1  # twice is still one
    pending = running.admin.pending("releases")
    assert pending is not None
    running.admin._write("releases", pending)  # the thief puts it into the repository all the same
    running.admin.freshen(force=True)
    running.roll_out("evil")
    refused(running, "update-untrusted")


def test_a_foreign_key_signs_nothing(running: FleetOfOne) -> None:
    running.publish("a2", running.files("two"))
    metadata: Metadata[Targets] = running.admin._next("releases")
    for _ in range(2):
        metadata.sign(CryptoSigner.generate_ed25519(), append=True)
    running.admin._write("releases", metadata)
    running.admin.freshen(force=True)
    running.roll_out("a2")
    refused(running, "update-untrusted")


@pytest.mark.parametrize("name", ["rollouts", "releases-1", "timestamp", "snapshot"])
def test_a_key_is_replaced_and_the_old_one_counts_no_more(running: FleetOfOne, name: str) -> None:
    role, _ = running.admin.keys.find(name)
    thief = running.admin.keys.signer(name)
    assert running.admin.rotate(name) == 0
    running.publish("a2", running.files("two"))
    running.roll_out("a2")
    assert running.code() == ""
    assert running.state().slots[Kind.APPLICATION].running == "a2"
    metadata = running.admin._next(role)
    metadata.sign(thief, append=True)
    running.admin._write(role, metadata)
    if role in ("rollouts", "releases"):
        running.admin.freshen(force=True)
    before = running.snapshot()
    code = running.code()
    assert code in ("update-untrusted", "update-on-trial" if role in ("snapshot", "releases") else "")
    assert running.snapshot() == before


def test_the_root_is_renewed(running: FleetOfOne) -> None:
    assert running.admin.renew("root") == 0
    assert running.admin.renew("targets") == 0
    running.roll_out("a1", paused=True)
    assert running.code() == ""


# -- a hostile or broken repository --


def test_replay_of_an_older_state(running: FleetOfOne) -> None:
    old = running.folder / "old"
    shutil.copytree(running.admin.root, old)
    running.publish("a2", running.files("two"))
    running.roll_out("a2", paused=True)
    assert running.code() == ""
    _restore(old, running.admin.root)
    refused(running, "update-untrusted")


def test_replay_to_a_box_whose_cache_was_lost(running: FleetOfOne) -> None:
    old = running.folder / "old"
    shutil.copytree(running.admin.root, old)
    running.roll_out("a1", paused=True)
    assert running.code() == ""
    _restore(old, running.admin.root)
    shutil.rmtree(running.root / "tuf")
    refused(running, "update-replayed")


def _restore(old: Path, root: Path) -> None:
    shutil.rmtree(root)
    shutil.copytree(old, root)


def test_freeze_is_found_when_the_timestamp_expires(running: FleetOfOne, later: Callable[[float], None]) -> None:
    running.publish("a2", running.files("two"))
    running.roll_out("a2")
    later(15)
    refused(running, "update-expired")


def test_mix_and_match(running: FleetOfOne) -> None:
    folder = running.admin.root / "metadata"
    version = running.admin._version("rollouts")
    old = (folder / f"{version}.rollouts.json").read_bytes()
    running.roll_out("a1", paused=True)
    (folder / f"{version + 1}.rollouts.json").write_bytes(old)
    refused(running, "update-untrusted")


def test_endless_metadata(running: FleetOfOne) -> None:
    def endless(handler: BaseHTTPRequestHandler, _: bytes) -> bool:
        if "timestamp" not in handler.path:
            return False
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        try:
            while True:
                handler.wfile.write(b"0" * 65536)
                running.server.body_bytes += 65536
        except OSError:
            return True

    running.server.fault = endless
    refused(running, "update-untrusted")
    assert running.fetchers[-1].traffic.body_bytes < 1_000_000


def test_an_endless_blob(running: FleetOfOne) -> None:
    running.publish("a2", running.files("two"))
    running.roll_out("a2")

    def endless(handler: BaseHTTPRequestHandler, _: bytes) -> bool:
        if "blobs" not in handler.path:
            return False
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        try:
            while True:
                handler.wfile.write(b"\0" * 65536)
        except OSError:
            return True

    running.server.fault = endless
    refused(running, "update-damaged")
    assert running.fetchers[-1].traffic.body_bytes < 1_000_000
    assert not list((running.root / "blobs").glob("*.part"))


def test_slow_retrieval(running: FleetOfOne) -> None:
    running.roll_out("a1", paused=True)

    def drip(handler: BaseHTTPRequestHandler, content: bytes) -> bool:
        if "timestamp" not in handler.path:
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.close_connection = True
        try:
            for byte in content:
                handler.wfile.write(bytes([byte]))
                time.sleep(0.02)
        except OSError:
            pass
        return True

    running.server.fault = drip
    started = time.monotonic()
    refused(running, "update-slow", Patience(metadata_s=1.0))
    assert time.monotonic() - started < 5


def test_a_blob_that_is_not_the_signed_one(running: FleetOfOne) -> None:
    made = running.publish("a2", running.files("two"))
    running.roll_out("a2")
    blob = running.admin.root / "targets" / "releases" / "blobs" / made.blobs[0].sha256
    blob.write_bytes(b"\0" * made.blobs[0].length)
    refused(running, "update-damaged")


# -- signed, and still not for this box --


def test_a_downgrade_below_the_floor(running: FleetOfOne) -> None:
    running.publish("a5", running.files("five"), epoch=5)
    running.roll_out("a5")
    assert running.code() == ""
    commit(running)
    running.roll_out("a5", floor_epoch=5)
    assert running.code() == ""
    running.roll_out("a1", floor_epoch=0)
    refused(running, "update-below-floor")
    assert running.state().floors[Kind.APPLICATION] == 5


def test_wrong_hardware(running: FleetOfOne) -> None:
    running.publish("a2", running.files("two"), hardware=("s390x",))
    running.roll_out("a2")
    refused(running, "update-wrong-hardware")
    running.publish("a3", running.files("three"), python="cp39")
    running.roll_out("a3")
    refused(running, "update-wrong-hardware")


def test_a_model_for_a_newer_application(running: FleetOfOne) -> None:
    from edge.fleet.documents import Needs

    running.publish("m1", {"a.onnx": b"A"}, Kind.MODEL, needs=Needs(application="99.0.0"))
    running.roll_out("m1", Kind.MODEL)
    before = running.snapshot()
    assert running.code(kind=Kind.MODEL) == "update-needs-application"
    assert running.snapshot() == before


def test_another_fleet_s_document(running: FleetOfOne) -> None:
    from edge.fleet.documents import Rollout

    running.admin.propose("rollouts", "rollouts/clinic.json", dump(Rollout(fleet="other", serial=99)))
    running.admin.sign("rollouts", running.admin.keys.signer("rollouts"))
    refused(running, "update-untrusted")


# -- clocks --


@pytest.fixture
def later(fleet: FleetOfOne, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the box's clock: ours, and the one that python-tuf reads."""

    def set_clock(count: float) -> None:
        moment = NOW + days(count)
        fleet.clock.utc = moment
        fleet.clock.trusted = False

        class Shifted(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
                return moment if tz else moment.replace(tzinfo=None)

        monkeypatch.setattr("tuf.ngclient._internal.trusted_metadata_set.datetime.datetime", Shifted)

    return set_clock


@pytest.mark.parametrize(
    ("moment", "code"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), ""),
        (NOW + days(20), "update-expired"),
        (NOW + days(400), "update-expired"),
        (datetime(2100, 1, 1, tzinfo=UTC), "update-expired"),
    ],
    ids=["1970", "+20 days", "+400 days", "2100"],
)
def test_a_wrong_clock_never_stops_what_runs(
    running: FleetOfOne, later: Callable[[float], None], moment: datetime, code: str
) -> None:
    later((moment - NOW).total_seconds() / 86400)
    refused(running, code or "") if code else running.code()
    assert running.state().slots[Kind.APPLICATION].running == "a1"


def test_old_metadata_to_a_box_with_its_clock_set_back(running: FleetOfOne, later: Callable[[float], None]) -> None:
    """The signed time floor: what had expired by a time that a signature proves stays expired."""
    later(-16)
    running.admin.freshen(force=True)  # made 16 days ago by the admin's clock
    floor = (NOW - days(1)).isoformat()
    StateFile(running.root).change(lambda s: State(s.slots, s.floors, s.serial, floor))
    refused(running, "update-clock-behind")


def test_one_stolen_timestamp_key_can_t_push_the_floor_into_the_future(running: FleetOfOne) -> None:
    metadata = running.admin._next("timestamp")
    metadata.signed.snapshot_meta = running.admin.newest("timestamp").signed.snapshot_meta
    metadata.signed.expires = datetime(2100, 1, 1, tzinfo=UTC)
    running.admin._sign_all("timestamp", metadata)
    running.admin._write("timestamp", metadata)
    assert running.code() == ""
    assert datetime.fromisoformat(running.state().floor_time) <= running.clock.utc


# -- the cache after a power cut --


@pytest.mark.parametrize("name", ["timestamp", "snapshot", "targets", "releases", "rollouts", "root"])
def test_a_zeroed_cache_file_is_fetched_again(running: FleetOfOne, name: str) -> None:
    path = running.root / "tuf" / f"{name}.json"
    path.unlink()
    path.write_bytes(b"")
    running.publish("a2", running.files("two"))
    running.roll_out("a2")
    assert running.code() == ""
    assert running.state().slots[Kind.APPLICATION].running == "a2"


def test_trust_begins_with_the_root_that_came_with_the_box(running: FleetOfOne, tmp_path: Path) -> None:
    foreign = FleetOfOne(tmp_path / "foreign")
    try:
        running.use(foreign.server.url)
        refused(running, "update-untrusted")
    finally:
        foreign.close()
