"""Who runs what is decided on the box, stably, and alike everywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.fleet.documents import Blob, Channel, Manifest, Rollout, Rule, dump
from edge.fleet.slots import Kind
from edge.fleet.targeting import Box, bucket, choose, in_window

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
names = st.text("abcdefghij0123456789-", min_size=1, max_size=20)


@given(names, st.floats(0, 100), st.floats(0, 100))
def test_a_higher_percentage_takes_nobody_out(device: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    chosen = [choose(Channel(rules=(Rule(release="r", percent=p, seed="s"),)), Box(device), NOW) for p in (low, high)]
    assert not (chosen[0].release and not chosen[1].release)


def test_shares_are_what_they_say_and_seeds_choose_others() -> None:
    devices = [f"box-{number}" for number in range(20_000)]
    one = {device for device in devices if bucket("s1", device) < 1000}
    two = {device for device in devices if bucket("s2", device) < 1000}
    assert 0.09 < len(one) / len(devices) < 0.11
    assert len(one & two) < 0.02 * len(devices)
    assert bucket("r41", "box-0001") == 611


def test_the_first_rule_that_fits_decides_and_a_pin_before_it() -> None:
    rules = (Rule(cohort="lab", release="new"), Rule(release="older", percent=0), Rule(release="old"))
    channel = Channel(rules=rules, pins={"pinned": "factory"}, default="never")
    assert choose(channel, Box("a", frozenset({"lab"})), NOW).release == "new"
    assert choose(channel, Box("a"), NOW).release == "old"
    assert choose(channel, Box("pinned", frozenset({"lab"})), NOW).release == "factory"
    assert choose(channel.model_copy(update={"paused": True}), Box("pinned"), NOW).release is None
    late = Channel(rules=(Rule(release="new", not_before=NOW + timedelta(hours=1)),))
    assert choose(late, Box("a"), NOW).release is None
    assert choose(late, Box("a"), NOW + timedelta(hours=1)).release == "new"


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [("22:00-05:00", (23, 4), (5, 21)), ("01:00-05:00", (1, 4), (0, 5)), (None, (0,), ())],
)
def test_windows_may_span_midnight(window: str | None, inside: tuple[int, ...], outside: tuple[int, ...]) -> None:
    assert all(in_window(window, NOW.replace(hour=hour)) for hour in inside)
    assert not any(in_window(window, NOW.replace(hour=hour)) for hour in outside)


@pytest.mark.parametrize("path", ["../state.json", "/etc/passwd", "a/../../b", "", "a\nb"])
def test_no_path_leads_out_of_a_release(path: str) -> None:
    with pytest.raises(ValidationError):
        Blob(path=path, sha256="a" * 64, length=1)


def test_documents_are_read_strictly() -> None:
    rollout = Rollout(fleet="clinic", serial=1, channels={Kind.MODEL: Channel(rules=(Rule(release="m1"),))})
    assert Rollout.model_validate_json(dump(rollout)) == rollout
    with pytest.raises(ValidationError):
        Rollout.model_validate_json(dump(rollout).replace(b'"serial"', b'"unless": 1, "serial"'))
    with pytest.raises(ValidationError):
        Manifest(
            kind=Kind.MODEL, release="factory", version="1.0.0", epoch=1, hardware=("any",),
            blobs=(Blob(path="a", sha256="a" * 64, length=1),),
        )  # fmt: skip
