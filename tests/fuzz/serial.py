"""What a serial line can bring, and what must hold whatever it is: our own link, Spellman's two, and traces of both.

`targets()` names the tests; each takes an input and returns when all is well. What leaves one is a bug: an exception
of the product, or an invariant that is asserted here. Bytes at random never get past a checksum, so most inputs are
scripts: chunks as they are, frames with a right checksum and any content, and what happens beside the line.

    python -m tests.fuzz.serial --inputs 1000000
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from edge.clock import SystemClock
from edge.errors import REASONS
from edge.intake.exposures import moment
from edge.services.bridge import _REASONS as CODES
from firmware_bridge import frame, messages, trace
from firmware_bridge.driver import Action, ClosePort, Driver, Persist, Send
from firmware_bridge.link import EventKey, LinkCounters, LinkReason, ReceivedEvent
from firmware_bridge.listen import Listener
from firmware_bridge.messages import TO_HOST, TO_UNIT, Message, MessageError
from firmware_bridge.session import Session
from firmware_bridge.simulator.replay import in_words
from firmware_bridge.spellman import frame as spellman
from firmware_bridge.spellman.driver import Poller
from firmware_bridge.spellman.guard import REQUESTS
from firmware_bridge.spellman.pmx import PMX
from firmware_bridge.spellman.profile import Decimal, Number, Profile, Reading, Text, Unreadable, interpret
from firmware_bridge.spellman.xrv import XRV
from firmware_bridge.trace import TraceError
from tests.fuzz import engine

CORPUS: Final = Path(__file__).parent / "corpus" / "serial"
"""A folder for each target: inputs that once showed a bug, or lead where chance seldom does."""

_NOW: Final = SystemClock().now()
_MS: Final = 1_000_000
START_NS: Final = 1_000_000 * _MS
"""The host's clock when a script begins."""
_STEPS: Final = 64
_LONGEST: Final = 8192
"""Bytes of a stream: several times what either decoder may hold."""

RAW, FRAMED, WAIT, KEPT, REFUSED, REPLUG = range(6)
"""What a step of a script does; its number modulo six. A step is that byte, a length, and so many bytes."""


def targets() -> dict[str, Callable[[bytes], None]]:
    """The tests by their names."""
    return {
        "serial-frames": frames,
        "serial-messages": contents,
        "serial-session": session,
        "serial-spellman": spellman_units,
        "serial-trace": traces,
    }


def frames(data: bytes) -> None:
    """Both decoders: what they find does not depend on how the bytes are cut, and is what an encoder would send."""
    size, stream = 1 + data[0] if data else 1, data[1:_LONGEST]
    whole, cut = frame.Decoder(), frame.Decoder()
    found = whole.feed(stream)
    assert found == [one for chunk in _cut(stream, size) for one in cut.feed(chunk)]
    assert asdict(whole.counters) == asdict(cut.counters)
    for one in found:
        assert frame.Decoder().feed(frame.encode(one)) == [one]
    foreign, pieces = spellman.Decoder(), spellman.Decoder()
    packets = foreign.feed(stream)
    assert packets == [packet for chunk in _cut(stream, size) for packet in pieces.feed(chunk)]
    assert asdict(foreign.counters) == asdict(pieces.counters)
    for packet in packets:
        for profile in (PMX, XRV):
            interpret(profile, packet)


def contents(data: bytes) -> None:
    """A payload of each type: MessageError, or a message inside its table that reads the same when it is sent again."""
    type_, payload = data[0] if data else 0, data[1:]
    for known in (TO_HOST, TO_UNIT):
        for asked in known if type_ >= 0x80 else (type_,):
            try:
                message: Message = messages.decode(asked, payload, known=known)
            except MessageError:
                continue
            assert type(message) is known[asked]
            again = messages.decode(asked, messages.encode(message), known=known)
            assert again == message


