"""The site's thresholds: within the release's bounds, for that release alone, and on record."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.people import site, thresholds
from edge.people.thresholds import OutOfBoundsError, Release
from edge.store import Store, events, settings
from edge.types import Bounds, OperatingPoints, Range

OWN = OperatingPoints(0.8487, 0.9233)
RELEASE = Release("ab" * 32, "hand 0.3.0", OWN, Bounds(Range(0.7, 0.93), Range(0.83, 0.96)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with contextlib.closing(Store.open(tmp_path, SystemClock())) as opened:
        yield opened


def used(store: Store, release: Release = RELEASE) -> OperatingPoints | None:
    return thresholds.points_for(store, release.model_sha256)


@pytest.mark.requirement(
    "a site moves thresholds within the model's bounds, and the audit trail tells who and from where"
)
def test_points_are_kept_and_told(store: Store) -> None:
    assert used(store) is None
    assert thresholds.choose(store, RELEASE, OperatingPoints(0.75, 0.9), "Ann") == OperatingPoints(0.75, 0.9)
    assert used(store) == OperatingPoints(0.75, 0.9)
    thresholds.choose(store, RELEASE, OperatingPoints(0.8, 0.9), "Bo")
    thresholds.give_back(store, RELEASE, "Cy")
    assert used(store) is None
    with store.read() as connection:
        told = [
            (event.actor, event.subject, event.detail["possible"], event.detail["definite"], event.detail["by"])
            for event in reversed(events.latest(connection, 10))
        ]
        assert events.broken_link(connection) is None
    assert told == [
        ("Ann", "setting:thresholds", "0.8487 to 0.75", "0.9233 to 0.9", "site"),
        ("Bo", "setting:thresholds", "0.75 to 0.8", "0.9 to 0.9", "site"),
        ("Cy", "setting:thresholds", "0.8 to 0.8487", "0.9 to 0.9233", "release"),
    ]


@pytest.mark.parametrize(
    ("possible", "definite"),
    [(0.69, 0.9), (0.94, 0.95), (0.75, 0.82), (0.75, 0.97), (0.93, 0.9), (float("nan"), 0.9), (0.75, float("inf"))],
)
def test_what_the_release_does_not_allow_is_not_kept(store: Store, possible: float, definite: float) -> None:
    with pytest.raises(OutOfBoundsError):
        thresholds.choose(store, RELEASE, OperatingPoints(possible, definite), "Ann")
    assert used(store) is None
    with store.read() as connection:
        assert events.latest(connection, 1) == []


def test_a_release_without_bounds_allows_its_own_alone(store: Store) -> None:
    fixed = replace(RELEASE, bounds=None)
    with pytest.raises(OutOfBoundsError):
        thresholds.choose(store, fixed, OperatingPoints(0.8, 0.9), "Ann")
    assert thresholds.choose(store, fixed, OWN, "Ann") == OWN


def test_what_reads_like_the_release_s_own_is_its_own(store: Store) -> None:
    assert thresholds.choose(store, RELEASE, OperatingPoints(0.85, 0.95), "Ann") == OperatingPoints(0.8487, 0.95)
    assert thresholds.choose(store, RELEASE, OperatingPoints(0.85, 0.92), "Ann") == OWN
    assert used(store) is None


@pytest.mark.requirement("a threshold belongs to one version of one model")
def test_points_hold_for_their_release_alone_and_again_when_it_comes_back(store: Store) -> None:
    thresholds.choose(store, RELEASE, OperatingPoints(0.75, 0.9), "Ann")
    newer = replace(RELEASE, model_sha256="cd" * 32, name="hand 0.4.0")
    assert used(store, newer) is None
    left = thresholds.chosen(store)
    assert left is not None
    assert left.release == "hand 0.3.0"
    assert used(store) == OperatingPoints(0.75, 0.9)


@pytest.mark.parametrize(
    "kept", [{"possible": 0.5}, "x", {"model_sha256": "a", "release": "b", "possible": 7, "definite": 1}]
)
def test_what_another_application_kept_and_nobody_understands_means_the_release_s_own(
    store: Store, kept: object
) -> None:
    with store.transaction() as tx:
        settings.put(tx, "thresholds", kept, store.clock.now())
    assert thresholds.chosen(store) is None
    assert site.read(store) == site.Site()  # the other settings don't mind
