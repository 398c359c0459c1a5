"""The four things at the top of every page, each one word, one shape: unit, images, analysis, delivery. Rules only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edge.store.parcels import ParcelState
from edge.web import words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edge.store.parcels import Parcel
    from edge.web.parts import Parts

Tone = Literal["ok", "busy", "bad", "off"]


@dataclass(frozen=True, slots=True)
class Chip:
    """One of the four."""

    label: str
    text: str
    tone: Tone


def chips(
    parts: Parts, counts: Mapping[str, Mapping[ParcelState, int]], troubled: Sequence[Parcel]
) -> tuple[Chip, Chip, Chip, Chip]:
    """The four chips, always in this order."""
    return _unit(parts), _receiver(parts), _analyzer(parts), _delivery(parts, counts, troubled)


def _unit(parts: Parts) -> Chip:
    unit = parts.unit
    link = words.LINKS.get(unit.link, unit.link)
    if unit.link == "off":
        return Chip(words.UNIT, link, "off")
    if unit.link not in {"up", "degraded"}:
        return Chip(words.UNIT, link, "bad")
    state = words.UNIT_STATES.get(unit.state or "unknown", unit.state or "")
    more = [link] * (unit.link == "degraded") + [words.INTERLOCK_OPEN] * unit.interlock_open
    more += [words.CHIP_TOO_HOT] * unit.too_hot + [words.CHIP_BATTERY_LOW] * unit.battery_low
    text = words.COMMA.join([state, *more])
    bad = unit.state == "error" or unit.reason is not None or unit.too_hot or unit.battery_low
    busy = unit.interlock_open or unit.link == "degraded" or unit.state not in {"standby", "ready"}
    return Chip(words.UNIT, text, "bad" if bad else "busy" if busy else "ok")


def _receiver(parts: Parts) -> Chip:
    receiver = parts.receiver
    if not (receiver.running and receiver.listening):
        return Chip(words.RECEIVER, words.RECEIVER_STATES["stopped"], "bad")
    if not receiver.accepting:
        return Chip(words.RECEIVER, words.RECEIVER_STATES["refusing"], "bad")
    if receiver.busy:
        return Chip(words.RECEIVER, words.RECEIVER_STATES["receiving"], "busy")
    return Chip(words.RECEIVER, words.RECEIVER_STATES["listening"], "ok")


def _analyzer(parts: Parts) -> Chip:
    analyzer = parts.analyzer
    if not analyzer.running or analyzer.reason:
        return Chip(words.ANALYSIS, words.ANALYSIS_STATES["stopped"], "bad")
    if not analyzer.ready:
        return Chip(words.ANALYSIS, words.ANALYSIS_STATES["loading"], "busy")
    if analyzer.working_on is not None:
        return Chip(words.ANALYSIS, words.ANALYSIS_STATES["working"], "busy")
    return Chip(words.ANALYSIS, words.ANALYSIS_STATES["ready"], "ok")


def _delivery(parts: Parts, counts: Mapping[str, Mapping[ParcelState, int]], troubled: Sequence[Parcel]) -> Chip:
    if not parts.receiver.running:
        return Chip(words.DELIVERY_LABEL, words.DELIVERY_STATES["stopped"], "bad")
    if troubled:
        return Chip(words.DELIVERY_LABEL, words.DELIVERY_STATES["troubled"].format(n=len(troubled)), "bad")
    if any(peer.reachable is False for peer in parts.receiver.peers):
        return Chip(words.DELIVERY_LABEL, words.DELIVERY_STATES["failing"], "bad")
    waiting = sum(own[ParcelState.QUEUED] + own[ParcelState.SENT] for own in counts.values())
    if waiting:
        return Chip(words.DELIVERY_LABEL, words.DELIVERY_STATES["waiting"].format(n=waiting), "busy")
    return Chip(words.DELIVERY_LABEL, words.DELIVERY_STATES["idle"], "ok")
