"""From the last byte of a 10 MB image to its findings on the page, as a browser learns of them."""

from __future__ import annotations

import contextlib
import re
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from tests.bench.figure import Figure, at_most, plain
from tests.peers.appliance import Appliance
from tests.peers.hands import new_hand
from tests.peers.sender import one_association

_IMAGES = 15
_PIXEL_BYTES = 10_485_760  # 2560 x 2048 at 16 bits
_SHOWN = re.compile(rb'class="verdict ([a-z_-]+)" data-image="(\d+)"')
_WAITING = (b"pending",)


class Browser(threading.Thread):
    """Follows the page as its script does: at each `changed` it fetches the page, and notes when an outcome shows."""

    def __init__(self, appliance: Appliance) -> None:
        super().__init__(name="browser", daemon=True)
        self._appliance = appliance
        self.shown_s: dict[int, float] = {}
        self.outcomes: dict[int, str] = {}

    def run(self) -> None:
        with (
            contextlib.suppress(ConnectionError),  # the appliance is gone: the bench is over
            urllib.request.urlopen(self._appliance.request("/events"), timeout=300) as stream,
        ):
            for line in stream:
                if line.startswith(b"event: changed"):
                    self._look()

    def _look(self) -> None:
        with urllib.request.urlopen(self._appliance.request("/"), timeout=10) as page:
            found = _SHOWN.search(page.read())
        if found and found[1] not in _WAITING and int(found[2]) not in self.shown_s:
            self.shown_s[int(found[2])] = time.monotonic()
            self.outcomes[int(found[2])] = found[1].decode()


def page(folder: Path) -> Iterator[Figure]:
    """One image at a time, each waited for."""
    with Appliance(folder / "appliance", "[intake]\nreserve_mb = 1") as appliance:
        browser = Browser(appliance)
        browser.start()
        took: list[float] = []
        for number in range(_IMAGES + 2):
            for last_byte_s in one_association(appliance.dicom_port, [ten_megabytes(number)]):
                end_s = time.monotonic() + 30
                while number + 1 not in browser.shown_s:
                    assert time.monotonic() < end_s, f"image {number + 1} did not show"
                    time.sleep(0.005)
                took.append(browser.shown_s[number + 1] - last_byte_s)
            appliance.wait_delivered(number + 1)
        assert "not_analysed" not in browser.outcomes.values()
    took = took[2:]  # the first two warm up
    how = f"{len(took)} phantom hands of 10.5 MB, sent one by one; a client follows the page's event stream"
    yield at_most("last byte to findings on the page, median", statistics.median(took), "s", 2.5, how)
    yield plain("last byte to findings on the page, slowest", max(took), "s", how)


def ten_megabytes(number: int) -> Dataset:
    """A golden phantom, uncompressed and put in the middle of a 2560 x 2048 field."""
    dataset = new_hand(number)
    pixels = dataset.pixel_array
    dataset.decompress(generate_instance_uid=False)
    rows, columns = 2560, 2048
    field = pixels[:1, :1].repeat(rows, 0).repeat(columns, 1)
    top, left = max(0, (rows - pixels.shape[0]) // 2), max(0, (columns - pixels.shape[1]) // 2)
    part = pixels[:rows, :columns]
    field[top : top + part.shape[0], left : left + part.shape[1]] = part
    dataset.Rows, dataset.Columns = rows, columns
    dataset.PixelData = field.tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    assert len(dataset.PixelData) == _PIXEL_BYTES
    return dataset
