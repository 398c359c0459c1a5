"""What a simulated unit goes through: steps, one after the other, read from a TOML file.

seed = 7            # of everything that is random
speed = 5.0         # shortens preparation and waiting
repeat = 1          # how often the steps are gone through

[chaos]             # faults at random moments, besides the steps
every_s = 5.0

[[step]]
do = "expose"       # kv, ma, ms; until = the state at which the next step begins
kv = 55
ma = 100
ms = 40

[[step]]
do = "unplug"       # `calcedge simulate steps` lists them all with what they take
s = 1.5
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from firmware_bridge.messages import FaultCode, Level
from firmware_bridge.simulator.chaos import Chaos
from firmware_bridge.simulator.faults import STRICT, Fault
from firmware_bridge.simulator.models import PORTABLE, Model, Technique
from firmware_bridge.simulator.unit import LetGo

Until = Literal["prep", "ready", "exposing", "wait_release", "standby"]


class ScenarioError(Exception):
    """The scenario file can't be used; the message says where."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Expose:
    """The technician takes an exposure; `pre_ms` puts a short pulse before it, as automatic exposure control does."""

    do: Literal["expose"] = "expose"
    kv: Annotated[float, Field(ge=20, le=160)] = 50.0
    ma: Annotated[float, Field(gt=0, le=1000)] = 100.0
    ms: Annotated[float, Field(gt=0, le=60_000)] = 40.0
    pre_ms: Annotated[float, Field(ge=0, le=1000)] = 0.0
    gap_ms: Annotated[float, Field(ge=1, le=1000)] = 20.0
    let_go: LetGo = "after"
    hold_s: Annotated[float, Field(ge=0, le=120)] = 0.0
    until: Until = "standby"

    @property
    def technique(self) -> Technique:
        """As the unit takes it."""
        return Technique(self.kv, self.ma, self.ms, self.pre_ms, self.gap_ms)


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
class UnitFault:
    """The unit reports a fault of its own, or that it is gone. An open interlock keeps it from exposing."""

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


@dataclass(frozen=True, slots=True, config=STRICT)
class SetBattery:
    """The battery is at `percent`, with the charger plugged in or not."""

    do: Literal["battery"] = "battery"
    percent: Annotated[float, Field(ge=0, le=100)] = 30.0
    charging: bool = False


@dataclass(frozen=True, slots=True, config=STRICT)
class Warm:
    """The anode has been used: it holds `percent` of the heat that it can hold."""

    do: Literal["warm"] = "warm"
    percent: Annotated[float, Field(ge=0, le=100)] = 85.0


Step = Expose | Wait | Settle | UnitFault | SetBattery | Warm | Fault
STEPS: Final[dict[str, type]] = {
    str(one.default): step for step in get_args(Step) for one in fields(step) if one.name == "do"
}
"""Every step by its name."""
_STEP: Final = TypeAdapter[Step](Annotated[Step, Field(discriminator="do")])


@dataclass(frozen=True, slots=True, config=STRICT)
class Scenario:
    """What to go through."""

    step: tuple[Annotated[Step, Field(discriminator="do")], ...] = ()
    seed: int = 0
    speed: Annotated[float, Field(ge=0.1, le=100)] = 1.0
    repeat: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    chaos: Chaos | None = None

    def steps(self) -> Iterator[Step]:
        """Every step in order, repeats included."""
        for _ in range(self.repeat):
            yield from self.step


_ADAPTER: Final = TypeAdapter(Scenario)


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
        raise ScenarioError(f"{path.name}: {_first(error)}") from error


def read_step(said: dict[str, Any]) -> Step:
    """One step, said live.

    Raises:
        ValueError: with a sentence, if it is none.
    """
    try:
        return _STEP.validate_python(said)
    except ValidationError as error:
        raise ValueError(_first(error)) from None


def series(exposures: int, every_s: float, seed: int, model: Model = PORTABLE) -> Scenario:
    """A day at the hand table: that many exposures with techniques usual for hands, `every_s` seconds apart."""
    rng = random.Random(seed)  # noqa: S311 - a scenario must be repeatable
    steps: list[Step] = []
    for number in range(exposures):
        if number:
            steps.append(Wait(s=every_s))
        hand = model.hand(rng)
        steps.append(Expose(kv=hand.kv, ma=hand.ma, ms=hand.ms))
    return Scenario(tuple(steps), seed=seed)


def in_words() -> str:
    """Every step with what it takes, for people."""
    lines = []
    for name in sorted(STEPS):
        step = STEPS[name]
        takes = [f"{one.name}={one.default}" for one in fields(step) if one.name != "do"]
        summary = (step.__doc__ or "").splitlines()[0]
        lines.append(f"{name:<12} {' '.join(takes)}\n{'':<12}   {summary}")
    return "\n".join(lines)


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
