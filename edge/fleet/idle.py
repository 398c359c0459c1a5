"""Whether now is a moment to change what runs: no exam, enough battery. Looks at the store from the side.

A question that can't be answered is answered with no.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from edge.clock import Clock
from edge.config import Config
from edge.store.images import State

_POWER: Final = Path("/sys/class/power_supply")


def busy(config: Config, clock: Clock, idle_s: float) -> str:
    """Why this is no moment: an image is on its way, or one or an exposure came within `idle_s`. Empty when idle."""
    path = config.data / "calcedge.sqlite"
    if not path.exists():
        return ""
    now = clock.now()
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
        try:
            (waiting,) = connection.execute(
                "SELECT count(*) FROM images WHERE state <> ?", (State.REPORTED.value,)
            ).fetchone()
            since = now.monotonic_ns - int(idle_s * 1e9)
            (recent,) = connection.execute(
                "SELECT (SELECT count(*) FROM images WHERE received_boot = :boot AND received_ns > :since)"
                " + (SELECT count(*) FROM exposures WHERE at_boot = :boot AND at_ns > :since)",
                {"boot": now.boot, "since": since},
            ).fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        return "the store can't be asked"
    if waiting:
        return "an image is being worked on"
    return "an exam may be under way" if recent else ""


def battery_percent(power: Path = _POWER) -> int | None:
    """The least charge of any battery that is not on the mains; None where nothing runs on a battery."""
    try:
        supplies = sorted(power.iterdir())
        on_mains = any(_read(supply / "online") == "1" for supply in supplies)
        charges = [int(text) for supply in supplies if (text := _read(supply / "capacity")).isdigit()]
    except OSError:
        return None
    return None if on_mains or not charges else min(charges)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
