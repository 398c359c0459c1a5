"""The only place that reads clocks.

Intervals use the monotonic clock of the machine (CLOCK_BOOTTIME: it goes on through suspend and is shared by all
processes of one boot). Stamps are UTC with a flag that says whether the clock could be trusted.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Protocol

_NTP_UNSYNCHRONISED = 5  # adjtimex(2): TIME_ERROR


@dataclass(frozen=True, slots=True)
class Stamp:
    """One moment, told three ways.

    `boot` names the boot in which `monotonic_ns` counts: two stamps of one boot can be subtracted, stamps of
    different boots can't.
    """

    utc: datetime
    trusted: bool
    boot: str
    monotonic_ns: int

    def seconds_since(self, earlier: Stamp) -> float | None:
        """Seconds from `earlier` to this stamp, or None when they belong to different boots."""
        if self.boot != earlier.boot:
            return None
        return (self.monotonic_ns - earlier.monotonic_ns) / 1e9

    @property
    def iso(self) -> str:
        """UTC in ISO 8601, milliseconds, with Z."""
        return self.utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


class Clock(Protocol):
    """What the appliance needs to know about time."""

    def now(self) -> Stamp:
        """This moment."""
        ...

    def monotonic_s(self) -> float:
        """Seconds on the monotonic clock, for deadlines and intervals."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> Stamp:
        """This moment, on the machine's clocks."""
        return Stamp(datetime.now(UTC), clock_trusted(), boot_id(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))

    def monotonic_s(self) -> float:
        """Seconds since boot."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)


@cache
def boot_id() -> str:
    """The kernel's random name of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def clock_trusted() -> bool:
    """Whether the kernel says that the wall clock is kept in step by a time source (adjtimex(2))."""
    buffer = ctypes.create_string_buffer(512)  # struct timex, modes = 0: read only
    state = int(_libc().adjtimex(buffer))
    return 0 <= state < _NTP_UNSYNCHRONISED
