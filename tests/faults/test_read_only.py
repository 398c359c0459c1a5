"""The disk takes nothing any more, while the line lives or before it starts: nothing is acknowledged that isn't there.

An error in an ext4 file system makes it read-only for good (`errors=remount-ro`, as on a Debian box), under whoever has
what open; a boot that checks it brings it back. A disk that is mounted read-only can be remounted under the processes.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from pynetdicom import AE
from pynetdicom.presentation import build_context

from edge.clock import SystemClock
from edge.disk import writable
from edge.errors import REASONS, StoreError
from edge.intake.scp import OUT_OF_RESOURCES, SUCCESS
from edge.people.register import Register
from edge.people.roles import Role
from edge.runtime import RunFolder
from edge.services.supervisor import SILENT_S
from edge.store import Store
from edge.store.objects import PUT, Objects
from tests.faults.conftest import make_world
from tests.faults.disk import Disk, disk
from tests.faults.examine import contradictions, examine
from tests.faults.line import Answers, HandClock, live
from tests.faults.several import PARTS, at_each
from tests.peers.appliance import Appliance
from tests.peers.hands import new_hand
from tests.peers.waiting import wait_for

pytestmark = pytest.mark.needs("mkfs.ext4", "fsck.ext4", "losetup", "findmnt")
_LARGE = 400_000_000
_RESERVE = "[intake]\nreserve_mb = 0"
_POINTS = 340
"""A life has some 332; where it ends before the point, nothing fails."""
_BOOT_S = 2.0
"""So long after the failure somebody switches the box off and on."""


def _fail_at(folder: Path, answers: Answers, point: int) -> list[str]:
    """What is wrong after the disk failed at a point of the line, and after a boot and another life.

    On a disk of its own: a life leaves more than half of one behind.
    """
    own = folder / f"at-{point}"
    with disk(own) as small:
        wrong = _fail(small, answers, point)
    shutil.rmtree(own)
    return [f"at point {point}: {what}" for what in wrong]


def _fail(small: Disk, answers: Answers, point: int) -> list[str]:
    root, seen, pid = small.top / "line", 0, 0
    world = make_world(small.image.parent / "world")

    def born(number: int) -> None:
        nonlocal pid
        pid = number

    def look(_what: str) -> None:
        nonlocal seen
        seen += 1
        if seen == point:
            small.fail()
            boot.start()

    with world.listening():
        boot = threading.Timer(_BOOT_S, lambda: os.kill(pid, signal.SIGKILL))
        first = live(root, world, answers, born=born, look=look)
        boot.cancel()
        small.mend()
        wrong = contradictions(root, world, answers)
        second = live(root, world, answers)
    wrong += [] if first.code in (0, 3, -signal.SIGKILL) else [f"ended with {first.code}: {first.complaint}"]
    wrong += [f"the sender was told {status:#06x}" for status in set(world.refused) - {OUT_OF_RESOURCES}]
    wrong += examine(root, world, answers) if second.code == 0 else [f"did not go on: {second.complaint}"]
    return wrong


@pytest.mark.requirement("nothing lost")
def test_the_disk_fails_at_some_writes(quick_path: Path, answers: Answers) -> None:
    assert at_each(partial(_fail_at, quick_path, answers), (3, 40, 130, 250)) == []


@pytest.mark.soak
@pytest.mark.requirement("nothing lost")
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_disk_fails_at_every_write(quick_path: Path, answers: Answers, part: int) -> None:
    assert at_each(partial(_fail_at, quick_path, answers), range(1, _POINTS + 1)[part::PARTS]) == []


def test_what_a_failed_disk_refuses_is_told_and_ends_nobody(small: Disk) -> None:
    objects, run = Objects(small.top / "data"), RunFolder(small.top / "run", SystemClock())
    kept = objects.put(b"kept")
    left = objects.temporary(PUT)
    left.touch()
    run.publish("web", 1, {"serving": True})
    assert (writable(small.top), run.writable) == (True, True)
    small.fail()
    # Nobody is to be ended for a silence that isn't their own.
    assert (writable(small.top), run.writable) == (False, False)
    with pytest.raises(StoreError, match="store-unusable"):
        objects.put(b"more")
    objects.sweep_incoming(PUT)
    assert objects.sweep_orphans({kept}) == 0
    run.publish("web", 1, {"serving": False})
    assert objects.read(kept) == b"kept"
    small.mend()
    Objects(small.top / "data").sweep_incoming(PUT)
    assert not left.exists()


def test_who_is_signed_in_when_the_disk_fails_stays_so(small: Disk) -> None:
    clock = HandClock()
    store = Store.open(small.top / "data", clock)
    register = Register(store)
    number = register.add("tester", Role.ADMIN, pin="482913", actor="test")
    session = register.follow(register.link(number, within_s=60.0, once=True), kiosk=True)
    assert session
    clock.ahead_s += 200.0  # long enough ago that its use would be noted again
    small.fail()
    assert register.person(session, touch=True)
    store.close()


def test_a_store_on_a_disk_that_is_read_only_from_the_start(small: Disk) -> None:
    Store.open(small.top / "data").close()
    small.remount("ro")
    with pytest.raises(StoreError, match="store-unusable"):
        Store.open(small.top / "data")
    small.remount("rw")
    Store.open(small.top / "data").close()


def _offer(appliance: Appliance, number: int) -> int | None:
    """What a C-STORE of an image is answered with; None when nobody answers."""
    image = new_hand(number)
    node = AE(ae_title="UNIT")
    contexts = [build_context(image.SOPClassUID, image.file_meta.TransferSyntaxUID)]
    association = node.associate("127.0.0.1", appliance.dicom_port, contexts, "CALCEDGE")
    if not association.is_established:
        return None
    try:
        return int(association.send_c_store(image).Status)
    finally:
        association.release()


def _long_lived(appliance: Appliance) -> dict[str, int]:
    return {name: process.pid for name, process in appliance.named().items() if name != "darkroom"}


@contextmanager
def _at_work(folder: Path) -> Iterator[tuple[Disk, Appliance]]:
    """An appliance on a disk of its own, not running, that has taken and delivered its first image."""
    with disk(folder, _LARGE) as mounted:
        appliance = Appliance(mounted.top / "box", _RESERVE)
        with appliance:
            _take(appliance, 0)
        yield mounted, appliance


@contextmanager
def _running(appliance: Appliance, when: str) -> Iterator[None]:
    """Runs it, and tells how long its start took; on a busy machine that is many times the processor's time."""
    began_s = time.monotonic()
    with appliance:
        used_s = sum(sum(process.cpu_times()[:2]) for process in appliance.processes())
        print(f"{when}: ready after {time.monotonic() - began_s:.1f} s, {used_s:.1f} s of a processor", flush=True)
        yield