def session(data: bytes) -> None:
    """A script for a session, and for a listener beside it, who must never send."""
    for one in frame.Decoder().feed(b"".join(play(Session("XU-1"), data, own_frame).sent)):
        assert messages.decode(one.type, one.payload, known=TO_UNIT)
    assert not play(Listener(), data, own_frame).sent


def spellman_units(data: bytes) -> None:
    """A script for a poller of each model: it sends listed reads and nothing else."""
    for profile in (PMX, XRV):
        allowed = {request for (name, _), request in REQUESTS.items() if name == profile.name}
        assert allowed.issuperset(play(Poller(profile.name, run_id=7), data, partial(spellman_answer, profile)).sent)
        for packet in spellman.Decoder().feed(data):
            reply = interpret(profile, packet)
            if isinstance(reply, Reading):
                assert len(reply.values) == len(reply.command.arguments)
            elif isinstance(reply, Unreadable):
                assert reply.packet == packet


def traces(data: bytes) -> None:
    """A file that says it is a trace: read and told in words, or TraceError."""
    with os.fdopen(os.memfd_create("trace"), "w+b") as file, suppress(TraceError):  # nothing to clear up after a death
        file.write(data)
        file.flush()
        recording = trace.read(Path(f"/proc/self/fd/{file.fileno()}"))
        for profile in ("own", PMX.name, XRV.name, recording.facts.get("unit", "own")):
            assert all(line.isprintable() for line in in_words(recording, profile))


# -- scripts -------------------------------------------------------------------------------------------------------


