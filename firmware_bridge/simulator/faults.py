"""What can go wrong between the unit and the host, as typed values.

A scenario, a seeded storm and a person at the control socket all say the same things; `line.Line` makes those happen
that spoil bytes, `run.Bench` the others. Numbers of frames count from the moment the fault is armed.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from firmware_bridge.messages import UnitState

STRICT: Final = ConfigDict(extra="forbid")
"""A scenario that says something unknown is refused, not half understood."""

Direction = Literal["to-host", "to-unit"]
_Frames = Annotated[int, Field(ge=1, le=10_000)]
_Seconds = Annotated[float, Field(ge=0, le=3600)]


@dataclass(frozen=True, slots=True, config=STRICT)
class Drop:
    """The next frames vanish."""

    do: Literal["drop"] = "drop"
    frames: _Frames = 1
    direction: Direction = "to-host"


@dataclass(frozen=True, slots=True, config=STRICT)
class Corrupt:
    """One bit of each of the next frames is flipped."""

    do: Literal["corrupt"] = "corrupt"
    frames: _Frames = 1
    direction: Direction = "to-host"


@dataclass(frozen=True, slots=True, config=STRICT)
class Duplicate:
    """Each of the next frames arrives twice."""

    do: Literal["duplicate"] = "duplicate"
    frames: _Frames = 1
    direction: Direction = "to-host"


@dataclass(frozen=True, slots=True, config=STRICT)
class Partial:
    """Of each of the next frames a part arrives; the rest `rest_s` later, or never if that is 0."""

    do: Literal["partial"] = "partial"
    frames: _Frames = 1
    direction: Direction = "to-host"
    rest_s: Annotated[float, Field(ge=0, le=10)] = 0.1


@dataclass(frozen=True, slots=True, config=STRICT)
class Garbage:
    """Random bytes arrive at the host."""

    do: Literal["garbage"] = "garbage"
    size: Annotated[int, Field(ge=1, le=65_536)] = 64


@dataclass(frozen=True, slots=True, config=STRICT)
class Silence:
    """Nothing passes, either way, and what was said meanwhile is lost."""

    do: Literal["silence"] = "silence"
    s: _Seconds = 3.0


@dataclass(frozen=True, slots=True, config=STRICT)
class Slow:
    """For `s` seconds each frame to the host is held for `hold_ms`, and then comes at `bytes_per_s`."""

    do: Literal["slow"] = "slow"
    s: _Seconds = 5.0
    hold_ms: Annotated[float, Field(ge=0, le=5000)] = 16.0
    bytes_per_s: Annotated[float, Field(ge=10, le=1e7)] = 960.0


@dataclass(frozen=True, slots=True, config=STRICT)
class WrongBaud:
    """For `s` seconds the unit speaks and listens at another speed."""

    do: Literal["wrong-baud"] = "wrong-baud"
    s: _Seconds = 3.0
    baud: Annotated[int, Field(ge=300, le=4_000_000)] = 57_600


@dataclass(frozen=True, slots=True, config=STRICT)
class Unplug:
    """The port is gone for `s` seconds, and comes back as another device behind the same link."""

    do: Literal["unplug"] = "unplug"
    s: _Seconds = 1.0


@dataclass(frozen=True, slots=True, config=STRICT)
class Reenumerate:
    """The hub disables the port and enables it again: at once it is another device, and the link leads to that."""

    do: Literal["reenumerate"] = "reenumerate"


@dataclass(frozen=True, slots=True, config=STRICT)
class Seize:
    """The port comes back, and for `s` seconds another program holds it (as ModemManager does)."""

    do: Literal["seize"] = "seize"
    s: _Seconds = 1.0


@dataclass(frozen=True, slots=True, config=STRICT)
class BrownOut:
    """The unit's controller resets for lack of voltage: noise on the line, a pause, a new boot with boot noise."""

    do: Literal["brownout"] = "brownout"
    s: _Seconds = 0.3
    garbage: Annotated[int, Field(ge=0, le=4096)] = 32


@dataclass(frozen=True, slots=True, config=STRICT)
class Reset:
    """The unit's controller starts again, as after an update; its boot loader's chatter first."""

    do: Literal["reset"] = "reset"
    garbage: Annotated[int, Field(ge=0, le=4096)] = 0


@dataclass(frozen=True, slots=True, config=STRICT)
class Stuck:
    """The unit stays in the state it is in for `s` seconds, and no switch moves it."""

    do: Literal["stuck"] = "stuck"
    s: _Seconds = 3.0


@dataclass(frozen=True, slots=True, config=STRICT)
class Lie:
    """For `s` seconds the unit says of itself what is not so."""

    do: Literal["lie"] = "lie"
    s: _Seconds = 3.0
    state: Literal["standby", "prep", "ready", "exposing", "error", "service"] | None = "exposing"
    interlock_closed: bool | None = None
    xray_on: bool | None = None

    def told(self) -> dict[str, object]:
        """The fields of `Condition` that are told untruly."""
        state = None if self.state is None else UnitState[self.state.upper()]
        told = {"state": state, "interlock_closed": self.interlock_closed, "xray_on": self.xray_on}
        return {name: value for name, value in told.items() if value is not None}


LineFault = Drop | Corrupt | Duplicate | Partial | Silence | Slow | WrongBaud
PortFault = Unplug | Reenumerate | Seize
UnitTrouble = BrownOut | Reset | Stuck | Lie
Fault = LineFault | Garbage | PortFault | UnitTrouble
