"""The page about Spellman generators says what the guard does."""

from __future__ import annotations

import re
from pathlib import Path

from firmware_bridge.spellman.guard import REQUESTS
from firmware_bridge.spellman.pmx import PMX
from firmware_bridge.spellman.profile import Profile
from firmware_bridge.spellman.xrv import XRV

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "spellman.md").read_text(encoding="utf-8")


def test_the_page_lists_every_request_byte_by_byte() -> None:
    lines = re.findall(r"^\| (spellman-\w+) \| (\d\d) \| (.+) \| ((?:[0-9A-F]{2} ?)+) \|$", PAGE, re.MULTILINE)
    assert {(name, int(opcode)): bytes.fromhex(wire) for name, opcode, _, wire in lines} == REQUESTS
    names = {(profile.name, c.opcode): c.name for profile in (PMX, XRV) for c in profile.commands}
    assert all(names[name, int(opcode)] == what for name, opcode, what, _ in lines)


def test_the_page_names_every_denied_set() -> None:
    found = re.search(r"Denied by name: on the PMX ([\d, ]+); on the XRV ([\d, ]+)\.", PAGE)
    assert found is not None
    assert [[int(n) for n in group.split(", ")] for group in found.groups()] == [_sets(PMX), _sets(XRV)]


def _sets(profile: Profile) -> list[int]:
    return [command.opcode for command in profile.commands if not command.is_read]
