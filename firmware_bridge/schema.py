"""The link's messages as CDDL (RFC 8610), for firmware authors: docs/serial-link.cddl is this text.

Run `python -m firmware_bridge.schema` to print it.
"""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import Final

from firmware_bridge.fields import Choice, slots_of
from firmware_bridge.messages import TO_HOST, TO_UNIT

_HEAD: Final = """\
; The payloads of the serial link, version 1 (CDDL, RFC 8610). Written by `python -m firmware_bridge.schema`.
; Maps have whole numbers as keys, definite length, no tags, at most 320 bytes. Keys that are not listed are ignored.
; Physical values are whole numbers of the step that the comment names.
"""
_STEPS: Final = {
    "kvp": "0.1 kV",
    "tube_current_ma": "0.01 mA",
    "exposure_time_ms": "0.01 ms",
    "exposure_mas": "0.001 mAs",
    "accuracy_ms": "0.01 ms",
    "anode_heat_percent": "of what the anode may hold",
    "battery_percent": "of a full charge",
    "tick": "ticks since boot, never wrapping",
    "tick_on": "ticks since boot",
    "tick_off": "ticks since boot",
    "t1": "the host's clock, sent back unread",
}


def cddl() -> str:
    """The whole schema, in the order of the message types."""
    rules = [_HEAD, _directions()]
    named: dict[str, type[IntEnum]] = {}
    for number, message in sorted((TO_HOST | TO_UNIT).items()):
        lines = []
        for slot in slots_of(message):
            if isinstance(slot.kind, Choice):
                named[slot.kind.names.__name__] = slot.kind.names
            step = f"  ; {slot.name}" + (f", {_STEPS[slot.name]}" if slot.name in _STEPS else "")
            lines.append(f"  {'? ' if slot.optional else ''}{slot.key}: {slot.kind.cddl()},{step}")
        rules.append(f"; type {number:#04x}\n{message.__name__} = {{\n" + "\n".join(lines) + "\n  * uint => any,\n}\n")
    rules += [_choice(names) for _, names in sorted(named.items())]
    return "\n".join(rules)


def _directions() -> str:
    to_host = " / ".join(message.__name__ for _, message in sorted(TO_HOST.items()))
    to_unit = " / ".join(message.__name__ for _, message in sorted(TO_UNIT.items()))
    return f"to-host = {to_host}\nto-unit = {to_unit}  ; complete: nothing else is ever sent to a unit\n"


def _choice(names: type[IntEnum]) -> str:
    values = "\n".join(f"; {int(one):>3} {one.name}" for one in names)
    return f"{names.__name__} = 0..255  ; a number that is not listed is read as 0\n{values}\n"


if __name__ == "__main__":
    sys.stdout.write(cddl())
