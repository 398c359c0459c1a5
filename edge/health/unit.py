"""The X-ray unit as the bridge hears it, for `calcedge doctor`: one line for each thing that a technician may ask.

What always holds: what the unit has not said is called *not told*, never well; and a link that is down fails, while a
unit that is hot, low or faulty only warns: that is the unit's own affair, and images are analysed all the same.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from edge.clock import SystemClock
from edge.config import Config
from edge.errors import REASONS
from edge.health.answer import Answer, Verdict, bad
from edge.runtime import RunFolder

_OLD_S: Final = 5.0
_LOW_PERCENT: Final = 20
_MANY_BAD: Final = 0.01
"""Of all frames: a line that damages more has a bad cable, or runs past something that sparks."""
_ENOUGH_FRAMES: Final = 200
_NOT_TOLD: Final = "not told by the unit"


def serial(config: Config) -> Iterator[Answer]:
    """The serial port is there, the bridge hears the unit, and what the unit says of itself."""
    port = config.serial.port
    if port is None:
        yield Answer("serial", Verdict.OK, "no unit is configured: images only")
        return
    status = RunFolder(config.run_folder, SystemClock()).read("bridge")
    if status is not None and status.age_s is not None and status.age_s <= _OLD_S:
        yield from answers(port, status.facts)  # the bridge has the port; under systemd nobody else sees devices
        return
    try:
        is_terminal = stat.S_ISCHR(Path(port).stat().st_mode)
    except OSError:
        is_terminal = False
    if is_terminal and os.access(port, os.R_OK):
        text = f"{port} is there; the appliance is not running, so nobody listens"
        yield Answer("serial", Verdict.WARN, text, "Start the appliance: calcedge run.")
    else:
        yield bad("serial", "unit-absent", port)


def answers(port: str, facts: Mapping[str, Any]) -> Iterator[Answer]:
    """What the bridge's status says (its keys: `edge.services.bridge`), line by line."""
    yield _link(port, facts)
    yield _line(facts.get("counters") or {}, facts.get("round_trip_ms"))
    if facts.get("device_id") is None:
        return  # nothing was heard of a unit: the lines below would only repeat that
    yield Answer("unit firmware", Verdict.OK, str(facts.get("firmware") or _NOT_TOLD))
    yield _exposure(facts)
    yield _heat(facts)
    yield _battery(facts)
    yield from _faults(facts)


def _link(port: str, facts: Mapping[str, Any]) -> Answer:
    mode = {"session": "", "listen": ", listening only", "poll": ", polled"}.get(str(facts.get("mode")), "")
    heard = f"{port}: unit {facts.get('device_id') or 'without a name yet'} is heard{mode}"
    code = facts.get("reason")
    if facts.get("link") == "up" and code is None:
        if facts.get("link_reason") == "not-named":
            return Answer("serial", Verdict.WARN, heard, "Switch the unit off and on: it names itself when it starts.")
        return Answer("serial", Verdict.OK, heard)
    detail = port
    if code == "unit-other":
        detail = f"{facts.get('device_id')} instead of {facts.get('expected_device_id')}"
    verdict = Verdict.WARN if facts.get("link") == "degraded" else Verdict.FAIL
    return bad("serial", code if code in REASONS else "unit-silent", detail, verdict=verdict)


def _line(counters: Mapping[str, int], round_trip_ms: float | None) -> Answer:
    """Counts since the bridge started."""
    good = counters.get("frames_good", 0)
    damaged = sum(counters.get(name, 0) for name in ("bad_crc", "bad_cobs", "bad_header", "overlong"))
    parts = [
        f"{good} frames",
        f"{counters.get('bad_crc', 0)} with a wrong checksum",
        f"{counters.get('resyncs', 0)} resyncs",
        f"{counters.get('gaps', 0)} gaps",
        f"{counters.get('events_repeated', 0)} duplicates",
        f"{counters.get('reconnects', 0)} reconnects",
    ]
    parts += [f"{counters[name]} {words}" for name, words in _RARE.items() if counters.get(name)]
    if round_trip_ms is not None:
        parts.append(f"round trip {round_trip_ms:.1f} ms")
    text = ", ".join(parts)
    if counters.get("events_lost"):
        return Answer("serial line", Verdict.WARN, text, "Call service: the unit could not keep what it had to tell.")
    if good + damaged >= _ENOUGH_FRAMES and damaged > _MANY_BAD * (good + damaged):
        return Answer("serial line", Verdict.WARN, text, "Check the cable and its way past the generator.")
    return Answer("serial line", Verdict.OK, text)


_RARE: Final[dict[str, str]] = {
    "events_lost": "events lost by the unit",
    "frames_missed": "frames missed",
    "implausible": "implausible",
    "timeouts": "without an answer",
    "refusals": "refused",
}


def _exposure(facts: Mapping[str, Any]) -> Answer:
    last = facts.get("last_exposure")
    state = str(facts.get("unit_state") or "state not told").lower().replace("_", " ")
    if facts.get("interlock_closed") is False:
        state += ", interlock open"
    if last is None:
        return Answer("unit", Verdict.OK, f"{state}; no exposure yet")
    technique = (
        f"{last['kvp']:g} kV, {last['tube_current_ma']:g} mA, {last['exposure_time_ms']:g} ms, "
        f"{last['exposure_mas']:g} mAs"
    )
    return Answer("unit", Verdict.OK, f"{state}; last exposure {last['at']}: {technique}")


def _heat(facts: Mapping[str, Any]) -> Answer:
    percent, ok = facts.get("anode_heat_percent"), facts.get("anode_heat_ok")
    told = f"{percent} % of what the anode may hold" if percent is not None else ""
    if ok is False:
        return bad("unit heat", "unit-hot", told, verdict=Verdict.WARN)
    return Answer("unit heat", Verdict.OK, told or ("not too hot" if ok else _NOT_TOLD))


def _battery(facts: Mapping[str, Any]) -> Answer:
    percent, charging = facts.get("battery_percent"), facts.get("battery_charging")
    if percent is None:
        return Answer("unit battery", Verdict.OK, _NOT_TOLD)
    told = f"{percent} %" + (", charging" if charging else "")
    if percent < _LOW_PERCENT and not charging:
        return bad("unit battery", "unit-battery-low", told, verdict=Verdict.WARN)
    return Answer("unit battery", Verdict.OK, told)


def _faults(facts: Mapping[str, Any]) -> Iterator[Answer]:
    faults = facts.get("active_faults") or []
    for fault in faults:
        yield bad("unit fault", "unit-fault", f"{fault['code']}: {fault['text']}", verdict=Verdict.WARN)
    if not faults:
        yield Answer("unit fault", Verdict.OK, "none")
