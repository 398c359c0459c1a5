"""Frames: the bytes on the wire, one by one, and what a noisy line can't do to them."""

from __future__ import annotations

import random
from itertools import pairwise
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.frame import MAX_ENCODED, MAX_PAYLOAD, Decoder, Frame, FrameCounters, encode

GOLDEN = (
    b"\x03"  # COBS: two bytes follow up to the first zero
    b"\x01"  # version 1
    b"\x21"  # type: REPLAY_REQ
    b"\x01"  # COBS: flags were 00
    b"\x04"  # COBS: reserved was 00, three bytes follow
    b"\xc7\xb6"  # session B6C7, little-endian
    b"\x04"  # seq 4 ...
    b"\x01\x01\x08"  # ... whose upper bytes were 00 00 00; seven bytes follow
    b"\xa1\x01\x0a"  # CBOR: a map of one pair, key 1, value 10
    b"\x2a\x72\x72\x48"  # CRC-32 of header and payload, little-endian
    b"\x00"  # delimiter
)
GOLDEN_FRAME = Frame(type=0x21, flags=0, session=0xB6C7, seq=4, payload=b"\xa1\x01\x0a")

frames = st.builds(
    Frame,
    type=st.integers(0, 255),
    flags=st.integers(0, 255),
    session=st.integers(0, 65535),
    seq=st.integers(0, 2**32 - 1),
    payload=st.binary(max_size=60) | st.binary(min_size=240, max_size=MAX_PAYLOAD),
)


def test_the_golden_frame_is_what_a_firmware_author_reads() -> None:
    assert encode(GOLDEN_FRAME) == GOLDEN
    assert Decoder().feed(GOLDEN) == [GOLDEN_FRAME]


def test_the_crc_is_the_one_of_ethernet_and_zip() -> None:
    assert crc32(b"123456789") == 0xCBF43926  # the check value of CRC-32/ISO-HDLC


@given(st.lists(frames, max_size=6), st.data())
def test_frames_and_counts_do_not_depend_on_the_chunks(sent: list[Frame], data: st.DataObject) -> None:
    wire = b"".join(encode(frame, flush=data.draw(st.booleans())) for frame in sent)
    decoder = Decoder()
    received: list[Frame] = []
    for chunk in _chunks(wire, data):
        received += decoder.feed(chunk)
    assert received == sent
    assert decoder.counters == FrameCounters(good=len(sent))


@given(st.lists(st.one_of(frames, st.binary(max_size=80), st.just(b"x" * (MAX_ENCODED + 1))), max_size=8), st.data())
def test_noise_between_frames_costs_nothing_and_counts_alike_in_any_chunks(
    parts: list[Frame | bytes], data: st.DataObject
) -> None:
    wire = b"".join(encode(part, flush=True) if isinstance(part, Frame) else part for part in parts)
    whole, cut = Decoder(), Decoder()
    at_once = whole.feed(wire)
    in_pieces = [frame for chunk in _chunks(wire, data) for frame in cut.feed(chunk)]
    assert at_once == in_pieces
    assert whole.counters == cut.counters
    assert at_once == [part for part in parts if isinstance(part, Frame)]


@pytest.mark.requirement("a damaged record is never taken for a whole one")
@given(frames, frames, st.data())
def test_a_damaged_frame_is_never_accepted_and_costs_only_itself(
    struck: Frame, after: Frame, data: st.DataObject
) -> None:
    wire = bytearray(encode(struck))
    match data.draw(st.sampled_from(["flip", "drop", "double", "cut"])):
        case "flip":
            at = data.draw(st.integers(0, len(wire) - 2))
            wire[at] ^= data.draw(st.integers(1, 255))
        case "drop":
            del wire[data.draw(st.integers(0, len(wire) - 2))]
        case "double":
            at = data.draw(st.integers(0, len(wire) - 2))
            wire.insert(at, wire[at] ^ 1 or 2)
        case "cut":
            del wire[data.draw(st.integers(1, len(wire) - 2)) :]
    received = Decoder().feed(bytes(wire) + encode(after, flush=True))
    assert received == [after]


@given(st.lists(st.binary(max_size=400), max_size=20))
def test_no_bytes_make_the_decoder_raise_or_hoard(chunks: list[bytes]) -> None:
    decoder = Decoder()
    for chunk in chunks:
        decoder.feed(chunk)
        assert len(decoder._pending) <= MAX_ENCODED


def test_two_megabytes_of_noise_hold_no_frame() -> None:
    decoder = Decoder()
    assert decoder.feed(random.Random(7).randbytes(2_000_000)) == []
    assert decoder.counters.bad_cobs + decoder.counters.bad_crc + decoder.counters.overlong > 5000


def test_a_line_without_delimiters_is_counted_once_and_recovers_at_the_next_zero() -> None:
    decoder = Decoder()
    for _ in range(10):
        assert decoder.feed(b"\xff" * 700) == []
    assert decoder.counters == FrameCounters(overlong=1)
    assert decoder.feed(b"\xff\x00" + GOLDEN) == [GOLDEN_FRAME]
    assert decoder.counters == FrameCounters(good=1, overlong=1)


@pytest.mark.parametrize(
    ("body", "counted"),
    [
        (b"\x02\x21\x00\x00\xc7\xb6\x04\x00\x00\x00", FrameCounters(bad_header=1)),  # version 2
        (b"\x01\x21\x00\x01\xc7\xb6\x04\x00\x00\x00", FrameCounters(bad_header=1)),  # reserved not 0
        (b"\x01\x21\x00\x00\xc7\xb6\x04\x00\x00", FrameCounters(bad_header=1)),  # a byte short
        (b"", FrameCounters(bad_header=1)),  # a CRC of nothing
        (b"\x01\x21\x00\x00\xc7\xb6\x04\x00\x00\x00" + b"x" * 321, FrameCounters(bad_header=1)),  # too much payload
    ],
)
def test_a_header_of_another_version_or_size_is_refused(body: bytes, counted: FrameCounters) -> None:
    from cobs import cobs

    decoder = Decoder()
    assert decoder.feed(cobs.encode(body + crc32(body).to_bytes(4, "little")) + b"\0") == []
    assert decoder.counters == counted


@pytest.mark.parametrize("wrong", [{"payload": b"x" * 321}, {"session": 65536}, {"seq": -1}, {"type": 256}])
def test_a_frame_that_does_not_fit_is_not_encoded(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"limit|header"):
        encode(GOLDEN_FRAME._replace(**wrong))  # type: ignore[arg-type]


def test_a_reset_forgets_half_a_frame_and_keeps_the_counts() -> None:
    decoder = Decoder()
    decoder.feed(GOLDEN + GOLDEN[:9])
    decoder.reset()
    assert decoder.feed(GOLDEN) == [GOLDEN_FRAME]
    assert decoder.counters == FrameCounters(good=2)


def _chunks(wire: bytes, data: st.DataObject) -> list[bytes]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    edges = [0, *cuts, len(wire)]
    return [wire[start:end] for start, end in pairwise(edges)]
