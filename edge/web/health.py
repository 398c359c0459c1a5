"""What the machine says of itself: disk, heat, memory, versions. Read from the kernel; None where it doesn't tell."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from edge.config import Config

_THERMAL: Final = Path("/sys/class/thermal")
_MEMORY: Final = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine now. `reserve_mb` of the disk is kept free: below it images are refused."""

    free_mb: int
    total_mb: int
    reserve_mb: int
    temperature_c: float | None
    memory_free_mb: int | None
    load: float
    cores: int
    system: str
    python: str


def machine(config: Config) -> Machine:
    """The machine now."""
    disk = shutil.disk_usage(config.data)
    return Machine(
        disk.free // 1_000_000,
        disk.total // 1_000_000,
        config.intake.reserve_mb,
        _hottest(),
        _memory_mb(),
        os.getloadavg()[0],
        os.cpu_count() or 1,
        f"{platform.system()} {platform.release()}",
        platform.python_version(),
    )


def facts(config: Config) -> dict[str, Any]:
    """The same for programs."""
    now = machine(config)
    return {name: getattr(now, name) for name in Machine.__dataclass_fields__}


def _hottest() -> float | None:
    found = []
    for zone in _THERMAL.glob("thermal_zone*/temp"):
        try:
            found.append(int(zone.read_text(encoding="ascii")) / 1000)
        except (OSError, ValueError):
            continue
    return max(found, default=None)


def _memory_mb() -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in _MEMORY.read_text(encoding="ascii").splitlines())
        return int(lines["MemAvailable"].split()[0]) // 1000
    except (OSError, KeyError, ValueError):
        return None
