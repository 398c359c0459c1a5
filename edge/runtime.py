"""What each process says of itself while it lives: small JSON files in a run folder, replaced atomically.

Not durable and not history: after a crash or a reboot a status is simply old, and `Status.age_s` says so. The web
page, the doctor and the supervisor read them; nobody decides anything clinical by them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.clock import Clock


@dataclass(frozen=True, slots=True)
class Status:
    """The last words of one process. `age_s` counts on the monotonic clock; None means another boot."""

    service: str
    pid: int
    age_s: float | None
    facts: Mapping[str, Any]


class RunFolder:
    """The run folder of one appliance."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root = root
        self._clock = clock
        root.mkdir(parents=True, exist_ok=True)

    def publish(self, service: str, pid: int, facts: Mapping[str, Any]) -> None:
        """Replaces the service's status."""
        now = self._clock.now()
        text = json.dumps({"pid": pid, "boot": now.boot, "ns": now.monotonic_ns, "facts": dict(facts)})
        temporary = self._root / f".{service}.{pid}"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self._root / f"{service}.json")

    def read(self, service: str) -> Status | None:
        """The service's last status, or None when it never spoke."""
        try:
            body = json.loads((self._root / f"{service}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        now = self._clock.now()
        age_s = (now.monotonic_ns - body["ns"]) / 1e9 if body["boot"] == now.boot else None
        return Status(service, body["pid"], age_s, body["facts"])
