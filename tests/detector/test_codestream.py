"""What a codestream says of itself, and what it may not say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread, uid
from pydicom.encaps import generate_frames

from edge.detector.codestream import BadCodestream, Geometry, geometry

Make = Callable[..., Dataset]
Encode = Callable[[Dataset, str], Dataset]


def stream_of(dataset: Dataset) -> bytes:
    return next(generate_frames(dataset.PixelData, number_of_frames=1)).rstrip(b"\0")


@pytest.mark.needs("dcmcjpeg")
@pytest.mark.parametrize(
    "syntax", [uid.JPEGLosslessSV1, uid.JPEGExtended12Bit, uid.JPEGLSLossless, uid.JPEG2000Lossless]
)
def test_states_the_shape_of_its_picture(make: Make, encode: Encode, syntax: str) -> None:
    codes = np.arange(96 * 72, dtype=np.uint16).reshape(96, 72) % 4096
    stream = stream_of(encode(make(codes, BitsStored=12), syntax))
    assert geometry(stream) in {Geometry(96, 72, 1, precision) for precision in (12, 16)}


@pytest.mark.parametrize("syntax", [uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless])
def test_one_cut_short_is_bad_wherever_it_is_cut(make: Make, encode: Encode, syntax: str) -> None:
    stream = stream_of(encode(make(BitsStored=12), syntax))
    for end in range(0, len(stream) - 2, 7):
        with pytest.raises(BadCodestream):
            geometry(stream[:end])


@pytest.mark.shared_data
@pytest.mark.requirement("a damaged picture is refused")
def test_a_scan_that_fits_no_process_is_bad(shared_data: Path) -> None:
    with pytest.raises(BadCodestream, match="sequential"):
        geometry(stream_of(dcmread(shared_data / "dicom" / "RG3_JPLY.dcm")))


def test_noise_is_bad() -> None:
    rng = np.random.default_rng(3)
    for head in (b"", b"\xff\xd8", b"\xff\x4f\xff\x51"):
        with pytest.raises(BadCodestream):
            geometry(head + rng.bytes(40))
