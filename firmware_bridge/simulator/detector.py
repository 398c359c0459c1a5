"""The unit's image detector: one image for each exposure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from firmware_bridge.messages import Exposure
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

    def exposed(self, exposure: Exposure) -> None:
        """One exposure ended now."""
        if self._sender is not None and self._maker is not None:
            spanned = timedelta(milliseconds=exposure.exposure_time_ms)
            self._sender.submit(self._maker.make(exposure, datetime.now(UTC).astimezone() - spanned), self._after_s)

    def close(self) -> None:
        """Lets the image under way finish for a moment."""
        if self._sender is not None:
            self._sender.close()
