"""The unit's image detector: one image for each exposure, the pulses of one exposure together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from firmware_bridge.messages import EndCode, Exposure
from firmware_bridge.simulator.images import Destination, ImageMaker, ImageSender


class Detector:
    """Makes and sends images, `after_s` after the end of each exposure; does nothing without examples to make them of.

    Args:
        examples: a folder of DICOM files.
        device_id: the unit's name in them.
        patients: see `ImageMaker`.
        send_to, drop_into: where they go.
        after_s: read-out and processing.
        say: is told each outcome.

    Raises:
        ValueError: if the folder holds no image.
    """

    def __init__(
        self,
        examples: Path | None,
        *,
        device_id: str,
        patients: int,
        send_to: Destination | None,
        drop_into: Path | None,
        after_s: float,
        say: Callable[[str], None],
    ) -> None:
        self._maker = ImageMaker(examples, device_id, patients) if examples else None
        self._sender = ImageSender(send_to, drop_into, say) if self._maker and (send_to or drop_into) else None
        self._after_s = after_s
        self._pulses: list[Exposure] = []
        self._began: datetime | None = None

    def exposed(self, pulse: Exposure) -> None:
        """One pulse ended now."""
        now = datetime.now(UTC).astimezone()
        self._began = self._began or now - timedelta(milliseconds=pulse.exposure_time_ms)
        self._pulses.append(pulse)
        if pulse.end_code is not EndCode.AEC:
            self._read_out()

    def close(self) -> None:
        """Lets the image under way finish for a moment."""
        if self._sender is not None:
            self._sender.close()

    def _read_out(self) -> None:
        pulses, began = self._pulses, self._began
        self._pulses, self._began = [], None
        assert began is not None
        if self._sender is not None and self._maker is not None:
            self._sender.submit(self._maker.make(merged(pulses), began), self._after_s)


def merged(pulses: list[Exposure]) -> Exposure:
    """What an image says of its exposure: time and charge of all pulses, voltage of the last."""
    last = pulses[-1]
    ms = round(sum(pulse.exposure_time_ms for pulse in pulses), 2)
    mas = round(sum(pulse.exposure_mas for pulse in pulses), 3)
    return replace(
        last,
        tick_on=pulses[0].tick_on,
        exposure_time_ms=ms,
        exposure_mas=mas,
        tube_current_ma=round(mas / ms * 1000, 2) if ms else last.tube_current_ma,
    )
