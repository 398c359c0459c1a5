"""Ten thousand boxes on one machine: their decisions and messages are the product's, their connections real MQTT 5.

Only the box's insides are simulated: a trial ends well, badly, or in silence, as a seeded draw says. The client speaks
as much MQTT as a box needs, for ten thousand sockets in one process.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from edge.fleet.documents import Channel
from edge.fleet.link import first_pause_s, topic
from edge.fleet.messages import KindStatus, Origin, Presence, UpdateStatus, encode
from edge.fleet.slots import FACTORY
from edge.fleet.targeting import Box, bucket, choose

FLEET = "crowd"


def _length(size: int) -> bytes:
    out = bytearray()
    while True:
        size, low = divmod(size, 128)
        out.append(low | (128 if size else 0))
        if not size:
            return bytes(out)


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">H", len(raw)) + raw


def _packet(head: int, body: bytes) -> bytes:
    return bytes([head]) + _length(len(body)) + body


def connect_packet(device: str, will: bytes) -> bytes:
    """CONNECT, version 5, clean start, retained will of QoS 1 with a delay of 120 s (MQTT 5, section 3.1)."""
    delay = b"\x18" + struct.pack(">I", 120)
    body = _text("MQTT") + bytes([5, 0b00101110]) + struct.pack(">H", 600) + b"\x00"
    body += _text(f"{FLEET}-{device}") + _length(len(delay)) + delay
    body += _text(topic(FLEET, device, "status")) + struct.pack(">H", len(will)) + will
    return _packet(0x10, body)


def publish_packet(where: str, payload: bytes, number: int) -> bytes:
    """PUBLISH, QoS 1, retained (section 3.3)."""
    return _packet(0x33, _text(where) + struct.pack(">H", number) + b"\x00" + payload)


@dataclass(slots=True)
class Crowd:
    """What all boxes share."""

    port: int
    channel: Callable[[], Channel]
    poll_s: float
    failing: float
    silent: float
    seed: int
    attempts: Counter[int] = field(default_factory=Counter)
    have: set[str] = field(default_factory=set)
    connected: int = 0


class CrowdBox:
    """One box."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        self.device = f"box-{number:05}"
        self._crowd = crowd
        self._luck = random.Random(f"{crowd.seed} {number}").random()
        self._good, self._trial = FACTORY, ""
        self._bad: dict[str, str] = {}
        self._seq = 0
        self._writer: asyncio.StreamWriter | None = None
        self._quiet = False

    async def connection(self) -> None:
        """Connects, stays connected, comes back: as a box does."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._crowd.poll_s * bucket("connect", self.device) / 10_000)
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._crowd.port)
                try:
                    writer.write(connect_packet(self.device, encode(Presence("b", online=False))))
                    await reader.readexactly(2)
                    self._writer = writer
                    self._crowd.connected += 1
                    self._say(topic(FLEET, self.device, "status"), encode(Presence("b", online=True)))
                    self._report()
                    while await reader.read(512):
                        pass
                finally:
                    if self._writer is writer:
                        self._crowd.connected -= 1
                    self._writer = None
                    writer.close()
            pause_s = first_pause_s() - random.random()
            # Counted when it is due: a test machine that is out of breath must not look like a stampede of boxes.
            self._crowd.attempts[int(loop.time() + pause_s)] += 1
            await asyncio.sleep(pause_s)

    async def polls(self) -> None:
        """Looks for updates at its own moment, again and again."""
        await asyncio.sleep(self._crowd.poll_s * (1 + bucket("phase", self.device) / 10_000))
        while not self._quiet:
            await self._poll()
            self._report()  # as a box does after each check
            await asyncio.sleep(self._crowd.poll_s)

    async def _poll(self) -> None:
        choice = choose(self._crowd.channel(), Box(self.device), datetime.now(UTC))
        release = choice.release
        if release in (None, FACTORY) or release == self._good or release in self._bad or self._trial:
            return
        assert release is not None
        self._trial = release
        self._crowd.have.add(self.device)
        self._report()
        if self._luck < self._crowd.silent:
            self._quiet = True
            return
        await asyncio.sleep(2.0)
        if self._luck < self._crowd.silent + self._crowd.failing:
            self._bad[release] = "trial-crashed"
        else:
            self._good = release
        self._trial = ""
        self._report()

    def _report(self) -> None:
        if self._quiet and not self._trial:
            return
        self._seq += 1
        kinds = {"model": KindStatus(self._good, self._trial, "", "", "", self._bad)}
        origin = Origin("b", self._seq, "2026-11-01T00:00:00Z", clock_trusted=True)
        message = encode(UpdateStatus(origin, "x86_64", (), 1, "", kinds))
        self._say(topic(FLEET, self.device, "update"), message)

    def _say(self, where: str, payload: bytes) -> None:
        if self._writer is not None:
            self._writer.write(publish_packet(where, payload, 1 + self._seq % 65_000))