def steps(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The steps of a script: what to do, and with which bytes. The last one may be cut short."""
    at = 0
    for _ in range(_STEPS):
        if at + 2 > len(data):
            return
        yield data[at] % 6, data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]


@dataclass(slots=True)
class Played:
    """What came of a script: what the driver sent, and every event that it handed out."""

    sent: list[bytes] = field(default_factory=list)
    events: list[ReceivedEvent] = field(default_factory=list)


Framed = Callable[[bytes, bytes], bytes]
"""Makes a frame with a right checksum of a step's body, and of what the driver sent last."""


class _Player:
    """One driver and its script."""

    def __init__(self, driver: Driver, framed: Framed) -> None:
        self.played = Played()
        self._driver = driver
        self._framed = framed
        self._now_ns = START_NS
        self._waiting: list[EventKey] = []
        self._do(driver.port_opened(START_NS))

    def step(self, what: int, body: bytes) -> None:
        """Does one step as the bridge would."""
        driver = self._driver
        match what:
            case 0:
                self._do(driver.feed(body, self._now_ns))
            case 1:
                last = self.played.sent[-1] if self.played.sent else b""
                self._do(driver.feed(self._framed(body, last), self._now_ns))
            case 2:
                self._now_ns += 10 * _MS * (1 + len(body)) if len(body) < 200 else 6_000 * _MS
                self._do(driver.tick(self._now_ns))
            case 3:
                self._do(driver.events_persisted(self._take(1 + len(body))))
            case 4:
                driver.events_refused(self._take(1 + len(body)))
            case _:
                self._do(driver.port_lost(LinkReason.PORT_LOST, self._now_ns))
                self._do(driver.port_opened(self._now_ns))

    def _take(self, count: int) -> list[EventKey]:
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(said):
                    self.played.sent.append(said)
                case Persist(event):
                    _storable(event)
                    self.played.events.append(event)
                    self._waiting.append(event.key)
                case ClosePort():
                    self._do(self._driver.port_opened(self._now_ns))


def play(driver: Driver, data: bytes, framed: Framed) -> Played:
    """Goes through a script; the driver's status is looked at every eighth step and at the end."""
    player = _Player(driver, framed)
    for number, (what, body) in enumerate(steps(data)):
        player.step(what, body)
        if number % 8 == 0:
            _sound(driver)
    _sound(driver)
    return player.played


def _storable(event: ReceivedEvent) -> None:
    """What the store's columns and calendar can take: an event that they can't would come again for ever."""
    assert abs(event.host_monotonic_ns) < 2**63
    assert moment(_NOW, event.host_monotonic_ns).iso
    assert 0 <= event.key.seq < 2**32
    assert 0 <= event.key.boot_id < 2**53
    assert event.key.device_id.isprintable()


def _sound(driver: Driver) -> None:
    """The status is one that the appliance has words for."""
    status = driver.status()
    code = CODES[status.reason]
    assert code is None or code in REASONS
    assert all(getattr(status.counters, name) >= 0 for name in LinkCounters.__slots__)
    assert isinstance(driver.expects(START_NS), bool)


def own_frame(body: bytes, _: bytes = b"") -> bytes:
    """Type, flags, which session (0 and 1 are that of `OWN_BOOT`), sequence, payload."""
    type_, flags, which, seq, *payload = body.ljust(4, b"\0")
    session_ = which if which > 1 else OWN_BOOT & 0xFFFF
    return frame.encode(frame.Frame(type_, flags, session_, seq, bytes(payload)))


def spellman_frame(body: bytes) -> bytes:
    """Any body."""
    return bytes([spellman.STX]) + body + bytes([spellman.checksum(body), spellman.ETX])


def spellman_answer(profile: Profile, body: bytes, asked: bytes) -> bytes:
    """A body; or, when it begins with `=`, the sound answer to what was asked, one argument of it another.

    `=` alone changes nothing; `=`, a byte and a text put that text in that place.
    """
    command = profile.by_opcode.get(int(asked[1:3])) if asked else None
    if body[:1] != b"=" or command is None:
        return spellman_frame(body)
    arguments = [_SOUND[type(argument)] for argument in command.arguments] or [b"$"]
    if len(body) > 1:
        arguments[body[1] % len(arguments)] = body[2:]
    return spellman_frame(b",".join([asked[1:3], *arguments, b""]))


_SOUND: Final[dict[type, bytes]] = {Number: b"1", Decimal: b"12.5", Text: b"SWM9999-999"}


OWN_BOOT: Final = 0x1234A5B6C7
"""The boot of the unit in the seeds."""


def _cut(stream: bytes, size: int) -> Iterator[bytes]:
    return (stream[at : at + size] for at in range(0, len(stream), size))


# -- the command ---------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Runs the targets, a line of JSON for each. 0 when no bug was seen; inputs that show one are kept in var/fuzz."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.serial", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=sorted(targets()))
    parser.add_argument("--keep", type=Path, default=Path("var/fuzz"))
    asked = parser.parse_args(arguments)
    chosen = {name: share for name, share in _SHARES.items() if asked.only in (None, name)}
    bugs = 0
    for name, share in chosen.items():
        began_s, target = time.monotonic(), made(name)
        inputs = round(asked.inputs * share / sum(chosen.values()))
        tally = engine.run(target, inputs=inputs, seconds=86_400, seed=asked.seed)
        bugs += len(tally.bugs)
        facts = {"target": name, "inputs": tally.inputs, "seed": asked.seed, "bugs": len(tally.bugs)}
        print(json.dumps(facts | {"slowest_s": round(tally.slowest_s, 3), "wall_s": round(time.monotonic() - began_s)}))
        for path in engine.keep(target, tally, asked.seed, asked.keep / name) if tally.bugs else ():
            print(f"kept {path}", file=sys.stderr)
    return 1 if bugs else 0


_SHARES: Final = {
    "serial-frames": 25,
    "serial-messages": 30,
    "serial-session": 20,
    "serial-spellman": 20,
    "serial-trace": 5,
}
"""Of a hundred inputs: frames and their contents are quick to try, scripts go deeper and take longer."""


def made(name: str) -> engine.Target:
    """The target with its seeds, the corpus among them, and with changes that know its form."""
    from tests.fuzz.serial_seeds import CHANGES, SEEDS  # they are made of what is above

    kept = [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]
    return engine.Target(targets()[name], [*SEEDS[name], *kept], CHANGES[name], deadline_s=2.0)


if __name__ == "__main__":
    sys.exit(main())