def _take(appliance: Appliance, number: int) -> None:
    """The image is taken, and with all before it delivered, each once."""
    assert _offer(appliance, number) == SUCCESS
    done = appliance.wait_delivered(number + 1, within_s=120)
    wanted = [str(new_hand(each).SOPInstanceUID) for each in range(number + 1)]
    assert sorted(image.sop_instance_uid or "" for image, _ in done) == sorted(wanted)


@pytest.mark.soak
@pytest.mark.requirement("nothing lost")
@pytest.mark.timeout(1800)
def test_the_whole_appliance_on_a_disk_that_fails(tmp_path: Path) -> None:
    """Nobody ends for it, images are refused in the right words, the page says why; a boot brings all to its end."""
    with _at_work(tmp_path) as (mounted, appliance):
        with _running(appliance, "before"):
            before = _long_lived(appliance)
            mounted.fail()
            told = [_offer(appliance, 1)]
            wait_for(lambda: b"store-unusable" in appliance.get("/health")[1], 60)
            threading.Event().wait(SILENT_S + 10)
            told.append(_offer(appliance, 1))
            assert b"store-unusable" in appliance.get("/health")[1]
            after = _long_lived(appliance)
        assert told == [OUT_OF_RESOURCES, OUT_OF_RESOURCES]
        assert after == before
        mounted.mend()
        with _running(appliance, "after the boot"):
            _take(appliance, 1)


@pytest.mark.soak
@pytest.mark.requirement("nothing lost")
@pytest.mark.timeout(1800)
def test_the_whole_appliance_on_a_disk_that_is_read_only_from_the_start(tmp_path: Path) -> None:
    """The page says why there is none, nothing listens for images; all begins by itself when the disk is back."""
    with _at_work(tmp_path) as (mounted, appliance):
        mounted.remount("ro")
        appliance.folder = tmp_path  # its log
        appliance.start()
        try:
            wait_for(lambda: b"store-unusable" in appliance.get("/health")[1], 60)
            status, page = appliance.get("/")
            assert (status, REASONS["store-unusable"].do.encode() in page) == (503, True)
            assert _offer(appliance, 1) is None
            mounted.remount("rw")
            appliance.wait_ready(120)
            _take(appliance, 1)
        finally:
            appliance.__exit__()
