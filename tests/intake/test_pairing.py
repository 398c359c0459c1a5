"""Verdicts in a real store: revised while the window is open, over restarts, and apart for each unit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.clock import Stamp
from edge.intake.pairing import pair
from edge.store import Store, exposures, images
from edge.store.images import Image, State
from edge.store.objects import Digest
from edge.types import Header, Identity, Technique

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
HAND = Technique(50.0, 100.0, 25.0, 2.5)
IDENTITY = Identity("", "", "", "", "", "", "", "", "")
HEADER = Header(IDENTITY, "", "DX", 100, 100, "HAND", "", "", "", "", None, HAND)


class Wall:
    """A clock that the test sets: seconds since noon; each boot's monotonic clock begins anew."""

    def __init__(self) -> None:
        self.at_s, self.boot, self.booted_s, self.trusted = 0.0, "one", -500.0, True

    def now(self) -> Stamp:
        utc = NOON + timedelta(seconds=self.at_s)
        return Stamp(utc, self.trusted, self.boot, round((self.at_s - self.booted_s) * 1e9))

    def monotonic_s(self) -> float:
        return self.at_s - self.booted_s

    def restart(self, boot: str) -> None:
        self.at_s += 30
        self.boot, self.booted_s = boot, self.at_s - 5


class Room:
    """A store, its clock, and what happens in the room."""

    def __init__(self, path: Path) -> None:
        self.wall = Wall()
        self.store = Store.open(path, self.wall)
        self.seq = 0

    def expose(self, at_s: float, *, device: str = "XU-1", mapped: bool = True) -> int:
        self.wall.at_s = max(self.wall.at_s, at_s)
        self.seq += 1
        now = self.wall.now()
        at = replace(
            now,
            utc=NOON + timedelta(seconds=at_s),
            monotonic_ns=now.monotonic_ns - round((self.wall.at_s - at_s) * 1e9),
        )
        technique = (50.0, 100.0, 25.0, 2.5)
        with self.store.transaction() as tx:
            number = exposures.add(tx, (device, 7, self.seq), technique, 1, at, mapped=mapped)
        assert number is not None
        return number

    def image(self, arrives_s: float, acquired_s: float | None, *, ahead_s: float = 0.0) -> int:
        self.wall.at_s = arrives_s
        acquired = None
        if acquired_s is not None:
            acquired = (NOON + timedelta(seconds=acquired_s + ahead_s)).replace(tzinfo=None).isoformat()
        name = hashlib.sha256(f"{arrives_s} {self.seq}".encode()).hexdigest()
        with self.store.transaction() as tx:
            number, _ = images.add(tx, Digest(name, name, 1), "test", None, self.wall.now())
            images.admit(tx, number, replace(HEADER, acquired=acquired), conflicting=False)
            images.move(tx, number, State.RECEIVED, State.ADMITTED)
        return number

    def verdict(self, number: int, device_id: str | None = None) -> tuple[str, int | None, tuple[int, ...]]:
        pair(self.store, device_id)
        with self.store.read() as connection:
            image = images.get(connection, number)
        assert isinstance(image, Image)
        return image.match, image.exposure_id, image.candidates


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    room.store.close()


@pytest.mark.parametrize("zone_s", [0.0, 3600.0, -12_600.0])
def test_the_first_image_of_a_clock_that_is_right_is_matched_at_once(room: Room, zone_s: float) -> None:
    exposure = room.expose(100.0)
    image = room.image(106.0, 100.4, ahead_s=zone_s)
    assert room.verdict(image) == ("matched", exposure, ())
    assert pair(room.store) == 0  # and stays


def test_an_image_is_judged_again_when_its_exposure_is_told_late(room: Room) -> None:
    image = room.image(106.0, 100.4)
    assert room.verdict(image)[0] == "unmatched"
    room.wall.at_s = 140.0
    exposure = room.expose(100.0)
    assert room.verdict(image) == ("matched", exposure, ())


def test_images_of_an_unknown_clock_are_matched_once_five_consent(room: Room) -> None:
    numbers, told = [], []
    for n, at_s in enumerate((100.0, 141.0, 190.0, 222.0, 290.0)):
        told.append(room.expose(at_s))
        numbers.append(room.image(at_s + 6, at_s, ahead_s=3600 + 101.0))
        assert room.verdict(numbers[-1])[0] == ("ambiguous" if n < 4 else "matched")
    assert [room.verdict(number)[1] for number in numbers] == told


@pytest.mark.requirement("identity")
def test_a_restart_forgets_neither_the_exposure_nor_the_clock(room: Room) -> None:
    for at_s in (100.0, 141.0, 190.0, 222.0, 290.0):
        room.expose(at_s)
        room.verdict(room.image(at_s + 6, at_s, ahead_s=101.0))
    before = room.expose(400.0)
    room.wall.restart("two")
    after = room.expose(450.0)
    second = room.image(457.0, 450.0, ahead_s=101.0)
    assert room.verdict(second)[0] == "ambiguous"  # of equal exposures, one hint is not enough
    first = room.image(460.0, 400.0, ahead_s=101.0)
    third = room.expose(521.0)
    assert room.verdict(room.image(524.0, 521.0, ahead_s=101.0))[:2] == ("matched", third)
    assert room.verdict(first)[:2] == ("matched", before)
    assert room.verdict(second)[:2] == ("matched", after)


def test_before_a_restart_a_clock_that_was_not_kept_is_no_evidence(room: Room) -> None:
    room.wall.trusted = False
    before = room.expose(100.0)
    room.wall.restart("two")
    image = room.image(140.0, 100.0)
    assert room.verdict(image) == ("ambiguous", None, (before,))


@pytest.mark.requirement("exposures of another unit are kept apart")
def test_exposures_of_another_unit_are_no_candidates_where_one_is_expected(room: Room) -> None:
    other = room.expose(100.0, device="XU-2")
    image = room.image(106.0, 100.4)
    assert room.verdict(image, "XU-1") == ("unmatched", None, ())
    assert room.verdict(image) == ("matched", other, ())


def test_an_exposure_whose_time_is_not_known_is_named_and_not_matched(room: Room) -> None:
    exposure = room.expose(100.0, mapped=False)
    assert room.verdict(room.image(106.0, 100.0)) == ("ambiguous", None, (exposure,))


def test_after_its_window_an_image_is_left_alone(room: Room) -> None:
    image = room.image(106.0, 100.4)
    assert room.verdict(image)[0] == "unmatched"
    room.wall.at_s = 106.0 + 901
    room.expose(100.0)
    assert room.verdict(image)[0] == "unmatched"
