"""Spellman's frame: STX, two digits of command, arguments, each ended by a comma, a checksum, ETX.

    02 | 32 32 2C | 30 2C 31 2C ... | CSUM | 03            "22," "0," "1," ...; a read request has no arguments

Source: Spellman PMX manual 118165-001, section 4.3; the same frame is in the manuals of XRV, SLM, ST, DXM and XRB.

The checksum has six bits that work: it finds every single wrong bit but those of weight 64 and 128, and never sees that
two bytes changed places. The alphabet closes the first gap, since no character of it becomes another one by such a
flip. The second stays open, and is why a number has to be read twice before it is believed.

What always holds: `Decoder.feed` never raises, holds at most `MAX_BODY` bytes, and gives the same packets and counts
however the bytes were cut into chunks. A packet's arguments are not empty and consist of the alphabet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

STX: Final = 0x02
ETX: Final = 0x03
MAX_BODY: Final = 320
"""Bytes between STX and ETX: 26 numbers of ten digits, leading zeros included, are the most that `profile` reads."""

_BODY: Final = re.compile(rb"([0-9]{2}),((?:[0-9A-Z.$!-]+,)*)")
"""The alphabet: digits, and what `$` (done), `!` (refused), part numbers and decimals need. No lower case."""


class Packet(NamedTuple):
    """One good frame, either way: the command, 0 to 99, and its arguments as they were written."""

    opcode: int
    arguments: tuple[str, ...]


@dataclass(slots=True)
class FrameCounters:
    """What the decoder has seen: frames that ended in ETX or broke off, and bytes outside of any frame."""

    good: int = 0
    bad_checksum: int = 0
    bad_syntax: int = 0
    interrupted: int = 0
    """An STX came before the ETX."""
    overlong: int = 0
    noise_bytes: int = 0


def checksum(body: bytes) -> int:
    """The checksum, 0x40 to 0x7F, of everything after STX up to the last comma."""
    return -sum(body) & 0x7F | 0x40


class Decoder:
    """Finds the packets in a stream of bytes; every STX starts afresh."""

    def __init__(self) -> None:
        self.counters = FrameCounters()
        self._body: bytearray | None = None

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that `data` completes, in order."""
        packets: list[Packet] = []
        for byte in data:
            if byte == STX:
                self.counters.interrupted += self._body is not None
                self._body = bytearray()
            elif self._body is None:
                self.counters.noise_bytes += 1
            elif byte == ETX:
                packet = self._read(bytes(self._body))
                self._body = None
                if packet is not None:
                    packets.append(packet)
            elif len(self._body) == MAX_BODY:
                self.counters.overlong += 1
                self._body = None
            else:
                self._body.append(byte)
        return packets

    def reset(self) -> None:
        """Forgets a half-received frame: the port was closed in between. Counters stay."""
        self._body = None

    def _read(self, sealed: bytes) -> Packet | None:
        body, seal = sealed[:-1], sealed[-1:]
        if seal != bytes([checksum(body)]):
            self.counters.bad_checksum += 1
            return None
        found = _BODY.fullmatch(body)
        if found is None:
            self.counters.bad_syntax += 1
            return None
        self.counters.good += 1
        opcode, arguments = found.groups()
        return Packet(int(opcode), tuple(arguments.decode("ascii").split(",")[:-1]))
