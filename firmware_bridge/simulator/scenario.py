"""What a simulated unit goes through: steps, one after the other, read from a TOML file.

seed = 7            # of everything that is random
speed = 5.0         # shortens preparation and waiting
repeat = 1          # how often the steps are gone through

[[step]]
do = "expose"       # kv, ma, ms; until = the state at which the next step begins
kv = 55
ma = 100
ms = 40

[[step]]
do = "unplug"       # also: wait, settle, reset, fault, drop, corrupt, garbage, silence, brownout
s = 1.5
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from firmware_bridge.messages import FaultCode, Level
from firmware_bridge.simulator.faults import STRICT, BrownOut, Corrupt, Drop, Garbage, Silence, Unplug
from firmware_bridge.simulator.unit import Technique

Until = Literal["prep", "ready", "exposing", "wait_release", "standby"]


class ScenarioError(Exception):
    """The scenario file can't be used; the message says where."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Expose:
    """The technician takes an exposure."""

    do: Literal["expose"] = "expose"
    kv: Annotated[float, Field(ge=20, le=150)] = 50.0
    ma: Annotated[float, Field(gt=0, le=1000)] = 100.0
    ms: Annotated[float, Field(gt=0, le=10_000)] = 40.0
    until: Until = "standby"

    @property
    def technique(self) -> Technique:
        """As the unit takes it."""
        return Technique(self.kv, self.ma, self.ms)


@dataclass(frozen=True, slots=True, config=STRICT)
class Wait:
    """Nothing happens for `s` seconds (at speed 1)."""

    do: Literal["wait"] = "wait"
    s: Annotated[float, Field(ge=0, le=86_400)] = 1.0


@dataclass(frozen=True, slots=True, config=STRICT)
class Settle:
    """Until the unit is in STANDBY and the host has confirmed everything."""

    do: Literal["settle"] = "settle"


@dataclass(frozen=True, slots=True, config=STRICT)
class Reset:
    """The controller restarts, without a pause."""

    do: Literal["reset"] = "reset"


@dataclass(frozen=True, slots=True, config=STRICT)
class UnitFault:
    """The unit reports a fault of its own, or that it is gone."""

    do: Literal["fault"] = "fault"
    code: Literal["interlock", "arc", "overtemperature", "tube_overload", "battery_low", "timer"] = "arc"
    level: Literal["info", "warning", "error"] = "error"
    active: bool = True
    text: Annotated[str, Field(max_length=120)] = ""

    @property
    def fault_code(self) -> FaultCode:
        """As the link names it."""
        return FaultCode[self.code.upper()]

    @property
    def fault_level(self) -> Level:
        """As the link names it."""
        return Level[self.level.upper()]


Step = Expose | Wait | Settle | Reset | UnitFault | Drop | Corrupt | Garbage | Silence | Unplug | BrownOut


@dataclass(frozen=True, slots=True, config=STRICT)
class Scenario:
    """What to go through."""

    step: tuple[Annotated[Step, Field(discriminator="do")], ...] = ()
    seed: int = 0
    speed: Annotated[float, Field(ge=0.1, le=100)] = 1.0
    repeat: Annotated[int, Field(ge=1, le=1_000_000)] = 1

    def steps(self) -> Iterator[Step]:
        """Every step in order, repeats included."""
        for _ in range(self.repeat):
            yield from self.step


_ADAPTER = TypeAdapter(Scenario)


def load(path: Path) -> Scenario:
    """Reads a scenario file.

    Raises:
        ScenarioError: if it is not there, not TOML, or says something that no scenario says.
    """
    try:
        return _ADAPTER.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(f"{path.name}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ScenarioError(f"{path.name}: {where}: {first['msg']}") from error


def series(exposures: int, every_s: float, seed: int) -> Scenario:
    """A day at the hand table: that many exposures with techniques usual for hands, `every_s` seconds apart."""
    rng = random.Random(seed)  # noqa: S311 - a scenario must be repeatable
    steps: list[Step] = []
    for number in range(exposures):
        if number:
            steps.append(Wait(s=every_s))
        steps.append(
            Expose(
                kv=rng.randrange(450, 600, 5) / 10,
                ma=rng.choice((50.0, 100.0, 160.0)),
                ms=rng.choice((20.0, 32.0, 40.0, 63.0)),
            )
        )
    return Scenario(tuple(steps), seed=seed)
