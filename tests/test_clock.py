"""Clocks: intervals on the monotonic one, stamps with a flag."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from edge.clock import Stamp, SystemClock
from edge.runtime import RunFolder

ROOT = Path(__file__).resolve().parent.parent


def test_stamps_of_one_boot_can_be_subtracted_others_can_t() -> None:
    first = Stamp(datetime(2026, 1, 1, tzinfo=UTC), trusted=True, boot="a", monotonic_ns=5_000_000_000)
    later = replace(first, monotonic_ns=7_500_000_000)
    assert later.seconds_since(first) == 2.5
    assert later.seconds_since(replace(first, boot="b")) is None
    assert first.iso == "2026-01-01T00:00:00.000Z"


def test_the_machine_s_clock_goes_forward() -> None:
    clock = SystemClock()
    first, second = clock.now(), clock.now()
    between = second.seconds_since(first)
    assert between is not None
    assert 0 <= between < 5
    assert first.utc.tzinfo is UTC


def test_nobody_else_reads_a_wall_clock() -> None:
    """`time.time`, `datetime.now` and the like stand in edge/clock.py only; a simulated unit has its own."""
    forbidden = {
        ("time", "time"),
        ("datetime", "now"),
        ("datetime", "utcnow"),
        ("datetime", "today"),
        ("date", "today"),
    }

    def reads(path: Path) -> bool:
        calls = (
            node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Attribute)
        )
        return any(isinstance(call.value, ast.Name) and (call.value.id, call.attr) in forbidden for call in calls)

    modules = [*(ROOT / "edge").rglob("*.py"), *(ROOT / "firmware_bridge").rglob("*.py")]
    found = {str(path.relative_to(ROOT)) for path in modules if reads(path)}
    assert {name for name in found if not name.startswith("firmware_bridge/simulator/")} == {"edge/clock.py"}


def test_a_status_grows_old_and_another_boot_has_no_age(tmp_path: Path) -> None:
    class Later(SystemClock):
        boot, ahead_ns = "", 0

        def now(self) -> Stamp:
            stamp = super().now()
            return replace(stamp, boot=self.boot or stamp.boot, monotonic_ns=stamp.monotonic_ns + self.ahead_ns)

    clock = Later()
    run = RunFolder(tmp_path, clock)
    assert run.read("web") is None
    run.publish("web", 42, {"serving": True})
    clock.ahead_ns = 7_000_000_000
    status = run.read("web")
    assert status is not None
    assert status.pid == 42
    assert status.facts == {"serving": True}
    assert status.age_s is not None
    assert 7 <= status.age_s < 12
    clock.boot = "another"
    status = run.read("web")
    assert status is not None
    assert status.age_s is None
