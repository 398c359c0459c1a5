"""`state.json`: the one durable truth of a box's updates, replaced atomically, written under a lock.

Standard library only: the boot loader reads and writes it. A state that can't be read is the factory's: the box then
runs what came with its image and keeps the unreadable file for service.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from edge.fleet import durable
from edge.fleet.durable import Disk, PosixDisk
from edge.fleet.slots import Kind, Slot, Trial

SCHEMA: Final = 1
_NAME: Final = "state.json"


@dataclass(frozen=True, slots=True)
class State:
    """Everything that must survive.

    Attributes:
        slots: what runs, by kind.
        floors: the lowest epoch that may run, by kind; never lowered.
        serial: the highest serial of a rollout document seen; never lowered.
        floor_time: UTC in ISO 8601; a verified signature proves that it is later than this. Never lowered.
    """

    slots: Mapping[Kind, Slot] = field(default_factory=lambda: MappingProxyType({kind: Slot() for kind in Kind}))
    floors: Mapping[Kind, int] = field(default_factory=lambda: MappingProxyType(dict.fromkeys(Kind, 0)))
    serial: int = 0
    floor_time: str = ""

    def with_slot(self, kind: Kind, slot: Slot) -> State:
        """The state with one slot replaced."""
        return replace(self, slots=MappingProxyType({**self.slots, kind: slot}))


class StateFile:
    """The state of one box, in its folder."""

    def __init__(self, root: Path, disk: Disk | None = None) -> None:
        self.root = root
        self.path = root / _NAME
        self._disk = disk or PosixDisk()

    def read(self) -> State:
        """The state; the factory's when there is none or it can't be read."""
        try:
            return decode(self.path.read_bytes())
        except (OSError, ValueError, KeyError, TypeError):
            return State()

    def change(self, how: Callable[[State], State]) -> State:
        """Applies a change under the lock, durably on return. An unchanged state is not written."""
        durable.folder(self._disk, self.root)
        with _locked(self.root / "state.lock"):
            before = self.read()
            after = how(before)
            if after != before or not self._sound():
                if self.path.exists() and not self._sound():
                    self._disk.rename(self.path, self.path.with_suffix(".unreadable"))
                durable.replace(self._disk, self.path, encode(after))
            return after

    def _sound(self) -> bool:
        try:
            decode(self.path.read_bytes())
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return True


def encode(state: State) -> bytes:
    """The state as JSON."""
    slots = {
        kind.value: {
            "good": slot.good,
            "last": slot.last,
            "trial": None
            if slot.trial is None
            else {"release": slot.trial.release, "boots": list(slot.trial.boots), "starts": slot.trial.starts},
            "bad": dict(slot.bad),
        }
        for kind, slot in state.slots.items()
    }
    body = {
        "schema": SCHEMA,
        "slots": slots,
        "floors": {kind.value: floor for kind, floor in state.floors.items()},
        "serial": state.serial,
        "floor_time": state.floor_time,
    }
    return json.dumps(body, indent=1, sort_keys=True).encode()


def decode(content: bytes) -> State:
    """Reads a state back.

    Raises:
        ValueError, KeyError, TypeError: if it is not one.
    """
    body = json.loads(content)
    if body["schema"] != SCHEMA:
        raise ValueError("a state of another schema")
    return State(
        MappingProxyType({kind: _slot(body["slots"][kind.value]) for kind in Kind}),
        MappingProxyType({kind: int(body["floors"][kind.value]) for kind in Kind}),
        int(body["serial"]),
        str(body["floor_time"]),
    )


def _slot(body: dict[str, Any]) -> Slot:
    trial = body["trial"]
    return Slot(
        str(body["good"]),
        None if body["last"] is None else str(body["last"]),
        Trial(str(trial["release"]), tuple(map(str, trial["boots"])), int(trial["starts"])) if trial else None,
        MappingProxyType({str(release): str(why) for release, why in body["bad"].items()}),
    )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o660)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
