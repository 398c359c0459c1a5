"""From frames to messages on our own link: one place for what can't be read and what can't be true.

What always holds: an event that arrived whole is never dropped for its content. One that breaks its table becomes a
`Fault` with UNREADABLE_EVENT, one that contradicts itself a `Fault` with IMPLAUSIBLE_EVENT whose text begins with the
code of the contradiction; both are kept and acknowledged, or they would block the unit's ring for ever.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from firmware_bridge.frame import Decoder, Frame, FrameFlag
from firmware_bridge.messages import (
    EVENTS,
    TO_HOST,
    Event,
    Exposure,
    Fault,
    FaultCode,
    Level,
    MessageError,
    UnknownMessage,
    decode,
)

LINE_COUNTS: Final = ("bad_message", "unknown_message", "implausible", "resyncs", "frames_missed")
_LONGEST_S: Final = 600
"""No exposure lasts ten minutes."""
_AHEAD_NS: Final = 10_000_000_000
_BEHIND_NS: Final = 10 * 365 * 86_400 * 1_000_000_000
"""No unit keeps an event for ten years; and what is much older has no place in a calendar, nor in 64 bits."""
_CHARGE_FACTOR: Final = 4.0
_CHARGE_SLACK_MAS: Final = 0.5
_MANY: Final = 100_000
_GARBLED_BYTES: Final = 64


class Nonsense(StrEnum):
    """Ways in which an event contradicts itself."""

    ENDS_BEFORE_IT_BEGINS = "ends-before-it-begins"
    LASTS_TOO_LONG = "lasts-too-long"
    IN_THE_FUTURE = "in-the-future"
    LONG_AGO = "long-ago"
    CHARGE_CONTRADICTS = "charge-contradicts-current-and-time"


def nonsense(event: Event, tick_hz: int | None) -> Nonsense | None:
    """What is wrong with the event by its own words; `tick_hz` None when the unit has not told its own."""
    if not isinstance(event, Exposure):
        return None
    if event.tick_off < event.tick_on:
        return Nonsense.ENDS_BEFORE_IT_BEGINS
    if tick_hz is not None and event.tick_off - event.tick_on > _LONGEST_S * tick_hz:
        return Nonsense.LASTS_TOO_LONG
    charge_mas = event.tube_current_ma * event.exposure_time_ms / 1000
    low, high = sorted((charge_mas, event.exposure_mas))
    if low > 0 and high > _CHARGE_FACTOR * low + _CHARGE_SLACK_MAS:
        return Nonsense.CHARGE_CONTRADICTS
    return None


def believed(event: Event, moment_ns: int | None, now_ns: int, tick_hz: int | None) -> Event:
    """The event itself, or the fault that stands for it when it can't be true. Its bytes are kept with either."""
    wrong = nonsense(event, tick_hz)
    if wrong is None and moment_ns is not None:
        wrong = _misplaced(moment_ns - now_ns)
    if wrong is None:
        return event
    return Fault(event.tick, FaultCode.IMPLAUSIBLE_EVENT, Level.ERROR, active=True, text=wrong, boot_id=event.boot_id)


def _misplaced(since_now_ns: int) -> Nonsense | None:
    if since_now_ns > _AHEAD_NS:
        return Nonsense.IN_THE_FUTURE
    return Nonsense.LONG_AGO if since_now_ns < -_BEHIND_NS else None


class Line:
    """The receiving side of the line: frames, messages, and what there is to count about them."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._bad = 0
        self._noisy = False
        self._since_good = 0
        self._last_seq: dict[int, int] = {}
        self.counts: dict[str, int] = dict.fromkeys(LINE_COUNTS, 0)

    def reset(self) -> None:
        """The port was closed in between: half a frame is forgotten, counts stay."""
        self._decoder.reset()

    @property
    def garbled(self) -> bool:
        """Bytes come, and none of them make a frame: the line's speed is probably wrong, or this is no such unit."""
        return self._since_good >= _GARBLED_BYTES

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes."""
        frames = self._decoder.feed(data)
        self._since_good = 0 if frames else self._since_good + len(data)
        seen = self._decoder.counters
        bad = seen.bad_cobs + seen.bad_crc + seen.bad_header + seen.overlong
        self._noisy = self._noisy or bad != self._bad
        self._bad = bad
        if frames and self._noisy:
            self.counts["resyncs"] += 1
            self._noisy = False
        return frames

    def read(self, frame: Frame) -> Any:
        """The frame's message; for an event that can't be read, a Fault that says so; else None."""
        self._number(frame)
        try:
            return decode(frame.type, frame.payload, known=TO_HOST)
        except MessageError as error:
            self.counts["unknown_message" if isinstance(error, UnknownMessage) else "bad_message"] += 1
            if frame.type not in EVENTS and not frame.flags & FrameFlag.ACK_WANTED:
                return None
            text = f"event of type {frame.type:#04x} can't be read: {error}"
            return Fault(0, FaultCode.UNREADABLE_EVENT, Level.ERROR, active=True, text=_printable(text, 120))

    def line_counts(self) -> dict[str, int]:
        """What `LinkCounters` says of the line."""
        seen = self._decoder.counters
        return self.counts | {
            "frames_good": seen.good,
            "bad_cobs": seen.bad_cobs,
            "bad_crc": seen.bad_crc,
            "bad_header": seen.bad_header,
            "overlong": seen.overlong,
        }

    def _number(self, frame: Frame) -> None:
        """Frames that are no events count up from 1 in each session: what is left out was lost on the way."""
        if frame.type in EVENTS or frame.flags & FrameFlag.ACK_WANTED:
            return
        last = self._last_seq.get(frame.session)
        if last is None:
            self._last_seq = {frame.session: frame.seq}
            return
        if last < frame.seq:
            self._last_seq[frame.session] = frame.seq
            self.counts["frames_missed"] += frame.seq - last - 1 if frame.seq - last < _MANY else 0


def _printable(text: str, limit: int) -> str:
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)[:limit]
