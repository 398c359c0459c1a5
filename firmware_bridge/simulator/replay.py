"""A recorded trace again: in words for people, or as bytes on a pseudo-terminal for a bridge."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from firmware_bridge import frame, messages
from firmware_bridge.fields import slots_of
from firmware_bridge.simulator.models import PORTABLE
from firmware_bridge.simulator.terminal import Terminal
from firmware_bridge.spellman import frame as spellman
from firmware_bridge.spellman.pmx import PMX
from firmware_bridge.spellman.profile import Accepted, Profile, Reading, Refused, Unreadable, interpret
from firmware_bridge.spellman.xrv import XRV
from firmware_bridge.trace import Chunk, Recording, TraceError, Who

_SPELLMAN: Final = {profile.name: profile for profile in (PMX, XRV)}
PROFILES: Final = (PORTABLE.name, *_SPELLMAN)


def in_words(recording: Recording, profile: str) -> Iterator[str]:
    """What was said, one line for each good frame; notes in their places; at the end, what each side's line lost.

    Args:
        recording: the trace.
        profile: own, spellman-pmx or spellman-xrv.

    Raises:
        TraceError: if it is of none of them.
    """
    if profile not in PROFILES:
        raise TraceError(f"a unit of kind {profile!r} is not known here; known: " + ", ".join(PROFILES))
    decoders = _own() if profile == PORTABLE.name else _foreign(_SPELLMAN[profile])
    notes = list(recording.notes)
    for chunk in recording.chunks:
        while notes and notes[0][0] <= chunk.at_s:
            yield f"{notes[0][0]:10.6f}  --  {notes.pop(0)[1]}"
        for line in decoders[chunk.who].feed(chunk.data):
            yield f"{chunk.at_s:10.6f} {chunk.who}  {line}"
    yield from (f"{at_s:10.6f}  --  {text}" for at_s, text in notes)
    yield from (f"{who}: {decoder.counted()}" for who, decoder in decoders.items())


def play(
    recording: Recording, port_link: Path, stop: threading.Event, *, speed: float = 1.0, say: Callable[[str], None]
) -> None:
    """Says on a pseudo-terminal what the unit said, when it said it; what a host says is taken and ignored.

    It begins when a host has said its first byte or after five seconds: bytes before a host opens the port are lost.

    Raises:
        OSError: if the port's link can't be made.
        TraceError: if the trace says no speed that is one.
    """
    baud = recording.facts.get("baud", "115200")
    try:
        terminal = Terminal(port_link, int(baud))
    except (KeyError, ValueError):
        raise TraceError(f"baud {baud!r} is no speed of a serial port") from None
    terminal.plug()
    try:
        say(f"replay port={port_link.name} chunks={len(recording.chunks)}")
        deadline_s = time.monotonic() + _HOST_COMES_S
        while not stop.is_set() and time.monotonic() < deadline_s and not terminal.read(_STEP_S):
            pass
        began_s = time.monotonic()
        for chunk in (one for one in recording.chunks if one.who == "unit"):
            _wait(terminal, began_s + chunk.at_s / speed, stop)
            if stop.is_set():
                return
            terminal.write(chunk.data)
        say("replay-finished")
        while not stop.is_set():
            terminal.read(_STEP_S)
    finally:
        terminal.unplug()


_HOST_COMES_S: Final = 5.0
_STEP_S: Final = 0.05


def _wait(terminal: Terminal, until_s: float, stop: threading.Event) -> None:
    while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
        terminal.read(min(left_s, _STEP_S))


class _OwnWords:
    """Frames of the own link in words."""

    def __init__(self, known: dict[int, type]) -> None:
        self._decoder = frame.Decoder()
        self._known = known

    def feed(self, data: bytes) -> Iterator[str]:
        """A line for each frame that `data` completes."""
        for one in self._decoder.feed(data):
            try:
                message = messages.decode(one.type, one.payload, known=self._known)
            except messages.MessageError as error:
                yield f"type {one.type:#04x} seq={one.seq}: {error}"
                continue
            values = {slot.name: getattr(message, slot.name) for slot in slots_of(type(message))}
            said = " ".join(f"{name}={_plain(value)}" for name, value in values.items() if value is not None)
            replay = " REPLAY" if one.flags & frame.FrameFlag.REPLAY else ""
            yield f"{messages.TYPE_OF[type(message)].name} session={one.session:04x} seq={one.seq}{replay} {said}"

    def counted(self) -> str:
        """What the decoder counted."""
        return _counted(self._decoder.counters)


class _ForeignWords:
    """Frames of a Spellman generator, or of its host, in words."""

    def __init__(self, profile: Profile, *, generator: bool) -> None:
        self._decoder = spellman.Decoder()
        self._profile = profile
        self._generator = generator

    def feed(self, data: bytes) -> Iterator[str]:
        """A line for each frame that `data` completes."""
        for packet in self._decoder.feed(data):
            written = ",".join(packet.arguments)
            known = self._profile.by_opcode.get(packet.opcode)
            name = f"{packet.opcode:02} {known.name if known else 'unknown command'}"
            yield f"{name}: {self._meaning(packet) or written}" if self._generator else f"{name}? {written}".rstrip()

    def _meaning(self, packet: spellman.Packet) -> str:
        match interpret(self._profile, packet):
            case Reading(command=command, values=values):
                pairs = zip(command.arguments, values, strict=True)
                if len(values) > _FEW:
                    return ", ".join(argument.name for argument, value in pairs if value) or "nothing set"
                return " ".join(f"{argument.name}={value}" for argument, value in pairs)
            case Accepted():
                return "DONE - somebody set something"
            case Refused(code=code):
                return f"REFUSED with {code}"
            case Unreadable(why=why):
                return f"not understood: {why.value}: {','.join(packet.arguments)}"

    def counted(self) -> str:
        """What the decoder counted."""
        return _counted(self._decoder.counters)


_FEW: Final = 12
_Words = _OwnWords | _ForeignWords


def _own() -> dict[Who, _Words]:
    return {"unit": _OwnWords(messages.TO_HOST), "host": _OwnWords(messages.TO_UNIT)}


def _foreign(profile: Profile) -> dict[Who, _Words]:
    return {"unit": _ForeignWords(profile, generator=True), "host": _ForeignWords(profile, generator=False)}


def _counted(counters: object) -> str:
    names = getattr(counters, "__dataclass_fields__", {})
    return " ".join(f"{name}={getattr(counters, name)}" for name in names)


def _plain(value: object) -> object:
    return getattr(value, "name", value)


__all__ = ["PROFILES", "Chunk", "in_words", "play"]
