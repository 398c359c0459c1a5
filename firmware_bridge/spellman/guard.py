"""What may be sent to a generator: these bytes and no others.

There is no encoder. The requests are written out one by one, so that a reader sees everything that can ever leave by
this way. What always holds: a request has no arguments, its command is a read of that model's table, and whatever is
not listed is refused. The tests compare every line with the table and with the checksum.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from firmware_bridge.spellman.profile import Profile

# fmt: off
REQUESTS: Final[Mapping[tuple[str, int], bytes]] = MappingProxyType({
    ("spellman-pmx", 15): b"\x0215,n\x03",  # mA set-point
    ("spellman-pmx", 22): b"\x0222,p\x03",  # status
    ("spellman-pmx", 51): b"\x0251,n\x03",  # exposure settings
    ("spellman-pmx", 53): b"\x0253,l\x03",  # filament
    ("spellman-pmx", 60): b"\x0260,n\x03",  # last exposure kV
    ("spellman-pmx", 65): b"\x0265,i\x03",  # last exposure time
    ("spellman-pmx", 78): b"\x0278,e\x03",  # auxiliary status
    ("spellman-pmx", 84): b"\x0284,h\x03",  # high-speed starter faults
    ("spellman-xrv", 14): b"\x0214,o\x03",  # kV set-point
    ("spellman-xrv", 15): b"\x0215,n\x03",  # mA set-point
    ("spellman-xrv", 19): b"\x0219,j\x03",  # monitors
    ("spellman-xrv", 21): b"\x0221,q\x03",  # high-voltage hours
    ("spellman-xrv", 22): b"\x0222,p\x03",  # status
    ("spellman-xrv", 23): b"\x0223,o\x03",  # processor firmware
    ("spellman-xrv", 27): b"\x0227,k\x03",  # configuration
    ("spellman-xrv", 28): b"\x0228,j\x03",  # full scale
    ("spellman-xrv", 43): b"\x0243,m\x03",  # gate array firmware
    ("spellman-xrv", 60): b"\x0260,n\x03",  # voltage
    ("spellman-xrv", 68): b"\x0268,f\x03",  # faults
    ("spellman-xrv", 69): b"\x0269,e\x03",  # system voltages
})
# fmt: on


class DeniedError(ValueError):
    """The command is not on the list of reads of that model. Nothing was sent."""


def encode_request(profile: Profile, command: int) -> bytes:
    """The bytes that ask the generator for the answer to `command`.

    Raises:
        DeniedError: for everything that is not listed.
    """
    request = REQUESTS.get((profile.name, command))
    if request is None:
        raise DeniedError(f"{profile.name}: command {command!r} is not a listed read")
    return request
