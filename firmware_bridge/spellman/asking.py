"""One question at a time: asks a generator, understands its answers, and notices when none comes.

The line is used half-duplex: the next question leaves when the last one is answered or given up. A reply is taken for
the answer by its command; one to a question that was given up is counted and otherwise ignored.

What always holds: every byte that leaves comes from `guard.encode_request`; no bytes that come make this raise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from firmware_bridge.spellman.frame import Decoder
from firmware_bridge.spellman.guard import encode_request
from firmware_bridge.spellman.profile import Profile, Reading, Refused, interpret

WAIT_NS: Final = 120_000_000
"""A generator answers within 5 ms and is given up after 100 (manual 118165-001, section 4.3); our own delays on top."""
_GARBLED_BYTES: Final = 24
_STRANGE: Final = 4
_STATUS: Final = 22


@dataclass(frozen=True, slots=True)
class Answer:
    """A reading, and when it was asked for and heard: what it says was true somewhere in between."""

    reading: Reading
    asked_ns: int
    heard_ns: int


class Asking:
    """The questions to one generator. Times are CLOCK_BOOTTIME nanoseconds."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._decoder = Decoder()
        self._open: tuple[int, int] | None = None  # the command asked, and when
        self._moved_ns = 0
        self._noise_bytes = 0
        self._strange = 0
        self._bad = 0
        self._noisy = False
        self.timeouts = self.refusals = self.unreadable = self.strays = self.resyncs = 0

    @property
    def free(self) -> bool:
        """Whether a question may be asked now."""
        return self._open is None

    @property
    def garbled(self) -> bool:
        """Bytes come, and none of them make a frame: the line's speed is probably wrong."""
        return self._noise_bytes >= _GARBLED_BYTES

    @property
    def strange(self) -> bool:
        """Good frames come that the table doesn't explain, and no status that it does."""
        return self._strange >= _STRANGE

    def reset(self) -> None:
        """The port was closed in between."""
        self._decoder.reset()
        self._open = None

    def ask(self, opcode: int, now_ns: int) -> bytes:
        """The bytes to send.

        Raises:
            DeniedError: if the command is not a listed read.
        """
        request = encode_request(self._profile, opcode)
        self._open = (opcode, now_ns)
        self._moved_ns = now_ns
        return request

    def feed(self, data: bytes, now_ns: int) -> list[Answer]:
        """Bytes came: the answers that they complete."""
        packets = self._decoder.feed(data)
        if data:
            self._moved_ns = now_ns
            self._noise_bytes = 0 if packets else self._noise_bytes + len(data)
        self._count_resyncs(good=bool(packets))
        answers = []
        for packet in packets:
            match interpret(self._profile, packet):
                case Reading() as reading if self._open and self._open[0] == packet.opcode:
                    answers.append(Answer(reading, self._open[1], now_ns))
                    self._open = None
                    self._strange = 0 if packet.opcode == _STATUS else self._strange
                case Reading():
                    self.strays += 1
                case Refused() as refused:
                    self.refusals += 1
                    self._strange += 1
                    if self._open and self._open[0] == refused.opcode:
                        self._open = None
                case _:
                    self.unreadable += 1
                    self._strange += 1
                    if self._open and self._open[0] == packet.opcode:
                        self._open = None
        return answers

    def expired(self, now_ns: int) -> bool:
        """Gives a question up that nothing has moved for; True if it did."""
        if self._open is None or now_ns - self._moved_ns < WAIT_NS:
            return False
        self._open = None
        self.timeouts += 1
        return True

    def counts(self) -> dict[str, int]:
        """What `LinkCounters` says of the line."""
        seen = self._decoder.counters
        return {
            "frames_good": seen.good,
            "bad_crc": seen.bad_checksum,
            "bad_header": seen.bad_syntax,
            "bad_cobs": seen.interrupted,
            "overlong": seen.overlong,
            "bad_message": self.unreadable,
            "resyncs": self.resyncs,
            "timeouts": self.timeouts,
            "refusals": self.refusals,
        }

    def _count_resyncs(self, *, good: bool) -> None:
        seen = self._decoder.counters
        bad = seen.bad_checksum + seen.bad_syntax + seen.interrupted + seen.overlong + seen.noise_bytes
        self._noisy = self._noisy or bad != self._bad
        self._bad = bad
        if good and self._noisy:
            self.resyncs += 1
            self._noisy = False
