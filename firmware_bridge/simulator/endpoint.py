"""The unit's end of the link, as a firmware author would write it: HELLO, heartbeats, time, events until confirmed.

What always holds: events flow only after this session's HELLO_ACK; a host frame of another session is answered with
HELLO and does nothing else; no frame from the host changes what the unit does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from firmware_bridge.frame import Decoder, Frame, FrameFlag
from firmware_bridge.frame import encode as encode_frame
from firmware_bridge.messages import (
    PROTOCOL,
    TO_UNIT,
    TYPE_OF,
    Event,
    EventAck,
    Heartbeat,
    Hello,
    HelloAck,
    Level,
    Log,
    Message,
    MessageError,
    ReplayReq,
    ResetCause,
    TimeReq,
    TimeRsp,
    decode,
    encode,
)
from firmware_bridge.simulator.condition import Condition
from firmware_bridge.simulator.ring import EventRing

_HELLO_EVERY_NS: Final = 1_000_000_000
_HEARTBEAT_EVERY_NS: Final = 1_000_000_000
_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the unit is. `drift_ppm`: how much its crystal is fast."""

    device_id: str = "SIM-UNIT-1"
    firmware: str = "sim-1.0"
    tick_hz: int = 1_000_000
    drift_ppm: float = 0.0
    capabilities: tuple[str, ...] = ("exposure", "fram-ring")


class Endpoint:
    """One boot of the unit on the link. The ring outlives it."""

    def __init__(self, identity: Identity, ring: EventRing, boot_id: int, cause: ResetCause, now_ns: int) -> None:
        self.identity = identity
        self.boot_id = boot_id
        self._ring = ring
        self._cause = cause
        self._booted_ns = now_ns
        self._decoder = Decoder()
        self._connected = False
        self._hello_due_ns = now_ns
        self._heartbeat_due_ns = now_ns + _HEARTBEAT_EVERY_NS
        self._sent = 0
        self._unknown = 0

    @property
    def connected(self) -> bool:
        """Whether a host has acknowledged this boot's HELLO."""
        return self._connected

    @property
    def unconfirmed(self) -> int:
        """How many events the host has not confirmed."""
        return len(self._ring)

    @property
    def newest(self) -> int:
        """The number of the last event."""
        return self._ring.newest

    def tick(self, now_ns: int) -> int:
        """The unit's counter at a moment of the simulation's clock."""
        since_ns = now_ns - self._booted_ns
        return int((since_ns + since_ns * self.identity.drift_ppm / 1e6) * self.identity.tick_hz / _NS)

    def record(self, event: Event) -> int:
        """Keeps an event until it is confirmed; its sequence number."""
        return self._ring.append(event, self.boot_id)

    def receive(self, data: bytes, condition: Condition, now_ns: int) -> list[bytes]:
        """Bytes from the host; the frames that answer them."""
        del condition  # nothing that the host may ask depends on it
        answers = []
        for frame in self._decoder.feed(data):
            try:
                message = decode(frame.type, frame.payload, known=TO_UNIT)
            except MessageError:
                self._unknown += 1
                continue
            if frame.session != self.boot_id & 0xFFFF:
                answers.append(self._hello(now_ns))
            else:
                answers += self._answer(message, now_ns)
        return answers

    def advance(self, condition: Condition, now_ns: int) -> list[bytes]:
        """The frames that are due."""
        frames = []
        if not self._connected and now_ns >= self._hello_due_ns:
            frames.append(self._hello(now_ns))
        if self._connected:
            for outgoing in self._ring.due(now_ns, self.boot_id):
                flags = FrameFlag.ACK_WANTED | (FrameFlag.REPLAY if outgoing.replay else 0)
                frames.append(self._frame(outgoing.event, flags, outgoing.seq))
        if now_ns >= self._heartbeat_due_ns:
            self._heartbeat_due_ns += _HEARTBEAT_EVERY_NS * (1 + (now_ns - self._heartbeat_due_ns) // _NS)
            frames.append(self._frame(self._heartbeat(condition, now_ns)))
        return frames

    def next_due_ns(self) -> int:
        """When `advance` has something to say next."""
        dues = [self._heartbeat_due_ns]
        if not self._connected:
            dues.append(self._hello_due_ns)
        elif (due := self._ring.next_due_ns()) is not None:
            dues.append(due)
        return min(dues)

    def log(self, text: str, now_ns: int) -> bytes:
        """A line for service, best effort."""
        return self._frame(Log(self.tick(now_ns), Level.INFO, text))

    def _answer(self, message: Message, now_ns: int) -> list[bytes]:
        match message:
            case HelloAck(proto=1):
                self._connected = True
                self._ring.replay(0)
                self._heartbeat_due_ns = now_ns  # so that the host knows at once what the unit is doing
            case TimeReq(t1):
                return [self._frame(TimeRsp(t1, self.tick(now_ns), self.tick(now_ns)))]
            case EventAck():
                self._ring.acknowledge(message)
            case ReplayReq(first):
                self._ring.replay(first)
        return []

    def _hello(self, now_ns: int) -> bytes:
        self._hello_due_ns = now_ns + _HELLO_EVERY_NS
        identity = self.identity
        return self._frame(
            Hello(
                proto_min=PROTOCOL,
                proto_max=PROTOCOL,
                device_id=identity.device_id,
                boot_id=self.boot_id,
                firmware=identity.firmware,
                tick_hz=identity.tick_hz,
                max_frame=512,
                capabilities=identity.capabilities,
                evt_oldest=self._ring.oldest,
                evt_newest=self._ring.newest,
                reset_cause=self._cause,
            )
        )

    def _heartbeat(self, condition: Condition, now_ns: int) -> Heartbeat:
        bad = self._decoder.counters
        return Heartbeat(
            tick=self.tick(now_ns),
            state=condition.state,
            interlock_closed=condition.interlock_closed,
            evt_oldest=self._ring.oldest,
            evt_newest=self._ring.newest,
            rx_bad=bad.bad_cobs + bad.bad_crc + bad.bad_header + bad.overlong + self._unknown,
            tx_drop=0,
            anode_heat_percent=min(round(condition.heat_percent), 200),
            battery_percent=round(condition.battery_percent),
            battery_charging=condition.charging,
        )

    def _frame(self, message: Message, flags: int = 0, seq: int | None = None) -> bytes:
        if seq is None:
            self._sent += 1
            seq = self._sent
        frame = Frame(TYPE_OF[type(message)], flags, self.boot_id & 0xFFFF, seq, encode(message))
        return encode_frame(frame, flush=True)
