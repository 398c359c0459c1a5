"""Which release a box should run, decided on the box from the signed rollout document. Rules only.

The decision is stable: raising a percentage never takes a box out, another seed chooses other boxes.

>>> bucket("r41", "box-0001") == bucket("r41", "box-0001")
True
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edge.fleet.documents import Channel, Rule

BUCKETS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Box:
    """Who decides."""

    device: str
    cohorts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Choice:
    """The release to run, and the conditions for changing to it. `release` None: stay as you are."""

    release: str | None
    rule: Rule | None = None


def bucket(seed: str, device: str) -> int:
    """The device's place, 0 to 9999, in the order that `seed` draws."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{device}".encode()).digest()[:8]) % BUCKETS


def choose(channel: Channel, box: Box, now: datetime) -> Choice:
    """What `box` should run. A paused channel changes nothing, pins included.

    Args:
        channel: one kind's part of a verified rollout document.
        box: who decides.
        now: UTC.
    """
    if channel.paused:
        return Choice(None)
    if (pinned := channel.pins.get(box.device)) is not None:
        return Choice(pinned, Rule(release=pinned))
    for rule in channel.rules:
        if _fits(rule, box, now):
            return Choice(rule.release, rule)
    return Choice(channel.default, Rule(release=channel.default) if channel.default else None)


def _fits(rule: Rule, box: Box, now: datetime) -> bool:
    if rule.cohort != "*" and rule.cohort not in box.cohorts:
        return False
    if rule.not_before is not None and now < rule.not_before:
        return False
    return bucket(rule.seed, box.device) < round(rule.percent * (BUCKETS / 100))


def in_window(window: str | None, local: datetime) -> bool:
    """Whether a local time lies in `HH:MM-HH:MM`; the window may span midnight."""
    if window is None:
        return True
    start, end = window.split("-")
    now = local.strftime("%H:%M")
    return start <= now < end if start <= end else now >= start or now < end
