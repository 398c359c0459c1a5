"""Spellman's frames against published vectors, and what a noisy line can't do to them."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.spellman.frame import MAX_BODY, Decoder, FrameCounters, Packet, checksum
from firmware_bridge.spellman.pmx import PMX
from tests.firmware_bridge.spellman_peer import framed, packet, replies

# Bodies and checksums stated by PyMeasure's tests of its XRV driver (test_spellmanXRV.py): facts of the wire.
PUBLISHED = [
    # requests to read
    *[("14,", "o"), ("15,", "n"), ("16,", "m"), ("17,", "l"), ("19,", "j"), ("21,", "q"), ("22,", "p"), ("23,", "o")],
    *[("27,", "k"), ("28,", "j"), ("38,", "i"), ("43,", "m"), ("60,", "n"), ("65,", "i"), ("68,", "f"), ("69,", "e")],
    # answers
    *[("14,0,", "S"), ("14,1,", "R"), ("14,1280,", "x"), ("14,4095,", "q"), ("14,367,", "c")],
    *[("15,0,", "R"), ("15,478,", "_"), ("15,4095,", "p"), ("15,183,", "f")],
    *[("16,0,", "Q"), ("16,367,", "a"), ("16,4095,", "o"), ("17,0,", "P"), ("17,987,", "X"), ("17,4095,", "n")],
    *[("19,1234,2977,3783,512,768,6,7,899,", "~"), ("19,1,2,3,4,5,6,7,8,", "f")],
    *[("21,0.000000,", "G"), ("21,1.600000,", "@"), ("21,300.670000,", "W"), ("21,1000.000000,", "v")],
    *[("21,25650.000000,", "u"), ("22," + "1," * 17, "C"), ("22,1,0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,1,", "Q")],
    *[("22,0,0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,1,", "R"), ("23,SWM9999-999,56234,", "`")],
    *[("27,1,2,3,4,5,6,7,8,9,10,11,12,", "X"), ("28,160,30,0,", "|"), ("43,SWM00199-001,3261,", "Q")],
    *[("38,110,20,3,4,5,6,", "["), ("38,3000,1568,3,4,5,6,", "x"), ("38,4500,3000,3,4,5,6,", "C")],
    *[("60,0,", "R"), ("60,298,", "_"), ("60,4095,", "p"), ("65,0,", "M"), ("65,1768,", "g"), ("65,4095,", "k")],
    *[("68," + "0," * 27, "r"), ("68," + "1," * 27, "W"), ("69,1,2,3,4,5,6,7,8,9,10,", "o")],
    *[("69,0,0,23,24,", "J"), ("69,156,0,23,24,", "^"), ("69,4095,0,23,24,", "h")],
    *[("22," + "0," * n + "1," + "0," * (16 - n), "S") for n in range(17)],
    *[("68," + "0," * n + "1," + "0," * (26 - n), "q") for n in range(27)],
    # what others may set, and the answers to it: a listener meets them
    *[("07,1,", "P"), ("07,2,", "O"), ("07,3,", "N"), ("07,4,", "M"), ("07,5,", "L"), ("07,$,", "]")],
    *[("10,0,", "W"), ("10,1,", "V"), ("10,1280,", "|"), ("10,4095,", "u"), ("10,367,", "g"), ("10,$,", "c")],
    *[("11,0,", "V"), ("11,478,", "c"), ("11,4095,", "t"), ("11,183,", "j"), ("11,$,", "b")],
    *[("12,0,", "U"), ("12,367,", "e"), ("12,4095,", "s"), ("12,$,", "a")],
    *[("13,0,", "T"), ("13,987,", "\\"), ("13,4095,", "r"), ("13,$,", "`")],
    *[("30,", "q"), ("30,$,", "a"), ("31,", "p"), ("31,$,", "`"), ("32,1,", "R"), ("32,0,", "S"), ("32,$,", "_")],
    *[("70,1,", "P"), ("70,0,", "Q"), ("70,$,", "]"), ("97,110,20,", "X"), ("97,3000,1568,", "u")],
    *[("97,4500,3000,", "@"), ("97,$,", "T"), ("98,1,", "F"), ("98,0,", "G"), ("98,$,", "S")],
]


@pytest.mark.parametrize(("body", "seal"), PUBLISHED)
def test_a_published_vector_is_sealed_and_read_as_its_authors_say(body: str, seal: str) -> None:
    assert chr(checksum(body.encode())) == seal
    decoder = Decoder()
    (found,) = decoder.feed(b"\x02" + body.encode() + seal.encode() + b"\x03")
    assert found == Packet(int(body[:2]), tuple(body[3:-1].split(",")) if body[3:] else ())
    assert decoder.counters == FrameCounters(good=1)


def test_the_status_request_byte_by_byte() -> None:
    assert framed("22,") == bytes.fromhex("02 32 32 2C 70 03")


@pytest.mark.requirement("a damaged record is never taken for a whole one")
@pytest.mark.parametrize(("body", "seal"), PUBLISHED)
def test_no_single_wrong_bit_gives_a_packet(body: str, seal: str) -> None:
    wire = b"\x02" + body.encode() + seal.encode() + b"\x03"
    for at in range(len(wire)):
        for bit in range(8):
            struck = bytearray(wire)
            struck[at] ^= 1 << bit
            assert Decoder().feed(bytes(struck)) == [], (at, bit)


@pytest.mark.parametrize("bit", [6, 7])
def test_bits_six_and_seven_pass_the_checksum_and_stop_at_the_alphabet(bit: int) -> None:
    body = bytearray(b"60,2345,")
    body[4] ^= 1 << bit
    assert checksum(bytes(body)) == checksum(b"60,2345,")
    decoder = Decoder()
    assert decoder.feed(framed(body.decode("latin-1"))) == []
    assert decoder.counters == FrameCounters(bad_syntax=1)


def test_of_all_pairs_of_wrong_bits_the_alphabet_stops_most_that_pass_the_checksum() -> None:
    wire = framed("60,2345,")
    sealed = passed = 0
    for pair in combinations(range(8, 8 * (len(wire) - 1)), 2):  # all but STX and ETX
        struck = bytearray(wire)
        for bit in pair:
            struck[bit // 8] ^= 1 << bit % 8
        sealed += struck[-2] == checksum(bytes(struck[1:-2]))
        passed += bool(Decoder().feed(bytes(struck)))
    assert (sealed, passed) == (234, 34)  # of 2556


def test_two_digits_that_changed_places_are_not_seen_which_is_why_numbers_are_read_twice() -> None:
    assert checksum(b"60,2345,") == checksum(b"60,3245,")
    assert packet("60,3245,").arguments == ("3245",)


@pytest.mark.parametrize(
    "body",
    [
        "2,",
        "222,",
        "22",
        "22,1",
        "22,,",
        "22,1,,",
        ",",
        "2a,",
        "22,a,",
        "22, 1,",
        "22,1\n,",
        "22,\u00b2,",
        "22,_1,",
        "22,+1,",
    ],
)
def test_what_is_not_to_the_letter_is_refused(body: str) -> None:
    decoder = Decoder()
    assert decoder.feed(framed(body)) == []
    assert decoder.counters == FrameCounters(bad_syntax=1)


def test_an_empty_frame_is_only_counted() -> None:
    decoder = Decoder()
    assert decoder.feed(b"\x02\x03") == []
    assert decoder.feed(b"\x02@\x03") == []
    assert decoder.counters == FrameCounters(bad_checksum=1, bad_syntax=1)


def test_every_stx_starts_afresh() -> None:
    decoder = Decoder()
    assert decoder.feed(b"\xff\x00" + framed("60,12,")[:5] + framed("60,4095,")) == [Packet(60, ("4095",))]
    assert decoder.counters == FrameCounters(good=1, interrupted=1, noise_bytes=2)


def test_a_frame_without_an_end_is_dropped_once_and_the_next_is_read() -> None:
    decoder = Decoder()
    assert decoder.feed(b"\x02" + b"1" * (MAX_BODY + 11) + framed("22,")) == [Packet(22, ())]
    assert decoder.counters == FrameCounters(good=1, overlong=1, noise_bytes=10)


def test_the_longest_frame_is_read() -> None:
    body = "43," + "A" * (MAX_BODY - 5) + ","
    assert packet(body).arguments == ("A" * (MAX_BODY - 5),)


def test_a_reset_forgets_half_a_frame_and_keeps_the_counts() -> None:
    decoder = Decoder()
    decoder.feed(framed("22,") + b"\x0260,")
    decoder.reset()
    assert decoder.feed(b"4095,p\x03") == []
    assert decoder.counters == FrameCounters(good=1, noise_bytes=7)


@given(st.lists(replies(PMX).map(framed) | st.binary(max_size=200), max_size=8), st.data())
def test_packets_and_counts_do_not_depend_on_the_chunks(parts: list[bytes], data: st.DataObject) -> None:
    wire = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    whole, cut = Decoder(), Decoder()
    at_once = whole.feed(wire)
    assert at_once == [found for start, end in pairwise([0, *cuts, len(wire)]) for found in cut.feed(wire[start:end])]
    assert whole.counters == cut.counters


@given(st.binary(max_size=300), replies(PMX))
def test_noise_never_raises_nor_hoards_and_costs_no_later_frame(noise: bytes, body: str) -> None:
    decoder = Decoder()
    decoder.feed(noise)
    assert decoder._body is None or len(decoder._body) <= MAX_BODY
    assert decoder.feed(framed(body)) == [packet(body)]
