"""A technician waits for the report: what segmentation, outlines and key image add to it, on a whole film."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from edge.report.build import new_uid, warm_up
from edge.report.document import Setting, to_bytes
from edge.report.grey import read_grey
from edge.report.header import read_source
from edge.report.keyobject import key_object
from edge.report.presentation import presentation_state
from edge.report.segmentation import segmentation
from edge.report.tracked import track
from edge.report.verify import verify
from edge.types import ImageFacts, ReportKind
from tests.report.report_samples import DEVICE, MADE_AT, film, findings, lesion, save, source

ROWS, COLUMNS = 2560, 2048
MOST_MS = 150.0


def test_the_marks_of_ten_lesions_take_less_than_a_blink(tmp_path: Path) -> None:
    path = save(source(Rows=ROWS, Columns=COLUMNS, PixelData=film(ROWS, COLUMNS).tobytes()), tmp_path / "source.dcm")
    places = np.random.default_rng(1).integers(100, 1900, (10, 2))
    ten = findings(
        image=ImageFacts(ROWS, COLUMNS, 0.1, "ImagerPixelSpacing"),
        lesions=tuple(
            lesion(n, "DP2", float(x), float(y), certainty="definite" if n % 2 else "possible")
            for n, (x, y) in enumerate(places)
        ),
    )
    warm_up()
    times_ms = []
    for _ in range(5):
        start_ns = time.process_time_ns()  # of this process alone: the machine has other work
        setting = Setting(read_source(path), MADE_AT, DEVICE, new_uid, None)
        tracked, grey = track(ten, setting.uid), read_grey(path)
        assert grey is not None
        state = presentation_state(setting, tracked, (ROWS, COLUMNS), grey)
        kinds: dict[ReportKind, bytes] = {
            "segmentation": to_bytes(segmentation(setting, ten, tracked, (ROWS, COLUMNS))),
            "presentation-state": to_bytes(state),
            "key-object": to_bytes(key_object(setting, ten, state)),
        }
        for kind, content in kinds.items():
            verify(kind, content, path, ten, {str(state.SOPInstanceUID)})
        times_ms.append((time.process_time_ns() - start_ns) / 1e6)
    print(f"three more objects, ten lesions, {COLUMNS}x{ROWS}: {min(times_ms):.0f} ms of processor time")
    assert min(times_ms) < MOST_MS
