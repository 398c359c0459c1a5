"""The X-ray unit in a few lines: technique, heat, battery, faults. Rules only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from edge.web import phrases, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.store.exposures import Exposure
    from edge.web.parts import Unit

HOT: Final = 75


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing to know of the unit. `share`: 0 to 100, where a bar helps."""

    label: str
    text: str
    tone: Literal["ok", "busy", "bad"]
    share: int | None = None


def facts(unit: Unit, last: Exposure | None) -> tuple[Fact, ...]:
    """What there is to know; nothing that the unit doesn't tell."""
    return (*_technique(unit, last), *_heat(unit), *_battery(unit), *_faults(unit))


def _technique(unit: Unit, last: Exposure | None) -> Iterator[Fact]:
    if unit.set_to:
        kvp, ma, ms = unit.set_to
        yield Fact(words.UNIT_SET_TO, phrases.technique(kvp, ma, ms, None), "ok")
    elif last:
        told = phrases.technique(last.kvp, last.tube_current_ma, last.exposure_time_ms, last.exposure_mas)
        yield Fact(words.UNIT_LAST, told, "ok")


def _heat(unit: Unit) -> Iterator[Fact]:
    if unit.too_hot:
        yield Fact(words.UNIT_HEAT, words.UNIT_TOO_HOT, "bad", unit.heat_percent)
    elif unit.heat_percent is not None:
        tone: Literal["ok", "busy"] = "busy" if unit.heat_percent >= HOT else "ok"
        yield Fact(words.UNIT_HEAT, f"{unit.heat_percent} %", tone, unit.heat_percent)


def _battery(unit: Unit) -> Iterator[Fact]:
    if unit.battery_percent is None:
        return
    text = f"{unit.battery_percent} %"
    if unit.charging:
        yield Fact(words.UNIT_BATTERY, f"{text}{words.COMMA}{words.UNIT_CHARGING}", "ok", unit.battery_percent)
    elif unit.battery_low:
        yield Fact(words.UNIT_BATTERY, f"{text}{words.COMMA}{words.UNIT_BATTERY_LOW}", "bad", unit.battery_percent)
    else:
        yield Fact(words.UNIT_BATTERY, text, "ok", unit.battery_percent)


def _faults(unit: Unit) -> Iterator[Fact]:
    for fault in unit.faults:
        yield Fact(words.UNIT_FAULT, fault, "bad")
