"""What each process says of itself while it lives: small JSON files in a run folder, replaced atomically.

Not durable and not history: after a crash or a reboot a status is simply old, and `Status.age_s` says so. The web
page, the doctor and the supervisor read them; nobody decides anything clinical by them.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.clock import Clock
from edge.disk import writable


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
        with contextlib.suppress(OSError):  # a full disk: nobody hears of us, and we live
            root.mkdir(parents=True, exist_ok=True)

    @property
    def writable(self) -> bool:
        """Whether a status can be published at all: not on a disk that went read-only."""
        return writable(self._root)

    def publish(self, service: str, pid: int, facts: Mapping[str, Any]) -> None:
        """Replaces the service's status."""
        now = self._clock.now()
        text = json.dumps({"pid": pid, "boot": now.boot, "ns": now.monotonic_ns, "facts": dict(facts)})
        temporary, target = self._root / f".{service}.{pid}", self._root / f"{service}.json"
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(target)
        except OSError:
            # A full disk must not end who only wants to say so: what lies there already needs no room.
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            with contextlib.suppress(OSError), target.open("r+b") as file:
                file.write(text.encode().ljust(os.fstat(file.fileno()).st_size))

    def read(self, service: str) -> Status | None:
        """The service's last status, or None when it never spoke, was cut off in a word, or the disk can't give it."""
        try:
            body = json.loads((self._root / f"{service}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        now = self._clock.now()
        age_s = (now.monotonic_ns - body["ns"]) / 1e9 if body["boot"] == now.boot else None
        return Status(service, body["pid"], age_s, body["facts"])
