"""One decoder for each transfer syntax; damaged pixels are refused with a code, never an exception of the decoder."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread, uid
from pydicom.encaps import encapsulate, generate_frames

from edge.detector.decode import DECODERS, stored
from edge.errors import Refused
from edge.intake.admit import TRANSFER_SYNTAXES

Make = Callable[..., Dataset]
Encode = Callable[[Dataset, str], Dataset]

COMPRESSED = [
    uid.RLELossless,
    uid.JPEGBaseline8Bit,
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
]


def outcome(dataset: Dataset) -> str:
    """The shape that was decoded, or the code of the refusal."""
    try:
        return str(stored(dataset).codes.shape)
    except Refused as refused:
        return refused.reason.code


def test_intake_admits_exactly_what_is_decoded_here() -> None:
    assert set(DECODERS) == TRANSFER_SYNTAXES


def test_a_transfer_syntax_without_a_decoder_is_refused(make: Make) -> None:
    dataset = make()
    dataset.file_meta.TransferSyntaxUID = uid.MPEG2MPML
    with pytest.raises(Refused) as refused:
        stored(dataset)
    assert refused.value.reason.code == "unsupported-encoding"


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["J2KR", "JLSL", "JPLL", "RLE"])
def test_lossless_copies_of_a_real_radiograph_are_identical(shared_data: Path, name: str) -> None:
    plain = stored(dcmread(shared_data / "dicom" / "RG3_uncompressed.dcm"))
    copy = stored(dcmread(shared_data / "dicom" / f"RG3_{name}.dcm"))
    assert np.array_equal(copy.codes, plain.codes)
    assert (copy.bits, copy.signed) == (plain.bits, plain.signed) == (10, False)


@pytest.mark.shared_data
@pytest.mark.requirement("a damaged picture is refused")
def test_the_broken_real_radiograph_is_refused(shared_data: Path) -> None:
    with pytest.raises(Refused) as refused:
        stored(dcmread(shared_data / "dicom" / "RG3_JPLY.dcm"))
    assert refused.value.reason.code == "damaged-pixels"


@pytest.mark.parametrize("syntax", COMPRESSED)
def test_a_codestream_of_another_shape_is_refused(make: Make, encode: Encode, syntax: str) -> None:
    encoded = encode(make((np.arange(96 * 64) % 251).astype(np.uint8).reshape(96, 64)), syntax)
    encoded.Rows, encoded.Columns = 64, 96  # as many pixels, another picture
    if syntax == uid.RLELossless:
        encoded.Rows, encoded.Columns = 96, 65
    with pytest.raises(Refused) as refused:
        stored(encoded)
    assert refused.value.reason.code == "damaged-pixels"


@pytest.mark.parametrize("syntax", COMPRESSED)
def test_damage_anywhere_is_refused_or_decodes_to_the_right_shape(make: Make, encode: Encode, syntax: str) -> None:
    encoded = encode(make((np.arange(96 * 64) % 251).astype(np.uint8).reshape(96, 64)), syntax)
    whole = next(generate_frames(encoded.PixelData, number_of_frames=1))
    rng = random.Random(5)
    for _ in range(60):
        broken = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        if rng.random() < 0.4:
            broken = broken[: rng.randrange(len(broken))]
        encoded.PixelData = encapsulate([bytes(broken) or b"\0\0"])
        assert outcome(encoded) in {"damaged-pixels", "(96, 64)"}


@pytest.mark.requirement("a damaged picture is refused")
@pytest.mark.parametrize("syntax", [uid.JPEGBaseline8Bit, uid.JPEGLosslessSV1])
def test_a_stream_of_more_bits_than_the_header_s_ends_no_process(make: Make, encode: Encode, syntax: str) -> None:
    """Such a header made the codec end the process. Without values beyond its bits it is only untidy."""
    for brightest, expected in ((255, "damaged-pixels"), (100, "(96, 64)")):
        picture = np.tile(np.linspace(0, brightest, 64).astype(np.uint8), (96, 1))
        encoded = encode(make(picture), syntax)
        encoded.BitsStored, encoded.HighBit = 7, 6
        assert outcome(encoded) == expected


@pytest.mark.requirement("a damaged picture is refused")
@pytest.mark.parametrize(
    "syntax", [uid.JPEGBaseline8Bit, uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless]
)
def test_a_picture_with_a_piece_missing_is_refused(make: Make, encode: Encode, syntax: str) -> None:
    """Also where the codec itself would fill the gap and carry on: the end is there, so only the middle tells."""
    noise = np.random.default_rng(9).integers(0, 256, (96, 64)).astype(np.uint8)
    encoded = encode(make(noise), syntax)
    whole = next(generate_frames(encoded.PixelData, number_of_frames=1)).rstrip(b"\0")
    encoded.PixelData = encapsulate([whole[: len(whole) // 2] + whole[-2:]])
    assert outcome(encoded) == "damaged-pixels"


def test_overlay_bits_above_the_stored_ones_are_gone(make: Make) -> None:
    codes = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    assert np.array_equal(stored(make(codes | 0xA000, BitsStored=12)).codes, codes)


def test_eight_bit_words_of_a_big_endian_file_are_put_in_order(make: Make) -> None:
    codes = (np.arange(64 * 64) % 256).astype(np.uint8).reshape(64, 64)
    dataset = make(codes)
    dataset.PixelData = codes.view("<u2").astype(">u2").tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRBigEndian
    assert np.array_equal(stored(dataset).codes, codes)
