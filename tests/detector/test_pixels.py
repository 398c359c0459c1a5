"""The film of a data set: the whole grey scale as a table, checked by an independent value-by-value reading of it."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, Sequence, uid

from edge.detector.pixels import film
from edge.errors import Refused

Make = Callable[..., Dataset]
Encode = Callable[[Dataset, str], Dataset]

LOSSLESS = {
    "implicit little endian": uid.ImplicitVRLittleEndian,
    "explicit little endian": uid.ExplicitVRLittleEndian,
    "big endian": uid.ExplicitVRBigEndian,
    "deflated": uid.DeflatedExplicitVRLittleEndian,
    "RLE": uid.RLELossless,
    "JPEG-LS": uid.JPEGLSLossless,
    "JPEG 2000": uid.JPEG2000Lossless,
    "JPEG lossless": uid.JPEGLossless,
    "JPEG lossless SV1": uid.JPEGLosslessSV1,
}
LOSSY = {
    "JPEG-LS near-lossless": (uid.JPEGLSNearLossless, 12),
    "JPEG 2000": (uid.JPEG2000, 12),
    "JPEG baseline": (uid.JPEGBaseline8Bit, 8),
    "JPEG extended": (uid.JPEGExtended12Bit, 12),
}

VOI_TABLE = [round(255 * (i / 511) ** 2) for i in range(512)]
"""An 8-bit table over the modality values -100 to 411."""
RESCALES: dict[str, tuple[float, float]] = {"none": (1.0, 0.0), "identity": (1.0, 0.0), "shifted": (0.5, -100.0)}
VOIS: dict[str, dict[str, Any]] = {
    "none": {},
    "linear": {"WindowCenter": 300.0, "WindowWidth": 401.0},
    "linear, two windows": {"WindowCenter": [300.0, 10.0], "WindowWidth": [401.0, 5.0]},
    "exact": {"WindowCenter": 300.0, "WindowWidth": 400.0, "VOILUTFunction": "LINEAR_EXACT"},
    "sigmoid": {"WindowCenter": 300.0, "WindowWidth": 250.0, "VOILUTFunction": "SIGMOID"},
    "table": {"VOILUTSequence": "table"},
    "no width": {"WindowCenter": 300.0, "WindowWidth": 0.0},
}
SHAPES: tuple[tuple[str, str | None, bool], ...] = (
    ("MONOCHROME2", None, False),
    ("MONOCHROME2", "IDENTITY", False),
    ("MONOCHROME1", None, True),
    ("MONOCHROME1", "INVERSE", True),
)
FORMATS = [(8, 8, 0), (16, 10, 0), (16, 12, 0), (16, 12, 1), (16, 16, 0), (16, 16, 1)]
"""Bits allocated, bits stored, pixel representation."""


def expected(value: int, slope: float, intercept: float, voi: str, *, full: tuple[int, int], inverse: bool) -> float:
    """One P-value by the letter of PS3.3 C.11.1 to C.11.6, with numbers alone."""
    x = value * slope + intercept
    rule = VOIS[voi]
    function = rule.get("VOILUTFunction", "LINEAR")
    if voi == "table":
        y = VOI_TABLE[min(max(round(x) + 100, 0), 511)] / 255
    elif "WindowCenter" not in rule or voi == "no width":
        low, high = (bound * slope + intercept for bound in full)
        y = (x - low) / (high - low)
    else:
        centre, width = (np.atleast_1d(rule[k])[0] for k in ("WindowCenter", "WindowWidth"))
        if function == "SIGMOID":
            y = 1 / (1 + math.exp(-4 * (x - centre) / width))
        elif function == "LINEAR_EXACT":
            y = 0.0 if x <= centre - width / 2 else 1.0 if x > centre + width / 2 else (x - centre) / width + 0.5
        elif x <= centre - 0.5 - (width - 1) / 2:
            y = 0.0
        elif x > centre - 0.5 + (width - 1) / 2:
            y = 1.0
        else:
            y = (x - (centre - 0.5)) / (width - 1) + 0.5
    return 1 - y if inverse else y


def voi_lut(first: int = -100) -> Sequence:
    item = Dataset()
    item.add_new(0x00283002, "SS", [512, first, 8])
    item.add_new(0x00283006, "OW", np.array(VOI_TABLE, "<u2").tobytes())
    return Sequence([item])


@pytest.mark.requirement("pixels are shown as the header says")
@pytest.mark.parametrize(("allocated", "bits", "signed"), FORMATS)
@pytest.mark.parametrize("voi", VOIS)
def test_every_grey_scale_is_read_as_the_standard_says(
    make: Make, voi: str, allocated: int, bits: int, signed: int
) -> None:
    rng = np.random.default_rng(bits * 100 + signed)
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    values = np.array([low, high, 0, 1, *rng.integers(low, high + 1, 252)]).reshape(16, 16)
    garbage = rng.integers(0, 1 << (allocated - bits), values.shape) << bits if allocated > bits else 0
    codes = ((values & ((1 << bits) - 1)) | garbage).astype(f"u{allocated // 8}")

    for rescale, (photometric, shape, inverse) in itertools.product(RESCALES, SHAPES):
        slope, intercept = RESCALES[rescale]
        header: dict[str, Any] = dict(VOIS[voi])
        if voi == "table":
            header["VOILUTSequence"] = voi_lut()
        if rescale != "none":
            header |= {"RescaleSlope": slope, "RescaleIntercept": intercept}
        if shape:
            header["PresentationLUTShape"] = shape
        made = film(
            make(codes, BitsStored=bits, PixelRepresentation=signed, PhotometricInterpretation=photometric, **header)
        )
        want = [
            [expected(int(v), slope, intercept, voi, full=(low, high), inverse=inverse) for v in row] for row in values
        ]
        case = f"{photometric}/{shape}/{rescale}/{voi}/{bits} of {allocated} bits/signed {signed}"
        assert made.image.dtype == np.float32
        assert np.abs(made.image - np.array(want)).max() < 1e-5, case
        assert made.presentation


def test_a_modality_table_comes_before_the_window(make: Make) -> None:
    item = Dataset()
    item.add_new(0x00283002, "US", [256, 0, 16])
    item.add_new(0x00283006, "OW", (np.arange(256, dtype="<u2")[::-1] * 4).tobytes())
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)

    image = film(make(codes, ModalityLUTSequence=[item], WindowCenter=510.5, WindowWidth=1021)).image

    assert image[0, 0] == 1.0
    assert image[-1, -1] == 0.0
    assert image[8, 0] == pytest.approx((255 - 128) * 4 / 1020, abs=1e-3)


@pytest.mark.requirement("pixels are shown as the header says")
@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize(("bits", "signed"), [(12, 0), (16, 0), (16, 1), (8, 0)])
def test_lossless_encodings_give_the_same_film(make: Make, encode: Encode, name: str, bits: int, signed: int) -> None:
    smooth = _shades(bits)
    codes = smooth.astype(np.uint8) if bits == 8 else smooth
    plain = make(codes, BitsStored=bits, PixelRepresentation=signed, PhotometricInterpretation="MONOCHROME1")

    encoded = encode(plain, LOSSLESS[name])

    assert encoded.file_meta.TransferSyntaxUID == LOSSLESS[name]
    assert np.array_equal(film(encoded).image, film(plain).image)


@pytest.mark.needs("dcmcjpeg")
@pytest.mark.parametrize("name", LOSSY)
def test_lossy_encodings_give_nearly_the_same_film(make: Make, encode: Encode, name: str) -> None:
    syntax, bits = LOSSY[name]
    smooth = _shades(bits)
    plain = make(smooth.astype(np.uint8) if bits == 8 else smooth, BitsStored=bits)

    encoded = encode(plain, syntax)
    difference = np.abs(film(encoded).image - film(plain).image)

    assert encoded.file_meta.TransferSyntaxUID == syntax
    assert difference.mean() < 0.02
    assert difference.max() > 0, "a lossy encoder that loses nothing was not one"


@pytest.mark.parametrize("relationship", ["LIN", "LOG", ""])
@pytest.mark.parametrize(("photometric", "sign"), [("MONOCHROME1", None), ("MONOCHROME1", 1), ("MONOCHROME2", 1)])
def test_a_raw_image_shows_dense_as_bright(make: Make, relationship: str, photometric: str, sign: int | None) -> None:
    attenuation = np.linspace(0.05, 2.5, 100)[None, :].repeat(100, 0)
    attenuation[:, :25] = 0.0  # the open field
    exposure = 12000 * np.exp(-attenuation)
    codes = exposure if relationship != "LOG" else 4000 - 1200 * attenuation
    header: dict[str, Any] = {"PresentationIntentType": "FOR PROCESSING", "PixelIntensityRelationship": relationship}
    if sign is not None:
        header["PixelIntensityRelationshipSign"] = sign

    made = film(make(np.rint(codes).astype(np.uint16), PhotometricInterpretation=photometric, **header))

    assert not made.presentation
    assert made.image[:, :25].max() < 0.02
    assert np.allclose(made.image[0, 25:], attenuation[0, 25:] / 2.5, atol=0.03), "linear in attenuation"


def test_metal_and_collimation_do_not_stretch_a_raw_scale(make: Make) -> None:
    codes = np.full((100, 100), 12000, np.uint16)
    codes[:, 50:] = 12000 * np.exp(-2.0)
    codes[:10] = 0

    image = film(make(codes, PresentationIntentType="FOR PROCESSING", PixelIntensityRelationship="LIN",
                      PixelIntensityRelationshipSign=1)).image  # fmt: skip

    assert image[50, 75] == pytest.approx(0.5, abs=0.02)
    assert image[:10].min() == 1.0


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_shows_nothing(make: Make, photometric: str) -> None:
    codes = np.full((20, 20), 1000, np.uint16)
    codes[:5], codes[5:8] = 4095, 4000
    image = film(make(codes, BitsStored=12, PhotometricInterpretation=photometric, PixelPaddingValue=4095,
                      PixelPaddingRangeLimit=4000)).image  # fmt: skip
    assert image[:8].max() == 0.0
    assert image[10:].min() > 0.1


def test_twelve_bits_in_sixteen_are_not_shown_black(make: Make) -> None:
    codes = _shades(12)
    assert film(make(codes, BitsStored=16)).image.max() == 1.0


def test_bits_stored_high_are_brought_down(make: Make) -> None:
    codes = _shades(12)
    assert np.array_equal(
        film(make(codes << 4, BitsStored=12, HighBit=15)).image, film(make(codes, BitsStored=12)).image
    )


def test_a_grey_scan_in_colour_is_taken_and_a_picture_in_colour_is_not(make: Make) -> None:
    grey = (_shades(8)[..., None].repeat(3, 2)).astype(np.uint8)
    assert np.allclose(film(make(grey)).image, grey[..., 0] / 255, atol=1e-3)

    grey[..., 2] = 255 - grey[..., 2]
    with pytest.raises(Refused, match="not-a-radiograph"):
        film(make(grey))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Rows": 97}, "damaged-pixels"),
        ({"Rows": 0}, "damaged-pixels"),
        ({"BitsStored": 17}, "unsupported-encoding"),
        ({"BitsAllocated": 12}, "unsupported-encoding"),
        ({"PixelData": b""}, "damaged-pixels"),
    ],
)
def test_a_header_that_contradicts_its_pixels_is_refused(make: Make, change: dict[str, Any], code: str) -> None:
    broken = make(_shades(12), BitsStored=12)
    for keyword, value in change.items():
        setattr(broken, keyword, value)
    with pytest.raises(Refused) as refused:
        film(broken)
    assert refused.value.reason.code == code


def test_a_film_of_ten_megabytes_takes_a_fraction_of_the_time_allowed(make: Make) -> None:
    codes = np.random.default_rng(1).integers(0, 4096, (2560, 2048)).astype(np.uint16)
    big = make(codes, BitsStored=12, WindowCenter=2048, WindowWidth=4096, PhotometricInterpretation="MONOCHROME1")
    times = []
    for _ in range(5):
        start = time.perf_counter()
        film(big)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.15


def _shades(bits: int) -> NDArray[np.uint16]:
    """Smooth shades with noise over the whole of `bits`."""
    rng = np.random.default_rng(bits)
    y, x = np.mgrid[:96, :80]
    smooth = (np.sin(x / 17) * np.cos(y / 23) + 1) / 2 * ((1 << bits) - 1)
    noisy = np.clip(smooth + rng.normal(0, (1 << bits) / 200, smooth.shape), 0, (1 << bits) - 1)
    codes: NDArray[np.uint16] = noisy.astype(np.uint16)
    codes[0, 0], codes[-1, -1] = 0, (1 << bits) - 1
    return codes
