"""The film for the viewer: nothing is clipped, dense is bright, the sent window is known; a process that may die."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from pydicom import Dataset, dcmread

from edge.errors import Refused, StoreError
from edge.store import Store
from edge.web import plate
from edge.web.darkroom import Darkroom
from tests.web.appliance import Appliance, film_dicom, findings, lesion

SYNTAX = "1.2.840.10008.1.2.1"


def film(**changes: object) -> Dataset:
    dataset = dcmread(io.BytesIO(film_dicom("2.25.1", 100, 80)))
    for name, value in changes.items():
        setattr(dataset, name, value)
    return dataset


@pytest.mark.requirement("the viewer hides nothing that was sent")
def test_what_the_window_clips_is_still_there() -> None:
    dataset = film(WindowCenter=800, WindowWidth=200)
    made = plate.develop(dataset)
    codes = dataset.pixel_array
    for low, high in ((240, 1440), (1440, 3040)):
        dark, bright = made.grey[codes == low], made.grey[codes == high]
        assert len(dark) == 0 or len(bright) == 0 or dark.max() < bright.min()
    assert len(np.unique(made.grey)) == len(np.unique(codes))
    span = 65535 / (int(codes.max()) - int(codes.min()))
    assert made.low == pytest.approx((700 - int(codes.min())) * span, abs=span * 30)
    assert made.high == pytest.approx((900 - int(codes.min())) * span, abs=span * 30)


@pytest.mark.requirement("dense is bright")
def test_monochrome1_is_turned_over() -> None:
    upright = plate.develop(film())
    dataset = film(PhotometricInterpretation="MONOCHROME1")
    dataset.PixelData = (4095 - dataset.pixel_array).astype(np.uint16).tobytes()
    turned = plate.develop(dataset)
    order = np.argsort(upright.grey.ravel(), kind="stable")
    assert np.all(np.diff(turned.grey.ravel()[order].astype(int)) >= 0)


@pytest.mark.parametrize("small", [False, True])
def test_packing_loses_nothing(*, small: bool) -> None:
    made = plate.develop(film())
    body = plate.packed(made, small=small)
    rows, columns, low, high, coding = struct.unpack("<5I", body[:20])
    assert (rows, columns, low, high, coding) == (100, 80, made.low, made.high, int(small))
    if small:
        count = rows * columns
        high_bytes = np.frombuffer(body, np.uint8, count, 20).astype(np.uint16)
        low_bytes = np.frombuffer(body, np.uint8, count, 20 + count)
        steps = ((high_bytes << 8) | low_bytes).reshape(rows, columns)
        grey = np.cumsum(steps, axis=1, dtype=np.uint16)
        assert gzip.decompress(plate.squeezed(body)) == body
    else:
        grey = np.frombuffer(body, "<u2", -1, 20).reshape(rows, columns)
    assert np.array_equal(grey, made.grey)


def test_the_darkroom_develops_and_says_what_it_can_not(store: Store) -> None:
    room = Darkroom(store.objects)
    try:
        good = store.objects.put(film_dicom("2.25.1", 100, 80))
        body = room.plate(good, SYNTAX, small=False)
        assert len(body) == 20 + 2 * 100 * 80
        assert room.plate(good, SYNTAX, small=False) is body  # kept
        with pytest.raises(Refused) as caught:
            room.plate(store.objects.put(b"not a film"), SYNTAX, small=False)
        assert caught.value.reason.code in {"damaged-pixels", "not-dicom"}
        with pytest.raises(StoreError):
            room.plate("0" * 64, SYNTAX, small=False)
    finally:
        room.close()


@pytest.mark.requirement("a hostile film stops nothing")
def test_a_darkroom_that_dies_is_replaced(store: Store) -> None:
    room = Darkroom(store.objects)
    try:
        room.warm_up()
        assert room._process
        room._process.kill()
        room._process.wait()
        name = store.objects.put(film_dicom("2.25.1", 100, 80))
        assert room.plate(name, SYNTAX, small=False)
        hasty = Darkroom(store.objects, deadline_s=0.0)
        with pytest.raises(Refused) as caught:
            hasty.plate(name, SYNTAX, small=False)
        assert caught.value.reason.code == "deadline"
        hasty.close()
    finally:
        room.close()


def test_the_film_is_served_whole_here_and_small_over_a_network(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.filmed(findings(lesion()), 1)
    path = f"/images/{image.id}/film"
    here = client.get(path)
    assert here.status_code == 200
    assert len(here.data) == 20 + 2 * 1000 * 800
    far = client.get(path, headers={"Accept-Encoding": "gzip"}, environ_base={"REMOTE_ADDR": "10.0.0.7"})
    assert far.headers["Content-Encoding"] == "gzip"
    assert len(far.data) < len(here.data) / 4
    assert client.get(path, headers={"If-None-Match": here.headers["ETag"]}).status_code == 304
    appliance.whole(findings(), b"no film")
    assert client.get("/images/2/film").status_code == 404


def test_the_parent_never_loads_a_decoder() -> None:
    source = (Path(plate.__file__).parent / "darkroom.py").read_text(encoding="utf-8")
    assert "from edge.web import plate  # noqa" in source
